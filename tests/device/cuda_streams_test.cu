// Objects of the CUDA device are streams: what events order, what is staged, and what is left in device memory.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "../support/cuda_array.hpp"
#include "../support/orders.hpp"

namespace {

using namespace foal::test;
using foal::device::cuda;

template <class T>
using on_gpu = array_on<cuda, T>;

struct add_one {
  FOAL_HOST_DEVICE void operator()(float& x) const { x += 1; }
};
struct twice {
  FOAL_HOST_DEVICE void operator()(float& x) const { x *= 2; }
};

/// Host memory of a device.
template <class T>
struct pinned {
  T* data = nullptr;
  explicit pinned(std::size_t n) : data(static_cast<T*>(cuda::allocate_host(n * sizeof(T)))) {}
  pinned(pinned const&) = delete;
  ~pinned() { cuda::release_host(data); }
};

/// What a step changes: a factor, and whether it is done at all.
struct step {
  double bound, limit;
  float factor;
};
struct scale {
  float factor;
  FOAL_HOST_DEVICE void operator()(float const& x, float& y) const { y = factor * x; }
};
struct scale_from {
  FOAL_HOST_DEVICE bool goes(void const* block) const {
    auto const* const s = static_cast<step const*>(block);
    return s->bound <= s->limit;
  }
  FOAL_HOST_DEVICE scale operator()(void const* block) const { return {static_cast<step const*>(block)->factor}; }
};

}  // namespace

TEST_CASE("what a stream does after an event of another one comes after it", "[cuda]") {
  for (int order = 0; order < 5 * orders; ++order) {
    choose_order(order);
    with_workspace<cuda> a, b;
    on_gpu<float> x(a.device, std::vector<float>(1000, 3.0f));
    cuda::event first, second;
    CHECK(cuda::done(first));  // nothing was recorded
    b.device.wait(first);
    for (int i = 0; i < 3; ++i) {
      a.device.map(1000, add_one{}, x.data());
      a.device.record(first);
      b.device.wait(first);
      b.device.map(1000, twice{}, x.data());
      b.device.record(second);
      a.device.wait(second);
    }
    cuda::finish(second);
    CHECK(cuda::done(first));
    CHECK(x.values() == std::vector<float>(1000, 38.0f));
  }
}

TEST_CASE("copies to the GPU may be overwritten at once, however many and long they are", "[cuda]") {
  with_workspace<cuda> gpu;
  std::size_t const few = 100, copies = 200;
  on_gpu<int> x(gpu.device, std::vector<int>(few * copies));
  std::vector<int> from(few), wanted;
  for (std::size_t i = 0; i < copies; ++i) {
    std::fill(from.begin(), from.end(), static_cast<int>(i));
    wanted.insert(wanted.end(), from.begin(), from.end());
    gpu.device.copy_in(x.data() + i * few, from.data(), few * sizeof(int));
  }
  CHECK(x.values() == wanted);
  // Longer than a piece, and each time longer than before: several pieces, and pieces that grow while they are read.
  for (std::size_t const n : {std::size_t{3000}, std::size_t{100001}, std::size_t{5000}, std::size_t{9000001}}) {
    std::vector<int> large(n), zero(n);
    for (std::size_t i = 0; i < n; ++i) large[i] = static_cast<int>(i * 7);
    wanted = large;
    on_gpu<int> y(gpu.device, zero);
    gpu.device.copy_in(y.data(), large.data(), n * sizeof(int));
    std::fill(large.begin(), large.end(), -1);
    CHECK(y.values() == wanted);
  }
  gpu.device.copy_in(x.data(), from.data(), 0);
}

TEST_CASE("results come back late, to pinned memory", "[cuda]") {
  with_workspace<cuda> gpu;
  on_gpu<float> x(gpu.device, std::vector<float>(70000, 3.0f));
  pinned<float> to(70000);
  cuda::event there;
  gpu.device.map(70000, twice{}, x.data());
  gpu.device.copy_back(to.data, x.data(), 70000 * sizeof(float));
  gpu.device.record(there);
  while (!cuda::done(there)) {
  }
  CHECK(std::all_of(to.data, to.data + 70000, [](float v) { return v == 6.0f; }));
}

TEST_CASE("a queue of copies goes beside the ops, and behind events alone", "[cuda]") {
  for (int order = 0; order < 5 * orders; ++order) {
    choose_order(order);
    with_workspace<cuda> gpu;
    std::size_t const n = 5000, bytes = n * sizeof(float);
    on_gpu<float> x(gpu.device, std::vector<float>(n, 3.0f)), y(gpu.device, std::vector<float>(n));
    pinned<float> host(n);
    cuda::event made, there, read;
    {
      cuda::copy_queue copies(gpu.device);
      gpu.device.map(n, twice{}, x.data());
      gpu.device.record(made);
      copies.wait(made);
      copies.copy_back(host.data, x.data(), bytes);
      copies.record(read);
      gpu.device.wait(read);
      gpu.device.map(n, twice{}, x.data());  // what has been copied stays
      copies.copy_ahead(y.data(), host.data, bytes);
      copies.copy_back(host.data, y.data(), 0);
      copies.record(there);
      gpu.device.wait(there);
      gpu.device.map(n, add_one{}, y.data());
    }  // waits for the copies
    CHECK(cuda::done(there));
    CHECK(std::all_of(host.data, host.data + n, [](float v) { return v == 6.0f; }));
    CHECK(y.values() == std::vector<float>(n, 7.0f));
    CHECK(x.values() == std::vector<float>(n, 12.0f));
  }
}

TEST_CASE("an op reads its numbers from a block when it is done", "[cuda]") {
  with_workspace<cuda> gpu;
  auto const values = numbers<float>(3000, 1);
  on_gpu<float> x(gpu.device, values), y(gpu.device, std::vector<float>(3000, 5.0f));
  on_gpu<step> block(gpu.device, {{1, 2, 4}});
  auto const run = [&](step const& now) {
    gpu.device.copy_in(block.data(), &now, sizeof now);
    gpu.device.map_from(3000, scale_from{}, block.data(), static_cast<float const*>(x.data()), y.data());
    return y.values();
  };
  auto wanted = values;
  for (float& v : wanted) v *= 4;
  CHECK(run({1, 2, 4}) == wanted);
  CHECK(run({3, 2, 5}) == wanted);  // it did not go
  CHECK(run({std::numeric_limits<double>::quiet_NaN(), 2, 5}) == wanted);
  for (std::size_t i = 0; i < values.size(); ++i) wanted[i] = 0.5f * values[i];
  CHECK(run({2, 2, 0.5f}) == wanted);
}

TEMPLATE_TEST_CASE("bounds of magnitudes, in host memory and in the GPU's", "[cuda]", float, double) {
  with_workspace<cuda> gpu;
  using limits = std::numeric_limits<TestType>;
  for (std::size_t const n : {std::size_t{1}, std::size_t{300}, std::size_t{70001}})
    for (std::size_t const at : {std::size_t{0}, n / 2, n - 1}) {
      auto values = numbers<TestType>(n, 4);
      values[at] = TestType(-40.5);
      on_gpu<TestType> x(gpu.device, values);
      on_gpu<double> late(gpu.device, {0});
      gpu.device.magnitude_bound(n, static_cast<TestType const*>(x.data()), late.data());
      CHECK(late.values().front() == 40.5);
      CHECK(gpu.device.magnitude_bound(n, static_cast<TestType const*>(x.data())) == 40.5);
      for (TestType const bad : {limits::infinity(), -limits::infinity(), limits::quiet_NaN()}) {
        values[at] = bad;
        on_gpu<TestType> y(gpu.device, values);
        gpu.device.magnitude_bound(n, static_cast<TestType const*>(y.data()), late.data());
        CHECK(std::isnan(late.values().front()));
      }
    }
  CHECK(gpu.device.magnitude_bound(0, static_cast<TestType const*>(nullptr)) == 0);
}

namespace {

struct products {
  template <class S>
  FOAL_HOST_DEVICE void operator()(double* add, S const& x, S const& y) const {
    double const a = static_cast<double>(x), b = static_cast<double>(y);
    add[0] = a * b, add[1] = a * a, add[2] = b;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("several sums at once have equal bits on every run", "[cuda]", float, double) {
  with_workspace<cuda> gpu;
  for (std::size_t const n : {std::size_t{1}, std::size_t{257}, std::size_t{200001}}) {
    auto const a = numbers<TestType>(n, 1), b = numbers<TestType>(n, 2);
    on_gpu<TestType> x(gpu.device, a), y(gpu.device, b);
    double wanted[3] = {}, size[3] = {};
    for (std::size_t i = 0; i < n; ++i) {
      double add[3];
      products{}(add, a[i], b[i]);
      for (int k = 0; k < 3; ++k) wanted[k] += add[k], size[k] += std::abs(add[k]);
    }
    double found[3], again[3];
    auto const sums = [&](double* to) {
      gpu.device.template sums<3>(n, products{}, to, static_cast<TestType const*>(x.data()),
                                  static_cast<TestType const*>(y.data()));
    };
    sums(found), sums(again);
    for (int k = 0; k < 3; ++k) {
      CHECK(std::abs(found[k] - wanted[k]) < 1e-12 * size[k]);
      CHECK(found[k] == again[k]);
    }
  }
}

TEST_CASE("dropout's samples begin where the GPU's memory says", "[cuda]") {
  with_workspace<cuda> gpu;
  int const samples = 7, elements = 11;
  auto const values = numbers<float>(77, 1);
  on_gpu<float> x(gpu.device, values), here(gpu.device, values), there(gpu.device, values);
  on_gpu<std::uint64_t> first(gpu.device, {40});
  auto const drop = [&](std::uint64_t sample, float* y, std::uint64_t const* from) {
    gpu.device.dropout(samples, elements, {3, foal::purpose::dropout, 2, sample}, 1U << 22U, 1.5f,
                       static_cast<float const*>(x.data()), y, from);
  };
  drop(42, here.data(), nullptr);
  drop(2, there.data(), first.data());
  CHECK(here.values() == there.values());
  drop(3, there.data(), first.data());
  CHECK(here.values() != there.values());
}

TEST_CASE("recorded ops of two streams are done again as they were called, with the numbers of now", "[cuda]") {
  using Catch::Matchers::Contains;
  auto const values = numbers<float>(3000, 1);
  std::vector<step> const steps{{1, 2, 4}, {1, 2, 0.5f}, {3, 2, 9}, {1, 2, -1}};
  /// What is left after each step: called anew each time, or recorded once.
  auto const after_steps = [&](bool recorded) {
    with_workspace<cuda> a, b;
    on_gpu<float> x(a.device, values), y(a.device, values), sum(a.device, {0});
    on_gpu<step> block(a.device, {{}});
    on_gpu<double> bound(a.device, {0});
    a.device.synchronise();  // before b touches what a has brought
    cuda::event there, back;
    auto const period = [&] {
      a.device.map_from(3000, scale_from{}, block.data(), static_cast<float const*>(x.data()), y.data());
      a.device.record(there);
      b.device.wait(there);
      b.device.map(3000, twice{}, y.data());
      b.device.magnitude_bound(3000, static_cast<float const*>(y.data()), bound.data());
      b.device.record(back);
      a.device.map(3000, add_one{}, x.data());  // beside b's
      a.device.wait(back);
      a.device.product_nn(1, 1, 3000, static_cast<float const*>(x.data()), static_cast<float const*>(y.data()), sum.data(),
                          true);
    };
    cuda::graph graph;
    if (recorded) {
      a.device.begin_recording();
      period();
      graph = a.device.end_recording();
    }
    std::vector<double> all;
    for (step const& s : steps) {
      a.device.copy_in(block.data(), &s, sizeof s);
      recorded ? a.device.launch(graph) : period();
      for (float const v : y.values()) all.push_back(static_cast<double>(v));
      all.push_back(static_cast<double>(sum.values().front()));
      all.push_back(bound.values().front());
    }
    return all;
  };
  auto const wanted = after_steps(false);
  for (int order = 0; order < 3 * orders; ++order) {
    choose_order(order);
    CHECK(after_steps(true) == wanted);
  }
  with_workspace<cuda> gpu;
  gpu.device.launch(cuda::graph());  // nothing
  float const value = 1;
  on_gpu<float> x(gpu.device, {value});
  gpu.device.begin_recording();
  CHECK_THROWS_WITH(gpu.device.copy_in(x.data(), &value, sizeof value),
                    Contains("cannot do copy_in while ops are recorded, because a graph reads memory when it is launched"));
  CHECK_THROWS_WITH(gpu.device.synchronise(), Contains("cannot do cudaStreamSynchronize, because CUDA gave"));
  CHECK_THROWS_WITH(gpu.device.end_recording(), Contains("cannot do cudaStreamEndCapture of what was recorded, because CUDA "
                                                         "gave cudaErrorStreamCaptureInvalidated"));
  gpu.device.copy_in(x.data(), &value, sizeof value);  // works on
  CHECK(x.values().front() == 1);
}
