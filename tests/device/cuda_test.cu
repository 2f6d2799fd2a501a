// Every op of the CUDA device against the host's, and what it says when something is wrong.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/device/contract.hpp>
#include <foal/layer/gelu.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/lower/policies.hpp>
#include <foal/policy/delay/chain.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/momentum.hpp>

#include "../support/cuda_array.hpp"
#include "../support/plain_device.hpp"

namespace {

using namespace foal::test;
using foal::device::cuda;
using plain = plain_device;

static_assert(foal::device::device<cuda> && foal::device::device<plain>);
static_assert(foal::device::asynchronous<cuda> && foal::device::has_ordinals<cuda> && !cuda::host_memory);

template <class T>
using on_gpu = array_on<cuda, T>;

/// Calls op(device, pointers...) on the host and on the GPU with equal arrays; gives the largest distance of any array.
template <class Op, class... Ts>
double apart(Op op, std::vector<Ts>... arrays) {
  with_workspace<cuda> gpu;
  plain host(nullptr);
  return [&](auto&&... there) {
    op(gpu.device, there.data()...);
    op(host, arrays.data()...);
    return std::max({distance(there.values(), arrays)...});
  }(on_gpu<Ts>(gpu.device, arrays)...);
}

/// What a loss leaves in the memory of the device: loss(to).
template <class Loss>
foal::device::loss_sums sums_of(cuda& device, Loss loss) {
  on_gpu<foal::device::loss_sums> to(device, {{}});
  loss(to.data());
  return to.values().front();
}

template <class S>
double products_apart(int rows, int cols, int depth, bool accumulate) {
  auto const a = numbers<S>(static_cast<std::size_t>(rows * depth), 1);
  auto const b = numbers<S>(static_cast<std::size_t>(depth * cols), 2);
  auto const c = numbers<S>(static_cast<std::size_t>(rows * cols), 3);
  auto const in = [](S const* p) { return p; };
  double const nn =
      apart([=](auto& d, S* x, S* y, S* z) { d.product_nn(rows, cols, depth, in(x), in(y), z, accumulate); }, a, b, c);
  double const nt =
      apart([=](auto& d, S* x, S* y, S* z) { d.product_nt(rows, cols, depth, in(x), in(y), z, accumulate); }, a, b, c);
  double const tn =
      apart([=](auto& d, S* x, S* y, S* z) { d.product_tn(rows, cols, depth, in(x), in(y), z, accumulate); }, a, b, c);
  return std::max({nn, nt, tn});
}

template <class S, class F, class... Ts>
double map_apart(std::size_t n, F f, std::vector<Ts>... arrays) {
  return apart([=](auto& d, auto*... p) { d.map(n, f, p...); }, arrays...);
}

}  // namespace

TEMPLATE_TEST_CASE("products on the GPU", "[cuda]", float, double) {
  // TF32 would be apart by 1e-4 or more.
  for (bool const accumulate : {false, true}) {
    CHECK(products_apart<TestType>(1, 1, 1, accumulate) < rounding<TestType>);
    CHECK(products_apart<TestType>(8, 10, 33, accumulate) < rounding<TestType>);
    CHECK(products_apart<TestType>(3, 70, 128, accumulate) < rounding<TestType>);
    CHECK(products_apart<TestType>(65, 17, 5, accumulate) < rounding<TestType>);
  }
}

TEMPLATE_TEST_CASE("elementwise layers on the GPU", "[cuda]", float, double) {
  for (std::size_t const n : {std::size_t{1}, std::size_t{255}, std::size_t{1000}, std::size_t{70001}}) {
    auto const a = numbers<TestType>(n, 1), b = numbers<TestType>(n, 2), c = numbers<TestType>(n, 3);
    std::vector<unsigned char> const mask(n, 7);
    double const near = rounding<TestType>;
    CHECK(map_apart<TestType>(n, foal::tanh::forward_element{}, a, b) < near);
    CHECK(map_apart<TestType>(n, foal::tanh::backward_element{}, a, b, c) < near);
    CHECK(map_apart<TestType>(n, foal::gelu::forward_element{}, a, b) < near);
    CHECK(map_apart<TestType>(n, foal::gelu::backward_element{}, a, b, c) < near);
    CHECK(map_apart<TestType>(n, foal::relu::forward_element{}, a, b, mask) == 0);
    CHECK(map_apart<TestType>(n, foal::relu::backward_element{}, a, mask, b) == 0);
  }
}

TEMPLATE_TEST_CASE("dropout on the GPU draws the host's mask", "[cuda]", float, double) {
  for (int const elements : {1, 4, 7, 1001}) {
    int const samples = 9;
    auto const n = static_cast<std::size_t>(samples * elements);
    auto const drop = [=](auto& d, TestType* x, TestType* y) {
      d.dropout(samples, elements, {3, foal::purpose::dropout, 2, 40}, 1U << 22U, TestType(4) / 3,
                static_cast<TestType const*>(x), y);
    };
    CHECK(apart(drop, numbers<TestType>(n, 1), numbers<TestType>(n, 2)) == 0);
  }
}

TEST_CASE("map leaves the elements from n on alone, and takes more elements than the grid has threads", "[cuda]") {
  auto const few = numbers<float>(100, 1);
  CHECK(apart([](auto& d, float* x, float* y) { d.map(60, foal::relu::evaluate_element{}, x, y); }, few, few) == 0);
  CHECK(apart([](auto& d, float* x, float* y) { d.map(0, foal::relu::evaluate_element{}, x, y); }, few, few) == 0);
  std::size_t const n = std::size_t{foal::device::cuda_ops::most_blocks} * foal::device::cuda_ops::block_threads + 5;
  CHECK(map_apart<float>(n, foal::relu::evaluate_element{}, numbers<float>(n, 1), numbers<float>(n, 2)) == 0);
}

TEMPLATE_TEST_CASE("rows on the GPU", "[cuda]", float, double) {
  for (int const rows : {1, 7, 64, 65, 300})
    for (int const cols : {1, 10, 257}) {
      auto const x = numbers<TestType>(static_cast<std::size_t>(rows * cols), 1);
      auto const bias = numbers<TestType>(static_cast<std::size_t>(cols), 2);
      auto const add = [=](auto& d, TestType* b, TestType* y) {
        d.add_to_rows(rows, cols, static_cast<TestType const*>(b), y);
      };
      auto const sum = [=](auto& d, TestType* y, TestType* b) {
        d.sum_of_rows(rows, cols, static_cast<TestType const*>(y), b);
      };
      CHECK(apart(add, bias, x) == 0);
      CHECK(apart(sum, x, bias) < rounding<TestType>);  // the host's plain sum is in double
    }
}

TEMPLATE_TEST_CASE("reductions on the GPU", "[cuda]", float, double) {
  with_workspace<cuda> gpu;
  for (std::size_t const n : {std::size_t{1}, std::size_t{256}, std::size_t{1000}, std::size_t{200001}}) {
    auto values = numbers<TestType>(n, 4);
    on_gpu<TestType> x(gpu.device, values);
    double const sum = gpu.device.sum_of_squares(n, x.data());
    CHECK(sum == Approx(plain::sum_of_squares(n, values.data())).epsilon(1e-12));
    CHECK(gpu.device.sum_of_squares(n, x.data()) == sum);
    CHECK(gpu.device.all_finite(n, x.data()));
    for (TestType const bad : {std::numeric_limits<TestType>::infinity(), std::numeric_limits<TestType>::quiet_NaN()})
      for (std::size_t const at : {std::size_t{0}, n / 2, n - 1}) {
        auto broken = values;
        broken[at] = bad;
        on_gpu<TestType> y(gpu.device, broken);
        CHECK_FALSE(gpu.device.all_finite(n, y.data()));
      }
    CHECK(gpu.device.all_finite(n, x.data()));  // nothing of the failures before is left
  }
  on_gpu<TestType> none(gpu.device, {});
  CHECK(gpu.device.sum_of_squares(0, none.data()) == 0);
  CHECK(gpu.device.all_finite(0, none.data()));
}

namespace {

template <class S>
void compare_cross_entropy(int rows, int cols, std::vector<S> const& x, std::vector<std::int32_t> const& target,
                           double smoothing) {
  with_workspace<cuda> gpu;
  std::vector<S> dx(x.size(), S(5));
  on_gpu<S> x_there(gpu.device, x), dx_there(gpu.device, dx);
  on_gpu<std::int32_t> target_there(gpu.device, target);
  auto const here = plain::softmax_cross_entropy(rows, cols, x.data(), target.data(), smoothing, 3.0, dx.data());
  auto const loss = [&](S* to_dx) {
    return sums_of(gpu.device, [&](auto* to) {
      gpu.device.softmax_cross_entropy(rows, cols, x_there.data(), target_there.data(), smoothing, 3.0, to_dx, to);
    });
  };
  auto const there = loss(dx_there.data()), only = loss(nullptr);
  CHECK(there.sum == Approx(here.sum).epsilon(std::max(rounding<S>, 1e-13)));  // rows are added in another order
  CHECK(there.correct == here.correct);
  CHECK(there.counted == here.counted);
  CHECK(only.sum == there.sum);
  CHECK(only.correct == there.correct);
  CHECK(distance(dx_there.values(), dx) < rounding<S>);
}

}  // namespace

TEMPLATE_TEST_CASE("cross-entropy on the GPU", "[cuda]", float, double) {
  for (int const rows : {1, 8, 260})
    for (int const cols : {2, 10, 300})
      for (double const smoothing : {0.0, 0.1}) {
        auto x = numbers<TestType>(static_cast<std::size_t>(rows * cols), 5);
        for (TestType& value : x) value *= 9;
        std::vector<std::int32_t> target(static_cast<std::size_t>(rows));
        for (int r = 0; r < rows; ++r) target[static_cast<std::size_t>(r)] = r % 5 == 3 ? -100 : (r * 7) % cols;
        compare_cross_entropy<TestType>(rows, cols, x, target, smoothing);
      }
  // Equal entries: the first is the largest. Huge ones: no overflow. -inf: a class of probability 0.
  TestType const none = -std::numeric_limits<TestType>::infinity();
  compare_cross_entropy<TestType>(2, 3, {1, 1, 1, 1, 1, 1}, {0, 2}, 0);
  compare_cross_entropy<TestType>(2, 3, {10000, 9999, -10000, 1, 2, 3}, {1, 2}, 0.1);
  compare_cross_entropy<TestType>(2, 3, {none, 2, 1, 1, none, 0}, {1, 2}, 0);
}

TEMPLATE_TEST_CASE("cross-entropy on the GPU gives NaN for what has none", "[cuda]", float, double) {
  with_workspace<cuda> gpu;
  TestType const nan = std::numeric_limits<TestType>::quiet_NaN();
  auto const both_nan = [&](std::vector<TestType> const& x, std::int32_t wanted) {
    on_gpu<TestType> x_there(gpu.device, x), dx(gpu.device, x);
    on_gpu<std::int32_t> target(gpu.device, {wanted});
    auto const loss = sums_of(gpu.device, [&](auto* to) {
      gpu.device.softmax_cross_entropy(1, static_cast<int>(x.size()), x_there.data(), target.data(), 0.0, 1.0, dx.data(),
                                       to);
    });
    bool all = std::isnan(loss.sum) && loss.correct == 0;
    for (TestType const value : dx.values()) all = all && std::isnan(value);
    return all;
  };
  CHECK(both_nan({1, 2, 3}, 3));
  CHECK(both_nan({1, 2, 3}, -1));
  CHECK(both_nan({nan, 2, 3}, 2));
  CHECK(both_nan({1, 2, nan}, 1));
  CHECK_FALSE(both_nan({1, 2, 3}, 1));
}

TEMPLATE_TEST_CASE("mean squared error on the GPU", "[cuda]", float, double) {
  with_workspace<cuda> gpu;
  for (int const rows : {1, 8, 260})
    for (int const cols : {1, 10, 300}) {
      auto const n = static_cast<std::size_t>(rows * cols);
      auto const x = numbers<TestType>(n, 6), t = numbers<TestType>(n, 7);
      std::vector<TestType> dx(n);
      on_gpu<TestType> x_there(gpu.device, x), t_there(gpu.device, t), dx_there(gpu.device, dx);
      auto const here = plain::mean_squared_error(rows, cols, x.data(), t.data(), 3.0, dx.data());
      auto const there = sums_of(gpu.device, [&](auto* to) {
        gpu.device.mean_squared_error(rows, cols, x_there.data(), t_there.data(), 3.0, dx_there.data(), to);
      });
      CHECK(there.sum == Approx(here.sum).epsilon(1e-12));
      CHECK(there.correct == 0);
      CHECK(distance(dx_there.values(), dx) < rounding<TestType>);
    }
}

namespace {

/// A user's policy beside T2.
struct halve_gradient {
  using role = foal::role::delay;
  static constexpr int states = 0;

  template <class S>
  struct functor {
    FOAL_HOST_DEVICE S operator()(S g, S /*w*/) const { return g / 2; }
  };
  template <class S>
  functor<S> gradient(foal::delay::moment) const {
    return {};
  }
};

/// U with a delay policy of one state, then the weight that B reads: each one map, on either device.
template <class Optimizer, class Policy, class Device, class S>
void update_and_extrapolate(Device& device, std::size_t n, S* w, S* g, S* first, S* second, S* delta, S* u) {
  Optimizer const optimizer{};
  Policy const policy{};
  auto const f = foal::lower::policies_of<Device, S, Optimizer, Policy>();
  foal::table::update_call c;
  c.device = &device;
  c.optimizer = &optimizer;
  c.delay = &policy;
  c.n = n;
  c.w = w;
  c.g = g;
  c.states[0] = first;
  c.states[1] = second;
  c.delay_states[0] = delta;
  c.compensate = true;
  c.divide = 4;
  c.scale = 0.5;
  c.rate = 0.1;
  c.update = 3;
  c.moment = {5, 0, 5, 0.1, 2};
  f.optimizer[0].update(c);
  foal::table::weight_call r;
  r.device = &device;
  r.delay = &policy;
  r.n = n;
  r.w = w;
  r.delay_states[0] = delta;
  r.u = u;
  r.moment = c.moment;
  f.backward_weight(r);
}

template <class Optimizer, class Policy, class S>
double update_apart() {
  std::size_t const n = 3000;
  auto v = numbers<S>(n, 4);
  for (S& value : v) value *= value;  // Adam takes its root
  return apart([](auto& d, auto*... p) { update_and_extrapolate<Optimizer, Policy>(d, n, p...); }, numbers<S>(n, 1),
               numbers<S>(n, 2), numbers<S>(n, 3), v, numbers<S>(n, 5), numbers<S>(n, 6));
}

}  // namespace

TEMPLATE_TEST_CASE("the fused update with T2 on the GPU", "[cuda]", float, double) {
  using t2 = foal::delay::discrepancy_correction;
  CHECK(update_apart<foal::optim::momentum, t2, TestType>() < rounding<TestType>);
  CHECK(update_apart<foal::optim::adamw, t2, TestType>() < rounding<TestType>);
  CHECK(update_apart<foal::optim::momentum, foal::delay::chain<t2, halve_gradient>, TestType>() < rounding<TestType>);
}

TEST_CASE("copies and zeros on the GPU", "[cuda]") {
  with_workspace<cuda> gpu;
  auto const values = numbers<float>(1000, 1);
  on_gpu<float> a(gpu.device, values), b(gpu.device, std::vector<float>(1000, 3.0f));
  gpu.device.copy(b.data(), a.data(), 400 * sizeof(float));
  gpu.device.zero(b.data() + 900, 100 * sizeof(float));
  gpu.device.copy(b.data(), a.data(), 0);
  auto wanted = values;
  std::fill(wanted.begin() + 400, wanted.begin() + 900, 3.0f);
  std::fill(wanted.begin() + 900, wanted.end(), 0.0f);
  CHECK(b.values() == wanted);
}

TEST_CASE("what the GPU refuses is a sentence", "[cuda]") {
  using Catch::Matchers::Contains;
  std::size_t const too_much = std::size_t{1} << 60U;
  CHECK_THROWS_WITH(cuda::allocate(too_much),
                    Contains("cannot do cudaMalloc of 1152921504606846976 bytes, because CUDA gave "
                             "cudaErrorMemoryAllocation") &&
                        Contains("use a smaller microbatch"));
  with_workspace<cuda> gpu;  // works on: the refusal left nothing behind
  CHECK(gpu.device.sum_of_squares(0, static_cast<float const*>(nullptr)) == 0);
}
