#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <foal/device/host/product.hpp>

#include "../../support/layer_check.hpp"

using namespace foal::test;

namespace {

struct sizes {
  int rows, cols, depth;
};

std::vector<sizes> const cases{{1, 1, 1},    {3, 2, 5},     {8, 10, 512},   {8, 24, 20},    {9, 33, 17},   {8, 512, 64},
                               {5, 70, 300}, {64, 16, 144}, {65, 130, 257}, {130, 67, 513}, {1, 512, 100}, {17, 1, 1000},
                               {4, 3, 0},    {0, 3, 4},     {3, 0, 4},      {70, 70, 8},    {13, 21, 90}};

/// One product kind against three plain loops in double; a_at and b_at give the index of a(r, k) and b(k, c).
template <class S, class Product, class A, class B>
double worst_error(Product product, A a_at, B b_at) {
  double worst = 0;
  unsigned seed = 1;
  for (sizes const n : cases) {
    auto const elements = [](int x, int y) { return static_cast<std::size_t>(x) * static_cast<std::size_t>(y); };
    auto const a = random_numbers<S>(elements(n.rows, n.depth), ++seed);
    auto const b = random_numbers<S>(elements(n.depth, n.cols), ++seed);
    auto const start = random_numbers<S>(elements(n.rows, n.cols), ++seed);
    for (bool const accumulate : {false, true}) {
      std::vector<double> wanted;
      for (int r = 0; r < n.rows; ++r) {
        for (int c = 0; c < n.cols; ++c) {
          double sum = accumulate ? static_cast<double>(start[static_cast<std::size_t>(r * n.cols + c)]) : 0;
          for (int k = 0; k < n.depth; ++k) {
            sum += static_cast<double>(a[static_cast<std::size_t>(a_at(n, r, k))]) *
                   static_cast<double>(b[static_cast<std::size_t>(b_at(n, k, c))]);
          }
          wanted.push_back(sum);
        }
      }
      std::vector<S> c = start;
      if (!accumulate) std::fill(c.begin(), c.end(), std::numeric_limits<S>::quiet_NaN());
      product(n, a.data(), b.data(), c.data(), accumulate);
      double const error = relative_error(c, wanted);
      worst = std::max(worst, std::isnan(error) ? 1 : error);
    }
  }
  return worst;
}

template <class S>
void check_all(double bound) {
  host_device host;
  auto const& d = host.device;
  CHECK(worst_error<S>(
            [&](sizes n, S const* a, S const* b, S* c, bool add) { d.product_nn(n.rows, n.cols, n.depth, a, b, c, add); },
            [](sizes n, int r, int k) { return r * n.depth + k; },
            [](sizes n, int k, int c) { return k * n.cols + c; }) < bound);
  CHECK(worst_error<S>(
            [&](sizes n, S const* a, S const* b, S* c, bool add) { d.product_nt(n.rows, n.cols, n.depth, a, b, c, add); },
            [](sizes n, int r, int k) { return r * n.depth + k; },
            [](sizes n, int k, int c) { return c * n.depth + k; }) < bound);
  CHECK(worst_error<S>(
            [&](sizes n, S const* a, S const* b, S* c, bool add) { d.product_tn(n.rows, n.cols, n.depth, a, b, c, add); },
            [](sizes n, int r, int k) { return k * n.rows + r; },
            [](sizes n, int k, int c) { return k * n.cols + c; }) < bound);
}

}  // namespace

TEST_CASE("products against three loops in double", "[device]") {
  check_all<double>(1e-14);
  check_all<float>(2e-6);
}

TEST_CASE("product_nn and product_tn give a row the same bits among any number of rows", "[device]") {
  host_device host;
  int const cols = 77, depth = 600;
  auto const b = random_numbers<float>(static_cast<std::size_t>(depth * cols), 2);
  auto const a = random_numbers<float>(static_cast<std::size_t>(100 * depth), 1);
  std::vector<float> all(static_cast<std::size_t>(100 * cols)), one(static_cast<std::size_t>(cols));
  host.device.product_nn(100, cols, depth, a.data(), b.data(), all.data());
  for (std::size_t r : {0U, 7U, 50U, 99U}) {
    host.device.product_nn(1, cols, depth, a.data() + r * depth, b.data(), one.data());
    CHECK(std::memcmp(one.data(), all.data() + r * cols, sizeof(float) * cols) == 0);
  }
  // a as its own transpose: column r of a [depth, rows].
  std::vector<float> transposed(a.size());
  for (std::size_t r = 0; r < 100; ++r) {
    for (std::size_t k = 0; k < depth; ++k) transposed[k * 100 + r] = a[r * depth + k];
  }
  std::vector<float> same(all.size());
  host.device.product_tn(100, cols, depth, transposed.data(), b.data(), same.data());
  CHECK(std::memcmp(same.data(), all.data(), sizeof(float) * all.size()) == 0);
}

TEST_CASE("a product passes NaN and infinity on", "[device]") {
  host_device host;
  std::vector<float> a(16, 1), b(16 * 20, 1), c(20);
  a[3] = std::numeric_limits<float>::quiet_NaN();
  host.device.product_nn(1, 20, 16, a.data(), b.data(), c.data());
  CHECK(std::all_of(c.begin(), c.end(), [](float v) { return std::isnan(v); }));
  a[3] = 0;
  b[3 * 20 + 7] = std::numeric_limits<float>::infinity();
  host.device.product_nn(1, 20, 16, a.data(), b.data(), c.data());
  CHECK(std::isnan(c[7]));  // 0 * infinity
  CHECK(c[6] == 15);
}
