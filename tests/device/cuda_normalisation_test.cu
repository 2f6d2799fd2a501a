// Normalisations of the CUDA device, and sums of row products, against the host's in double.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>

#include "../support/host_and_gpu.hpp"

namespace {

using namespace foal::test;

template <class S>
std::vector<S> many(int n, std::uint32_t stream) {
  return numbers<S>(static_cast<std::size_t>(n), stream);
}
/// As variances have them.
template <class S>
std::vector<S> positive(int n, std::uint32_t stream) {
  auto x = many<S>(n, stream);
  for (S& v : x) v = v * v + S(0.1);
  return x;
}

struct matrix {
  int rows, columns;
};
/// One value; lanes that have none; rows for several parts; full packs and several tiles of columns; long ones.
constexpr matrix matrices[] = {{1, 1}, {5, 3}, {700, 12}, {33, 257}, {3, 1000}, {900, 68}};

}  // namespace

TEMPLATE_TEST_CASE("sums of rows and of products on the GPU", "[cuda]", float, double) {
  using S = TestType;
  for (auto const [rows, cols] : matrices) {
    auto const x = many<S>(rows * cols, 1), y = many<S>(rows * cols, 2), a = many<S>(cols, 3), b = many<S>(cols, 4);
    auto const products = [=](auto& d, auto const* p, auto const* q, auto* out) {
      d.sum_of_row_products(rows, cols, p, q, out);
    };
    CHECK(from_host_in_double(products, x, y, a) < op_bound<S>);
    auto const rows_alone = [=](auto& d, auto const* p, auto* out) { d.sum_of_rows(rows, cols, p, out); };
    CHECK(from_host_in_double(rows_alone, x, a) < op_bound<S>);
    auto const both = [=](auto& d, auto const* p, auto const* q, auto* sum, auto* of_products) {
      d.sums_of_rows_and_products(rows, cols, p, q, sum, of_products);
    };
    CHECK(from_host_in_double(both, x, y, a, b) < op_bound<S>);
  }
}

TEMPLATE_TEST_CASE("batch norm on the GPU", "[cuda]", float, double) {
  using S = TestType;
  for (auto const [rows, cols] : matrices) {
    int const n = rows * cols;
    auto x = many<S>(n, 1);
    for (S& v : x) v += S(3);  // a mean far from 0
    auto const mean = many<S>(cols, 2), scale = many<S>(cols, 3), shift = many<S>(cols, 4);
    auto const inverse = positive<S>(cols, 5);
    auto const moments = [=](auto& d, auto const* p, auto* m, auto* v) { d.moments(rows, cols, p, m, v); };
    CHECK(from_host_in_double(moments, x, mean, rows == 1 ? std::vector<S>(inverse.size()) : inverse) < op_bound<S>);
    auto const normalise = [=](auto& d, auto const* p, auto const* m, auto const* i, auto const* s, auto const* t,
                               auto* normal, auto* y) { d.normalise(rows, cols, p, m, i, s, t, normal, y); };
    CHECK(from_host_in_double(normalise, x, mean, inverse, scale, shift, x, x) < op_bound<S>);
    auto const nothing_kept = [=](auto& d, auto* p, auto const* m, auto const* i, auto const* s, auto const* t) {
      d.normalise(rows, cols, +p, m, i, s, t, static_cast<decltype(p)>(nullptr), p);
    };
    CHECK(from_host_in_double(nothing_kept, x, mean, inverse, scale, shift) < op_bound<S>);
    auto const gradient = [=](auto& d, auto* dy, auto const* normal, auto const* i, auto const* s, auto const* a,
                              auto const* b) { d.normalise_gradient(rows, cols, +dy, normal, i, s, a, b, dy); };
    CHECK(from_host_in_double(gradient, x, many<S>(n, 6), inverse, scale, mean, shift) < op_bound<S>);
  }
}

TEMPLATE_TEST_CASE("moments on the GPU of values with one mean and little spread", "[cuda]", float, double) {
  int const rows = 600;
  auto x = many<TestType>(rows, 1);
  for (TestType& v : x) v = TestType(1000) + v;  // in float, 2^-14 apart: the spread itself is exact
  auto const moments = [=](auto& d, auto const* p, auto* m, auto* v) { d.moments(rows, 1, p, m, v); };
  CHECK(from_host_in_double(moments, x, many<TestType>(1, 2), many<TestType>(1, 3)) < op_bound<TestType>);
}

namespace {

struct grouped {
  int samples, positions, channels, groups;
};
constexpr grouped grouped_sizes[] = {{1, 1, 2, 1}, {3, 16, 12, 4}, {2, 49, 6, 6}, {2, 9, 70, 2}};

}  // namespace

TEMPLATE_TEST_CASE("group norm on the GPU", "[cuda]", float, double) {
  using S = TestType;
  for (auto const [samples, positions, channels, groups] : grouped_sizes) {
    int const n = samples * positions * channels;
    auto const x = many<S>(n, 1), scale = many<S>(channels, 2), shift = many<S>(channels, 3),
               work = many<S>(4 * channels, 4);
    auto const inverse = positive<S>(samples * groups, 5);
    auto const forward = [=](auto& d, auto const* p, auto const* s, auto const* t, auto* normal, auto* i, auto* y) {
      std::vector<std::remove_pointer_t<decltype(y)>> room(static_cast<std::size_t>(4 * channels));  // the host's alone
      d.group_normalise(samples, positions, channels, groups, 1e-5, p, s, t, normal, i, y, room.data());
    };
    CHECK(from_host_in_double(forward, x, scale, shift, x, inverse, x) < op_bound<S>);
    auto const evaluate = [=](auto& d, auto* p, auto const* s, auto const* t) {
      std::vector<std::remove_pointer_t<decltype(p)>> room(static_cast<std::size_t>(4 * channels));
      auto* const none = static_cast<decltype(p)>(nullptr);
      d.group_normalise(samples, positions, channels, groups, 1e-5, +p, s, t, none, none, p, room.data());
    };
    CHECK(from_host_in_double(evaluate, x, scale, shift) < op_bound<S>);
    auto const gradient = [=](auto& d, auto* dy, auto const* normal, auto const* i, auto const* s) {
      std::vector<std::remove_pointer_t<decltype(dy)>> room(static_cast<std::size_t>(4 * channels));
      d.group_normalise_gradient(samples, positions, channels, groups, +dy, normal, i, s, dy, room.data());
    };
    CHECK(from_host_in_double(gradient, x, many<S>(n, 6), inverse, scale) < op_bound<S>);
  }
}

TEMPLATE_TEST_CASE("layer norm on the GPU", "[cuda]", float, double) {
  using S = TestType;
  for (auto const [rows, cols] : {matrix{1, 2}, matrix{3, 33}, matrix{70, 12}, matrix{9, 768}}) {
    int const n = rows * cols;
    auto const x = many<S>(n, 1), scale = many<S>(cols, 2), shift = many<S>(cols, 3), inverse = positive<S>(rows, 4);
    auto const forward = [=](auto& d, auto const* p, auto const* s, auto const* t, auto* normal, auto* i, auto* y) {
      d.layer_normalise(rows, cols, 1e-5, p, s, t, normal, i, y);
    };
    CHECK(from_host_in_double(forward, x, scale, shift, x, inverse, x) < op_bound<S>);
    auto const evaluate = [=](auto& d, auto* p, auto const* s, auto const* t) {
      auto* const none = static_cast<decltype(p)>(nullptr);
      d.layer_normalise(rows, cols, 1e-5, +p, s, t, none, none, p);
    };
    CHECK(from_host_in_double(evaluate, x, scale, shift) < op_bound<S>);
    auto const gradient = [=](auto& d, auto* dy, auto const* normal, auto const* i, auto const* s) {
      d.layer_normalise_gradient(rows, cols, +dy, normal, i, s, dy);
    };
    CHECK(from_host_in_double(gradient, x, many<S>(n, 6), inverse, scale) < op_bound<S>);
  }
}
