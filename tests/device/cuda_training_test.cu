// A net of three stages trains on the GPU as it does on the host: with a stream for each unit, in whatever order these are
// done, and with any number of workers.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/data/memory.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/adaptive_braking.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/trainer.hpp>

#include "../support/cuda_array.hpp"
#include "../support/orders.hpp"
#include "../support/plain_device.hpp"

namespace {

using namespace foal::test;
using foal::schedule::recomputed;
namespace schedule = foal::schedule;
using t2 = foal::delay::discrepancy_correction;

struct net : foal::stages<foal::input<12>, foal::linear<24>, foal::relu, foal::linear<16>, foal::tanh, foal::dropout<10>,
                          foal::linear<5>> {};

template <class Device, class Schedule, class... Policies>
using run_on =
    foal::trainer<net, foal::loss::cross_entropy, Schedule, foal::on<Device>, foal::executor::threads, Policies...>;

foal::data::memory<float, std::int32_t> table() {
  std::size_t const samples = 96;
  auto x = numbers<float>(samples * 12, 1);
  std::vector<std::int32_t> y(samples);
  for (std::size_t i = 0; i < samples; ++i)
    y[i] = static_cast<std::int32_t>(std::max_element(&x[i * 12], &x[i * 12 + 5]) - &x[i * 12]);
  return {foal::features(12), x, y};
}

/// All that a run leaves behind.
struct outcome {
  std::vector<float> weights;
  std::vector<double> losses, test;
  bool operator==(outcome const&) const = default;
};

template <class Run, class Set>
outcome train(int workers, Set set) {
  auto const data = table();
  typename Run::config config{.microbatch_size = 4, .microbatches = 3, .workers = workers, .seed = 3};
  config.evaluation_samples = 20;
  set(config);
  Run run(config);
  outcome out;
  auto const report = run.fit(data, {.epochs = 3, .evaluate = data, .quiet = true});
  REQUIRE_FALSE(report.diverged);
  REQUIRE(report.updates == 24);
  out.weights = run.all_weights();
  out.losses = report.epoch_loss;
  for (auto const& e : report.evaluations) out.test.push_back(e.loss);
  return out;
}

/// A run of these policies: the host's, but for roundings, and the same bits for 1 and 3 workers in every order of streams.
template <class Schedule, class... Policies, class Set>
void compare(Set set) {
  auto const host = train<run_on<plain_device, Schedule, Policies...>>(1, set);
  REQUIRE(host.weights.size() == 12 * 24 + 24 + 24 * 16 + 16 + 16 * 5 + 5);
  CHECK(host.losses.back() < 0.95 * host.losses.front());
  using on_gpu = run_on<foal::device::cuda, Schedule, Policies...>;
  outcome first;
  for (int order = 0; order <= orders; ++order) {
    int const workers = order % 2 == 0 ? 1 : 3;
    choose_order(order);
    INFO("order " << order << ", workers " << workers);
    auto const gpu = train<on_gpu>(workers, set);
    if (first.weights.empty()) first = gpu;
    CHECK(gpu == first);
  }
  // 24 updates in float, each rounded in another order.
  CHECK(distance(first.weights, host.weights) < 1e-5);
  CHECK(distance(first.losses, host.losses) < 1e-5);
  CHECK(distance(first.test, host.test) < 1e-5);
}

}  // namespace

TEST_CASE("GPipe trains on the GPU as on the host", "[cuda]") {
  compare<schedule::gpipe, foal::optim::momentum>([](auto& c) { c.lr.rate = 0.1; });
}

TEST_CASE("a schedule that puts weight gradients off trains on the GPU as on the host", "[cuda]") {
  compare<schedule::zb_h1, foal::optim::momentum>([](auto& c) { c.lr.rate = 0.1; });
}

TEST_CASE("1F1B that recomputes, with Adam and clipping, trains on the GPU as on the host", "[cuda]") {
  compare<recomputed<schedule::one_f_one_b>, foal::optim::adam, foal::clip::per_stage>([](auto& c) {
    c.lr.rate = 0.02;
    c.clip.norm = 0.2;
  });
}

TEST_CASE("PipeMare with T1 and T2 trains on the GPU as on the host", "[cuda]") {
  compare<schedule::pipemare, foal::optim::momentum, foal::lr::reschedule<foal::lr::constant>, t2>([](auto& c) {
    c.lr.base.rate = 0.1;
    c.lr.steps = 20;
  });
}

TEST_CASE("asynchronous 1F1B with Adam trains on the GPU as on the host", "[cuda]") {
  compare<schedule::async_1f1b, foal::optim::adam>([](auto& c) { c.lr.rate = 0.02; });
}

TEST_CASE("PipeMare that recomputes, with a policy of sums, trains on the GPU as on the host", "[cuda]") {
  compare<recomputed<schedule::pipemare>, foal::optim::momentum, foal::delay::adaptive_braking>(
      [](auto& c) { c.lr.rate = 0.1; });
}
