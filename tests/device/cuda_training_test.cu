// A net of three stages trains on the GPU as it does on the host, by every schedule of the core.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/data/memory.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "../support/cuda_array.hpp"
#include "../support/plain_device.hpp"

namespace {

using namespace foal::test;

struct net : foal::stages<foal::input<12>, foal::linear<24>, foal::relu, foal::linear<16>, foal::tanh, foal::linear<5>> {};

template <class Device, class Schedule, class... Policies>
using run_on = foal::trainer<net, foal::loss::cross_entropy, Schedule, foal::optim::momentum, foal::on<Device>, Policies...>;

foal::data::memory<float, std::int32_t> table() {
  std::size_t const samples = 96;
  auto x = numbers<float>(samples * 12, 1);
  std::vector<std::int32_t> y(samples);
  for (std::size_t i = 0; i < samples; ++i)
    y[i] = static_cast<std::int32_t>(std::max_element(&x[i * 12], &x[i * 12 + 5]) - &x[i * 12]);
  return {foal::features(12), x, y};
}

struct outcome {
  std::vector<float> weights;
  std::vector<double> losses, test;
};

template <class Run>
outcome train(int workers) {
  auto const data = table();
  Run run({.microbatch_size = 4,
           .microbatches = 3,
           .workers = workers,
           .seed = 3,
           .lr = {.rate = 0.05},
           .evaluation_samples = 20});
  outcome out;
  auto const report = run.fit(data, {.epochs = 5, .evaluate = data, .quiet = true});
  REQUIRE_FALSE(report.diverged);
  REQUIRE(report.updates == 40);
  out.weights = run.all_weights();
  out.losses = report.epoch_loss;
  for (auto const& e : report.evaluations) out.test.push_back(e.loss);
  return out;
}

using foal::executor::single_thread;
using foal::executor::threads;

template <class Schedule, class... Policies>
void compare() {
  auto const host = train<run_on<plain_device, Schedule, single_thread, Policies...>>(1);
  auto const gpu = train<run_on<foal::device::cuda, Schedule, single_thread, Policies...>>(1);
  REQUIRE(host.weights.size() == 12 * 24 + 24 + 24 * 16 + 16 + 16 * 5 + 5);
  CHECK(host.losses.back() < 0.9 * host.losses.front());
  // 40 updates in float, each rounded in another order.
  CHECK(distance(gpu.weights, host.weights) < 1e-5);
  CHECK(distance(gpu.losses, host.losses) < 1e-5);
  CHECK(distance(gpu.test, host.test) < 1e-5);

  auto const again = train<run_on<foal::device::cuda, Schedule, single_thread, Policies...>>(1);
  CHECK(again.weights == gpu.weights);
  CHECK(again.losses == gpu.losses);
}

}  // namespace

TEST_CASE("GPipe trains on the GPU as on the host", "[cuda]") { compare<foal::schedule::gpipe>(); }

TEST_CASE("PipeMare with T2 trains on the GPU as on the host", "[cuda]") {
  compare<foal::schedule::pipemare, foal::delay::discrepancy_correction>();
}

TEST_CASE("workers on threads that share the GPU give the bits of one thread", "[cuda]") {
  using schedule = foal::schedule::pipemare;
  using t2 = foal::delay::discrepancy_correction;
  auto const one = train<run_on<foal::device::cuda, schedule, single_thread, t2>>(1);
  auto const three = train<run_on<foal::device::cuda, schedule, threads, t2>>(3);
  CHECK(three.weights == one.weights);
  CHECK(three.losses == one.losses);
  CHECK(three.test == one.test);
}
