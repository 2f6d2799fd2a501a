#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <foal/device/host/product.hpp>

#include "../../support/layer_check.hpp"
#include "tests/support/sanitized.hpp"

using namespace foal::test;

namespace {

struct sizes {
  int rows, cols, depth;
};

std::vector<sizes> const cases{{1, 1, 1},     {3, 2, 5},     {8, 10, 512},  {8, 24, 20},    {9, 33, 17},
                               {8, 512, 64},  {5, 70, 300},  {64, 16, 144}, {65, 130, 257}, {130, 67, 513},
                               {1, 512, 100}, {17, 1, 1000}, {4, 3, 0},     {0, 3, 4},      {3, 0, 4},
                               {70, 70, 8},   {13, 21, 90},  {65, 34, 65},  {34, 19, 513}};

/// One product kind against three plain loops in double; a_at and b_at give the index of a(r, k) and b(k, c).
template <class S, class Product, class A, class B>
double worst_error(Product product, A a_at, B b_at) {
  double worst = 0;
  unsigned seed = 1;
  for (sizes const n : cases) {
    if (n.rows * n.cols * n.depth > foal_test::repeats(1 << 30, 1'000'000)) continue;
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

namespace {

/// Small integers, so that every order of additions gives the same number.
template <class S>
std::vector<S> small_integers(int count, int seed) {
  std::vector<S> all(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) all[static_cast<std::size_t>(i)] = static_cast<S>((i * 7 + i / 5 * 3 + seed) % 9 - 4);
  return all;
}

/// How many elements of the three products of one size, added to c or not, are not exactly what the plain loops give; and
/// what lies behind c.
template <class S>
int wrong_elements(host_device const& host, sizes n) {
  auto const at = [](int i) { return static_cast<std::size_t>(i); };
  auto const a = small_integers<S>(n.rows * n.depth, 1), b = small_integers<S>(n.depth * n.cols, 5);
  auto start = small_integers<S>(n.rows * n.cols, 2);
  std::vector<S> a_turned(a.size()), b_turned(b.size()), sum(start.size(), S(0));
  for (int r = 0; r < n.rows; ++r) {
    for (int k = 0; k < n.depth; ++k) {
      S const left = a_turned[at(k * n.rows + r)] = a[at(r * n.depth + k)];
      for (int c = 0; c < n.cols; ++c) sum[at(r * n.cols + c)] += left * b[at(k * n.cols + c)];
    }
  }
  for (int k = 0; k < n.depth; ++k)
    for (int c = 0; c < n.cols; ++c) b_turned[at(c * n.depth + k)] = b[at(k * n.cols + c)];
  start.push_back(S(77));
  auto const& d = host.device;
  int wrong = 0;
  for (bool const add : {false, true}) {
    std::vector<S> nn = start, nt = start, tn = start;
    d.product_nn(n.rows, n.cols, n.depth, a.data(), b.data(), nn.data(), add);
    d.product_nt(n.rows, n.cols, n.depth, a.data(), b_turned.data(), nt.data(), add);
    d.product_tn(n.rows, n.cols, n.depth, a_turned.data(), b.data(), tn.data(), add);
    for (std::size_t i = 0; i < start.size(); ++i) {
      S const wanted = i == sum.size() ? S(77) : sum[i] + (add ? start[i] : S(0));
      wrong += (nn[i] != wanted) + (nt[i] != wanted) + (tn[i] != wanted);
    }
  }
  return wrong;
}

/// Every number of rows up to three of the highest tiles, and of columns to one beyond two of the widest panels: whole tiles
/// of each shape and everything that can be left beside them.
template <class S>
int wrong_in_all_sizes(int most_rows, int depth) {
  namespace host_ops = foal::device::host_ops;
  host_device const host;
  int const width = host_ops::full_lanes<S> * host_ops::tile_shapes::most_packets;
  int wrong = 0;
  for (int rows = 1; rows <= most_rows; ++rows)
    for (int cols = 1; cols <= 2 * width + 1; ++cols) wrong += wrong_elements<S>(host, {rows, cols, depth});
  return wrong;
}

}  // namespace

TEST_CASE("products of every number of rows and columns around the register tiles are exact", "[device]") {
  CHECK(wrong_in_all_sizes<float>(25, 5) == 0);
  CHECK(wrong_in_all_sizes<double>(25, 3) == 0);
}

TEST_CASE("products of many rows, and of a depth above one block, are exact around the register tiles", "[device]") {
  host_device const host;
  int wrong = 0;
  foal_test::turns turns(3);
  for (int rows = 126; rows <= 137; ++rows)
    for (int cols : {1, 8, 15, 24, 31, 47, 64, 71})
      if (turns.take()) wrong += wrong_elements<float>(host, {rows, cols, 6});
  for (int rows : {1, 7, 8, 15, 16, 17, 130})
    for (int depth : {511, 512, 513, 1025})
      if (turns.take()) wrong += wrong_elements<float>(host, {rows, 57, depth});
  CHECK(wrong == 0);
}

TEST_CASE("products of few rows by dot products are exact for every width", "[device]") {
  host_device const host;
  int wrong = 0;
  foal_test::turns turns(4);
  for (int rows = 1; rows < 16; ++rows) {
    for (int cols = 1; cols <= 9; ++cols) {
      for (int more : {0, 1, 15}) {
        if (!turns.take()) continue;
        wrong += wrong_elements<float>(host, {rows, cols, 48 * rows + 16 + more});
        wrong += wrong_elements<double>(host, {rows, cols, 48 * rows + more});
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("lanes are added by halving, and squares turned, in registers of every width", "[device]") {
  using namespace foal::device::host_ops;
  auto const check = []<class S>(S) {
    constexpr int lanes = full_lanes<S>;
    auto const sums = [&]<int Count>(std::integral_constant<int, Count>) {
      std::vector<typename packet<S, lanes>::type> vectors(Count);
      std::vector<S> total(Count + 1, S(7));
      auto x = random_numbers<S>(static_cast<std::size_t>(Count * lanes), 3);
      for (std::size_t i = 0; i < Count; ++i) std::memcpy(&vectors[i], &x[i * lanes], sizeof(S) * lanes);
      sums_of_lanes<S, Count>(vectors.data(), total.data());
      for (std::size_t i = 0; i < Count; ++i) {
        S* const lane = &x[i * lanes];
        for (int half = lanes / 2; half > 0; half /= 2)
          for (int l = 0; l < half; ++l) lane[l] += lane[l + half];
        CHECK(total[i] == lane[0]);
      }
      CHECK(total[Count] == 7);
    };
    sums(std::integral_constant<int, 1>());
    sums(std::integral_constant<int, 3>());
    sums(std::integral_constant<int, 4>());
    sums(std::integral_constant<int, 12>());
    sums(std::integral_constant<int, 16>());
    constexpr int depth = 2 * lanes + 3;
    auto const from = random_numbers<S>(static_cast<std::size_t>(3 * lanes * depth), 4);
    std::vector<S> to(from.size());
    transpose_panel<S, 3 * lanes>(depth, from.data(), depth, to.data());
    int wrong = 0;
    for (std::size_t k = 0; k < depth; ++k)
      for (std::size_t j = 0; j < 3 * lanes; ++j) wrong += to[k * 3 * lanes + j] != from[j * depth + k];
    CHECK(wrong == 0);
  };
  check(float());
  check(double());
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
