#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <foal/device/host.hpp>
#include <vector>

#include "../../support/layer_check.hpp"

using namespace foal::test;
using foal::device::host;

namespace {

/// Blocks of 64 rows, as the sums take them, one by one.
template <class Op>
void by_blocks(int rows, int cols, Op op) {
  for (int first = 0; first < rows; first += 64) op(std::min(64, rows - first), first * cols);
}

template <class S>
void check_that_size_changes_no_bit(int rows, int cols) {
  auto const n = static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols), c = static_cast<std::size_t>(cols);
  auto const x = random_numbers<S>(n, 1), y = random_numbers<S>(n, 2), mean = random_numbers<S>(c, 3),
             spread = random_numbers<S>(c, 4), scale = random_numbers<S>(c, 5), shift = random_numbers<S>(c, 6);

  std::vector<S> sum(c, S(1)), more(c, S(2)), blocks_sum = sum, blocks_more = more;
  host::sums_of_rows_and_products(rows, cols, x.data(), y.data(), sum.data(), more.data());
  by_blocks(rows, cols, [&](int count, int at) {
    host::sums_of_rows_and_products(count, cols, x.data() + at, y.data() + at, blocks_sum.data(), blocks_more.data());
  });
  CHECK(sum == blocks_sum);
  CHECK(more == blocks_more);
  host::sum_of_squared_distances(rows, cols, x.data(), mean.data(), sum.data());
  by_blocks(rows, cols, [&](int count, int at) {
    host::sum_of_squared_distances(count, cols, x.data() + at, mean.data(), blocks_sum.data());
  });
  CHECK(sum == blocks_sum);
  double worst = 0;
  for (std::size_t k = 0; k < c; k += 5) {
    double wanted = 2;
    for (std::size_t i = k; i < n; i += c) wanted += static_cast<double>(x[i]) * static_cast<double>(y[i]);
    worst = std::max(worst, std::abs(static_cast<double>(more[k]) - wanted));
  }
  CHECK(worst < 1e-4 * rows);

  std::vector<S> normal(n), to(n), blocks_normal(n), blocks_to(n);
  host::normalise(rows, cols, x.data(), mean.data(), spread.data(), scale.data(), shift.data(), normal.data(), to.data());
  by_blocks(rows, cols, [&](int count, int at) {
    host::normalise(count, cols, x.data() + at, mean.data(), spread.data(), scale.data(), shift.data(),
                    blocks_normal.data() + at, blocks_to.data() + at);
  });
  CHECK(normal == blocks_normal);
  CHECK(to == blocks_to);
  worst = 0;
  for (std::size_t i = 0; i < n; i += 7) {
    double const value = (static_cast<double>(x[i]) - static_cast<double>(mean[i % c])) * static_cast<double>(spread[i % c]);
    double const wanted = value * static_cast<double>(scale[i % c]) + static_cast<double>(shift[i % c]);
    worst = std::max(worst, std::abs(static_cast<double>(to[i]) - wanted));
  }
  CHECK(worst < 1e-5);
}

}  // namespace

// Wide rows from far are read in another order than those that lie in the cache.
TEST_CASE("sums over rows and normalised rows have the same bits, large and small", "[device]") {
  for (int const cols : {1, 16, 37, 64, 200}) {
    check_that_size_changes_no_bit<float>(70, cols);
    check_that_size_changes_no_bit<float>(900, cols);
  }
  check_that_size_changes_no_bit<double>(700, 100);
}
