#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <foal/device/contract.hpp>
#include <foal/device/host.hpp>

#include "../../support/layer_check.hpp"

using namespace foal::test;
using foal::device::host;

static_assert(foal::device::device<host>);

namespace {

struct momentum_step {
  float rate, momentum;
  void operator()(float& w, float& v, float const& g) const {
    v = momentum * v + g;
    w -= rate * v;
  }
};

/// As optimizers do: something with a root, and an array that is only read.
template <class S>
struct rooted_step {
  S by;
  static constexpr bool in_registers = true;
  template <class T>
  void operator()(T& w, T const& g, T& square) const {
    square = by * square + g * g;
    w -= by * (g / (foal::square_root(square) + by));
  }
};

template <class S>
void check_map_in_registers() {
  for (std::size_t const n : {0U, 1U, 3U, 4U, 8U, 15U, 16U, 17U, 31U, 33U, 100U}) {
    auto w = random_numbers<S>(n + 1, 1), square = random_numbers<S>(n + 1, 2);
    auto const g = random_numbers<S>(n + 1, 3);
    for (S& s : square) s *= s;
    auto alone_w = w, alone_square = square;
    host::map(n, rooted_step<S>{S(0.5)}, w.data(), g.data(), square.data());
    for (std::size_t i = 0; i < n; ++i)
      host::map(1, rooted_step<S>{S(0.5)}, alone_w.data() + i, g.data() + i, alone_square.data() + i);
    CHECK(w == alone_w);  // the bits do not depend on an element's place; and what is behind is as it was
    CHECK(square == alone_square);
    for (std::size_t i = 0; i < n; ++i) {
      double const q = static_cast<double>(square[i]);
      CHECK(std::abs(static_cast<double>(foal::square_root(square[i])) - std::sqrt(q)) <= 1e-7 * std::sqrt(q));
    }
  }
}

}  // namespace

TEST_CASE("map gives registers to functors that take them, to the same bits", "[device]") {
  check_map_in_registers<float>();
  check_map_in_registers<double>();
}

TEST_CASE("map calls the functor once for each element", "[device]") {
  auto w = random_numbers<float>(1003, 1), v = random_numbers<float>(1003, 2);
  auto const g = random_numbers<float>(1003, 3);
  auto wanted_w = w, wanted_v = v;
  for (std::size_t i = 0; i < g.size(); ++i) {
    wanted_v[i] = 0.5f * wanted_v[i] + g[i];
    wanted_w[i] -= 0.25f * wanted_v[i];
  }
  host::map(w.size(), momentum_step{0.25f, 0.5f}, w.data(), v.data(), g.data());
  CHECK(relative_error(w, wanted_w) < 1e-6);
  CHECK(relative_error(v, wanted_v) < 1e-6);
  host::map(0, momentum_step{}, w.data(), v.data(), g.data());
}

TEST_CASE("sum_of_squares and all_finite", "[device]") {
  for (std::size_t const n : {0U, 1U, 7U, 8U, 16U, 17U, 33U, 1000U}) {
    auto x = random_numbers<float>(n, static_cast<unsigned>(n) + 1);
    double wanted = 0;
    for (float const value : x) wanted += static_cast<double>(value) * static_cast<double>(value);
    CHECK(host::sum_of_squares(n, x.data()) == Approx(wanted).epsilon(1e-13));
    CHECK(host::all_finite(n, x.data()));
    for (std::size_t i = 0; i < n; i += 5) {
      float const kept = x[i];
      for (float const bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity()}) {
        x[i] = bad;
        CHECK_FALSE(host::all_finite(n, x.data()));
      }
      x[i] = kept;
    }
  }
  std::vector<float> large(40, std::numeric_limits<float>::max());
  CHECK(host::all_finite(large.size(), large.data()));
}

TEMPLATE_TEST_CASE("magnitude_bound: no magnitude is above it, and NaN tells of one that is not finite", "[device]", float,
                   double) {
  using limits = std::numeric_limits<TestType>;
  for (std::size_t const n : {1U, 7U, 16U, 17U, 31U, 32U, 33U, 1000U}) {
    auto x = random_numbers<TestType>(n, static_cast<unsigned>(n) + 1);
    for (std::size_t i = 0; i < n; i += 5) {
      TestType const kept = x[i];
      for (TestType const large : {TestType(-2), TestType(1e30), limits::max(), limits::lowest()}) {
        x[i] = large;
        double const bound = host::magnitude_bound(n, x.data());
        CHECK(bound >= static_cast<double>(std::abs(large)));
        CHECK(bound <= static_cast<double>(std::abs(large)) + static_cast<double>(n));
      }
      for (TestType const bad : {limits::infinity(), -limits::infinity(), limits::quiet_NaN(), -limits::quiet_NaN()}) {
        x[i] = bad;
        CHECK(std::isnan(host::magnitude_bound(n, x.data())));
      }
      x[i] = kept;
    }
  }
  std::vector<TestType> const large(100, limits::max());  // a sum that overflows
  CHECK(host::magnitude_bound(100, large.data()) == static_cast<double>(limits::max()));
  std::vector<TestType> const small{0, -limits::denorm_min()};
  CHECK(host::magnitude_bound(2, small.data()) == static_cast<double>(limits::denorm_min()));
  CHECK(host::magnitude_bound(0, small.data()) == 0);
}

TEST_CASE("rows: a bias added, sums and sums of products against plain loops", "[device]") {
  for (int const rows : {1, 5, 64, 65, 200}) {
    for (int const cols : {1, 3, 64, 65, 130}) {
      auto const n = static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
      auto const x = random_numbers<float>(n, 1), y = random_numbers<float>(n, 2);
      auto const bias = random_numbers<float>(static_cast<std::size_t>(cols), 3);
      std::vector<double> added(x.begin(), x.end()), sum(bias.begin(), bias.end()), products(bias.begin(), bias.end());
      for (std::size_t i = 0; i < n; ++i) {
        std::size_t const c = i % static_cast<std::size_t>(cols);
        added[i] += static_cast<double>(bias[c]);
        sum[c] += static_cast<double>(x[i]);
        products[c] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
      }
      auto with_bias = x, total = bias, total_products = bias;
      host::add_to_rows(rows, cols, bias.data(), with_bias.data());
      host::sum_of_rows(rows, cols, x.data(), total.data());
      host::sum_of_row_products(rows, cols, x.data(), y.data(), total_products.data());
      CHECK(relative_error(with_bias, added) < 1e-6);
      CHECK(relative_error(total, sum) < 2e-6);
      CHECK(relative_error(total_products, products) < 2e-6);
    }
  }
}

TEST_CASE("memory: aligned, copied, zeroed", "[device]") {
  void* const block = host::allocate(1000);
  CHECK(reinterpret_cast<std::uintptr_t>(block) % foal::alignment == 0);
  std::vector<unsigned char> const in(1000, 7);
  std::vector<unsigned char> out(1000, 1);
  host::copy_in(block, in.data(), 1000);
  host::copy_out(out.data(), block, 1000);
  CHECK(out == in);
  host::zero(block, 999);
  host::copy(out.data(), block, 1000);
  CHECK(std::count(out.begin(), out.end(), 0) == 999);
  host::copy(nullptr, nullptr, 0);
  host::release(block);
}
