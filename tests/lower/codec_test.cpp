// Codecs as functions: the three forms of them, their rows, and what each feeds back.
#include <foal/lower/codec.hpp>

#include <catch2/catch.hpp>

#include <limits>
#include <vector>

#include <foal/device/host.hpp>
#include <foal/policy/codec/bfloat16.hpp>
#include <foal/policy/codec/int8.hpp>

#include "tests/support/codecs.hpp"

namespace {

using namespace foal;
using device::host;
using test::fixed_point;

/// A device whose memory the host does not read: it has host's ops, and no codec of rows may be run on it.
struct elsewhere : host {
  static constexpr bool host_memory = false;
  using host::host;
};

struct box {
  std::vector<std::byte> workspace = std::vector<std::byte>(host::workspace_bytes + 64);
  host device{reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(workspace.data()) + 63) / 64 * 64)};
};

/// There and back through the functions.
std::vector<float> through(table::codec_functions const& f, std::size_t row, std::vector<float> const& x,
                           std::vector<float>* error = nullptr) {
  box on;
  std::vector<std::byte> code(x.size() / row * f.row_bytes(f.codec, row));
  std::vector<float> y(x.size());
  f.encode({f.codec, &on.device, x.size() / row, row, x.data(), error == nullptr ? nullptr : error->data(), code.data()});
  f.decode({f.codec, &on.device, x.size() / row, row, code.data(), nullptr, y.data()});
  return y;
}

struct as_it_is {
  static constexpr char const* name = "as it is";
  using code_type = float;
  FOAL_HOST_DEVICE float encode(float v) const { return v; }
  FOAL_HOST_DEVICE void decode(float code, float& v) const { v = code; }
};

std::vector<float> const some{0.1F, -0.73F, 2.0F, 0, 0.515F, 100.25F, -3.1F, 0.0071F, 1, 2, 3, 4};

}  // namespace

TEST_CASE("A codec runs where its form can", "[codec]") {
  static_assert(lower::codes<codec::bfloat16, host, float> && lower::codes<codec::int8, host, float>);
  static_assert(!lower::codes<codec::bfloat16, host, double> && !lower::codes<codec::int8, host, double>);
  static_assert(lower::codes<fixed_point, host, float> && lower::codes<fixed_point, host, double>);
  static_assert(lower::codes<test::steps<float>, host, float> && !lower::codes<test::steps<float>, host, double>);
  static_assert(lower::codes<fixed_point, elsewhere, float>);
  static_assert(!lower::codes<test::steps<float>, elsewhere, float>);
  static_assert(!lower::codes<int, host, float>);
  SUCCEED();
}

TEST_CASE("Functions give what the codec gives, and say what it is", "[codec]") {
  fixed_point const fixed;
  auto const f = lower::codec_of<host, float>(fixed);
  CHECK(std::string(f.name) == "fixed point");
  CHECK(f.row_bytes(f.codec, 6) == 12);
  CHECK(f.least_row == 1);
  CHECK(f.stored == element::bytes);
  CHECK(f.feeds_back);
  CHECK(through(f, 6, some) == test::back_from(fixed, 6, some));

  test::steps<float> coarse;
  coarse.step = 1;
  auto const g = lower::codec_of<host, float>(coarse);
  CHECK(g.row_bytes(g.codec, 6) == 10);
  CHECK(g.least_row == 2);
  CHECK(!g.feeds_back);
  CHECK(through(g, 4, some) == test::back_from(coarse, 4, some));
  CHECK(through(g, 4, some) != test::back_from(test::steps<float>{}, 4, some));  // its numbers count

  codec::bfloat16 const half;
  auto const h = lower::codec_of<host, float>(half);
  CHECK(h.stored == element::bfloat16);
  CHECK(!h.feeds_back);
  std::vector<std::uint16_t> narrow(some.size());
  std::vector<float> wide(some.size());
  host::narrow(some.size(), some.data(), narrow.data());
  host::widen(some.size(), narrow.data(), wide.data());
  CHECK(through(h, 3, some) == wide);

  codec::int8 const bytes;
  auto const q = lower::codec_of<host, float>(bytes);
  CHECK(q.row_bytes(q.codec, 6) == 10);
  CHECK(q.feeds_back);
  for (bool const feedback : {false, true}) {
    std::vector<float> owed(some.size(), 0.25F), oracle = owed, scale(2), y(some.size());
    std::vector<std::int8_t> integers(some.size());
    host::quantise(2, 6, some.data(), feedback ? oracle.data() : nullptr, scale.data(), integers.data());
    host::dequantise(2, 6, scale.data(), integers.data(), y.data());
    CHECK(through(q, 6, some, feedback ? &owed : nullptr) == y);
    CHECK(owed == oracle);
  }
}

TEST_CASE("What an elementwise codec loses is fed back, and what is not finite is forgotten", "[codec]") {
  fixed_point const fixed;
  auto const f = lower::codec_of<host, float>(fixed);
  std::vector<float> const x{0.003F, -0.004F};
  std::vector<float> owed(2, 0.0F), sum(2, 0.0F);
  for (int i = 0; i < 100; ++i) {
    auto const y = through(f, 2, x, &owed);
    for (std::size_t k = 0; k < 2; ++k) sum[k] += y[k];
  }
  for (std::size_t k = 0; k < 2; ++k) CHECK(sum[k] + owed[k] == Approx(100 * x[k]).epsilon(1e-4));
  CHECK(through(f, 2, x) == std::vector<float>{0, 0});  // without feedback all of it is lost

  as_it_is const itself;
  auto const g = lower::codec_of<host, float>(itself);
  std::vector<float> const bad{std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()};
  owed = {1, 1};
  through(g, 2, bad, &owed);
  CHECK(owed == std::vector<float>{0, 0});
}
