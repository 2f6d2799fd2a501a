// Codecs of storage and wires on the CUDA device: the host's codes.
#include <catch2/catch.hpp>
#include <cstring>
#include <foal/cuda.hpp>
#include <foal/lower/codec.hpp>
#include <foal/policy/codec/bfloat16.hpp>
#include <foal/policy/codec/int8.hpp>

#include "../support/host_and_gpu.hpp"

namespace {

using namespace foal::test;
using foal::device::cuda;
using host = host_apart<float>;

static_assert(foal::lower::codes<foal::codec::bfloat16, cuda, float> && foal::lower::codes<foal::codec::int8, cuda, float>);
static_assert(!foal::lower::codes<foal::codec::int8, cuda, double>);

bool same_bits(std::vector<float> const& a, std::vector<float> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

constexpr float infinity = std::numeric_limits<float>::infinity();

struct coded {
  std::vector<std::byte> code;
  std::vector<float> error, back;
};

/// Encodes and decodes with int8 on a device, codes lying behind each other, whatever the size of a row.
template <class Device>
coded by_int8(foal::codec::rows of, std::vector<float> const& x, std::vector<float> const& error, bool owes) {
  with_workspace<Device> d;
  array_on<Device, float> values(d.device, x), errors(d.device, error), back(d.device, std::vector<float>(x.size(), 9.0F));
  array_on<Device, std::byte> code(d.device, std::vector<std::byte>(of.count * foal::codec::int8::bytes(of.size)));
  foal::codec::int8::encode(d.device, of, static_cast<float const*>(values.data()), owes ? errors.data() : nullptr,
                            code.data());
  foal::codec::int8::decode(d.device, of, static_cast<std::byte const*>(code.data()), back.data());
  return {code.values(), errors.values(), back.values()};
}

void compare(foal::codec::rows of, std::vector<float> const& x, std::vector<float> const& error, bool owes) {
  auto const here = by_int8<host>(of, x, error, owes), there = by_int8<cuda>(of, x, error, owes);
  CHECK(here.code == there.code);
  CHECK(same_bits(here.back, there.back));
  // A GPU may fuse the product and the difference that an error is.
  for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(there.error[i] == Approx(here.error[i]).margin(1e-7).epsilon(1e-6));
}

}  // namespace

TEST_CASE("bfloat16 on the GPU has the host's bits", "[cuda]") {
  auto x = numbers<float>(1000, 1);
  for (std::size_t i = 0; i < 500; ++i) x[i] *= std::ldexp(1.0F, static_cast<int>(i) / 2 - 140);
  x.insert(x.end(), {infinity, -infinity, 0.0F, -0.0F, std::numeric_limits<float>::max(), 1.00390625F, 1.01171875F});
  std::vector<std::uint16_t> codes(x.size());
  std::vector<float> back(x.size());
  host::narrow(x.size(), x.data(), codes.data());
  host::widen(x.size(), codes.data(), back.data());
  with_workspace<cuda> gpu;
  array_on<cuda, float> values(gpu.device, x), wide(gpu.device, x);
  array_on<cuda, std::uint16_t> narrow(gpu.device, std::vector<std::uint16_t>(x.size()));
  gpu.device.narrow(x.size(), values.data(), narrow.data());
  gpu.device.widen(x.size(), narrow.data(), wide.data());
  CHECK(narrow.values() == codes);
  CHECK(same_bits(wide.values(), back));
  array_on<cuda, float> nan(gpu.device, {std::numeric_limits<float>::quiet_NaN()});
  gpu.device.narrow(1, nan.data(), narrow.data());
  gpu.device.widen(1, narrow.data(), nan.data());
  CHECK(std::isnan(nan.values()[0]));
}

TEST_CASE("int8 on the GPU has the host's codes", "[cuda]") {
  for (foal::codec::rows const of : {foal::codec::rows{1, 1}, {3, 5}, {7, 64}, {2, 1001}})
    for (bool const owes : {false, true})
      compare(of, numbers<float>(of.elements(), 1), numbers<float>(of.elements(), 2), owes);
}

TEST_CASE("int8 on the GPU of rows that are not coded is the host's", "[cuda]") {
  foal::codec::rows const of{5, 6};
  auto x = numbers<float>(of.elements(), 1);
  std::fill(x.begin(), x.begin() + 6, 0.0F);
  x[8] = infinity;
  x[13] = std::numeric_limits<float>::quiet_NaN();
  for (std::size_t i = 18; i < 24; ++i) x[i] *= 1e-38F;
  for (bool const owes : {false, true}) {
    auto const error = owes ? std::vector<float>(x.size()) : numbers<float>(x.size(), 2);
    auto const there = by_int8<cuda>(of, x, error, owes), here = by_int8<host>(of, x, error, owes);
    for (std::size_t i = 0; i < x.size(); ++i) {
      bool const lost = i >= 6 && i < 18;
      CHECK(std::isnan(there.back[i]) == lost);
      CHECK(std::isnan(here.back[i]) == lost);
      if (!lost) CHECK(there.back[i] == here.back[i]);
      if (owes && lost) CHECK(there.error[i] == 0);
    }
    CHECK(there.error[20] == here.error[20]);
  }
}
