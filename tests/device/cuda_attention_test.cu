// Attention of the CUDA device against the host's in double.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>

#include "../support/host_and_gpu.hpp"

namespace {

using namespace foal::test;
using foal::sample_bounds;
using foal::device::attention_sizes;
using foal::device::cuda;
using foal::device::position_rows;
using foal::device::segment_rows;

template <class S>
std::vector<S> many(std::ptrdiff_t n, std::uint32_t stream) {
  return numbers<S>(static_cast<std::size_t>(n), stream);
}
/// The host's scratch, which the GPU leaves alone.
template <class S>
std::vector<S> room_of(attention_sizes const& n) {
  return std::vector<S>(static_cast<std::size_t>(foal::device::attention_scratch(n.head_width())));
}

/// Forward, then backward: keys and values side by side, gradients written, added or not wanted.
template <class S>
double apart(attention_sizes const& n, std::vector<S> const& lengths, bool add = false, bool to_keys = true) {
  std::ptrdiff_t const queries = n.first_query(n.samples), keys = n.first_key(n.samples), width = n.width;
  auto const q = many<S>(queries * width, 1), kv = many<S>(keys * 2 * width, 2), dy = many<S>(queries * width, 3);
  auto const kept = many<S>(queries * foal::device::attention_kept(n.heads, 1), 4);
  auto const run = [&](auto& d, auto const* q_at, auto const* kv_at, auto const* lengths_at, auto const* dy_at, auto* y,
                       auto* kept_at, auto* dq, auto* dkv) {
    using T = std::remove_pointer_t<decltype(y)>;
    auto room = room_of<T>(n);
    auto const* const given = lengths.empty() ? nullptr : lengths_at;
    position_rows<T const> const to_q{q_at, n.width}, k{kv_at, 2 * n.width}, v{kv_at + n.width, 2 * n.width};
    position_rows<T> const dk{to_keys ? dkv : nullptr, 2 * n.width}, dv{to_keys ? dkv + n.width : nullptr, 2 * n.width};
    d.attention_forward(n, to_q, k, v, given, y, kept_at, room.data());
    d.attention_backward(n, to_q, k, v, given, static_cast<T const*>(y), static_cast<T const*>(kept_at), dy_at,
                         position_rows<T>{dq, n.width}, dk, dv, add, room.data());
  };
  // Where a query sees no key what is kept of it is not a number that can be compared: kept is made anew below.
  return from_host_in_double(run, q, kv, lengths, dy, q, kept, q, kv);
}

struct shapes {
  int samples, queries, keys, heads, width;
};
/// One; heads that are narrow, odd, of one tile, wider than a slice; positions of several tiles and of a part of one.
constexpr shapes all[] = {{1, 1, 1, 1, 1}, {2, 7, 5, 3, 15}, {1, 70, 130, 1, 40}, {1, 33, 65, 2, 136}};

}  // namespace

TEMPLATE_TEST_CASE("attention on the GPU", "[cuda]", float, double) {
  for (auto const& [samples, queries, keys, heads, width] : all) {
    attention_sizes n{samples, queries, keys, heads, width, false};
    CHECK(apart<TestType>(n, {}) < op_bound<TestType>);
  }
}

TEMPLATE_TEST_CASE("causal attention on the GPU", "[cuda]", float, double) {
  for (auto const& [samples, queries, keys, heads, width] : all) {
    attention_sizes n{samples, queries, queries, heads, width, true};
    CHECK(apart<TestType>(n, {}) < op_bound<TestType>);
  }
  // Keys before the queries, as many as are no whole tile.
  attention_sizes n{2, 40, 75, 2, 6, true};
  n.keys_before = 35;
  CHECK(apart<TestType>(n, {}) < op_bound<TestType>);
}

TEMPLATE_TEST_CASE("attention on the GPU with fewer keys, and added gradients", "[cuda]", float, double) {
  std::vector<TestType> const lengths{TestType(3), TestType(70), TestType(200)};
  for (bool const causal : {false, true}) {
    attention_sizes const n{3, 20, 80, 2, 8, causal};
    CHECK(apart<TestType>(n, lengths) < op_bound<TestType>);
    CHECK(apart<TestType>(n, lengths, true) < op_bound<TestType>);
    CHECK(apart<TestType>(n, lengths, false, false) < op_bound<TestType>);
  }
}

TEMPLATE_TEST_CASE("a query without a key gives 0 on the GPU and passes nothing on", "[cuda]", float, double) {
  using S = TestType;
  with_workspace<cuda> gpu;
  attention_sizes const n{2, 3, 4, 1, 5, false};
  array_on<cuda, S> q(gpu.device, many<S>(30, 1)), kv(gpu.device, many<S>(80, 2)), dy(gpu.device, many<S>(30, 3));
  array_on<cuda, S> y(gpu.device, many<S>(30, 4)), kept(gpu.device, many<S>(12, 5)), dq(gpu.device, many<S>(30, 6));
  array_on<cuda, S> dkv(gpu.device, many<S>(80, 7)), lengths(gpu.device, {S(0), S(2)});
  position_rows<S const> const q_rows{q.data(), 5}, k{kv.data(), 10}, v{kv.data() + 5, 10};
  gpu.device.attention_forward(n, q_rows, k, v, static_cast<S const*>(lengths.data()), y.data(), kept.data(),
                               static_cast<S*>(nullptr));
  gpu.device.attention_backward(n, q_rows, k, v, static_cast<S const*>(lengths.data()), static_cast<S const*>(y.data()),
                                static_cast<S const*>(kept.data()), static_cast<S const*>(dy.data()),
                                position_rows<S>{dq.data(), 5}, position_rows<S>{dkv.data(), 10},
                                position_rows<S>{dkv.data() + 5, 10}, false, static_cast<S*>(nullptr));
  auto const zeros = [](std::vector<S> const& x, std::size_t from, std::size_t count) {
    return std::all_of(x.begin() + static_cast<std::ptrdiff_t>(from), x.begin() + static_cast<std::ptrdiff_t>(from + count),
                       [](S value) { return value == S(0); });
  };
  CHECK(zeros(y.values(), 0, 15));
  CHECK_FALSE(zeros(y.values(), 15, 15));
  CHECK(zeros(dq.values(), 0, 15));
  CHECK(zeros(dkv.values(), 0, 40));
  CHECK_FALSE(zeros(dkv.values(), 40, 20));
  CHECK(zeros(dkv.values(), 60, 20));  // keys from the length on
}

TEMPLATE_TEST_CASE("attention of ragged samples on the GPU", "[cuda]", float, double) {
  using S = TestType;
  // More samples than one kernel takes, some of them empty or long.
  std::vector<int> q_begin{0}, k_begin{0};
  for (int i = 0; i < 70; ++i) {
    q_begin.push_back(q_begin.back() + (i == 3 ? 0 : i == 66 ? 70 : i % 3 + 1));
    k_begin.push_back(k_begin.back() + (i == 5 ? 67 : i % 4 + 1));
  }
  attention_sizes n{70, 70, 67, 2, 6, false, sample_bounds{70, q_begin.data()}, sample_bounds{70, k_begin.data()}};
  CHECK(apart<S>(n, {}) < op_bound<S>);
  attention_sizes const own{70, 70, 70, 1, 3, true, n.query_bounds, n.query_bounds};
  CHECK(apart<S>(own, {}) < op_bound<S>);
}

TEMPLATE_TEST_CASE("attention of a segment on the GPU to those before it", "[cuda]", float, double) {
  using S = TestType;
  int const samples = 2, heads = 2, width = 6, whole = 50, count = 3;
  for (int number = 0; number < count; ++number)
    for (bool const add : {false, true}) {
      foal::segment_range const segment{number, count, whole};
      attention_sizes n{samples, segment.positions(number), segment.first() + segment.positions(number), heads, width, true};
      n.keys_before = segment.first();
      auto const rows = [&](int i) { return static_cast<std::ptrdiff_t>(samples) * segment.positions(i); };
      std::ptrdiff_t const own = rows(number) * width;
      auto const run = [&](auto& d, auto const* x0, auto const* x1, auto const* x2, auto const* dy, auto* y, auto* kept,
                           auto* dx, auto* carried0, auto* carried1) {
        using T = std::remove_pointer_t<decltype(y)>;
        auto room = room_of<T>(n);
        T const* const inputs[] = {x0, x1, x2};
        T const* const x = inputs[number];
        void* const at[] = {const_cast<T*>(x0), const_cast<T*>(x1)};
        void* const carried[] = {carried0, carried1};
        auto const of = [&](int which) {
          return segment_rows<T const>{segment, at, 1, which * width, 3 * width, {x + which * width, 3 * width}};
        };
        auto const to = [&](int which) {
          return segment_rows<T>{segment, carried, 1, which * width, 2 * width, {dx + (1 + which) * width, 3 * width}};
        };
        position_rows<T const> const q{x, 3 * width};
        d.attention_forward(n, q, of(1), of(2), static_cast<T const*>(nullptr), y, kept, room.data());
        d.attention_backward(n, q, of(1), of(2), static_cast<T const*>(nullptr), static_cast<T const*>(y),
                             static_cast<T const*>(kept), dy, position_rows<T>{dx, 3 * width}, to(0), to(1), add,
                             room.data());
      };
      CHECK(from_host_in_double(run, many<S>(rows(0) * 3 * width, 1), many<S>(rows(1) * 3 * width, 2),
                                many<S>(rows(2) * 3 * width, 3), many<S>(own, 4), many<S>(own, 5),
                                many<S>(rows(number) * 2 * heads, 6), many<S>(3 * own, 7), many<S>(rows(0) * 2 * width, 8),
                                many<S>(rows(1) * 2 * width, 9)) < op_bound<S>);
    }
}
