// A net of convolutions and residual blocks trains on the GPU as it does on the host.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/data/memory.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/resnet.hpp>

#include "../support/cuda_array.hpp"
#include "../support/host_apart.hpp"
#include "../support/orders.hpp"

namespace {

using namespace foal::test;
namespace zoo = foal::zoo;

struct blocks : foal::stages<foal::input<3, 4, 4>, foal::conv_no_bias<4, 3>, foal::batch_norm, foal::relu,
                             zoo::resnet_block<zoo::residual_block::basic, zoo::resnet_block_size{.channels = 4}>,
                             zoo::resnet_block<zoo::residual_block::basic,
                                               zoo::resnet_block_size{.channels = 6, .stride = 2, .projects = true}>,
                             foal::global_avg_pool, foal::linear<4>> {};

foal::data::memory<float, std::int32_t> images() {
  std::size_t const samples = 16, size = 3 * 4 * 4;
  auto const x = numbers<float>(samples * size, 1);
  std::vector<std::int32_t> y(samples);
  for (std::size_t i = 0; i < samples; ++i)
    y[i] = static_cast<std::int32_t>(std::max_element(&x[i * size], &x[i * size + 4]) - &x[i * size]);
  return {foal::image(3, 4, 4), x, y};
}

struct outcome {
  std::vector<float> weights;
  std::vector<double> losses;
  bool operator==(outcome const&) const = default;
};

template <class Device, class Schedule, class... Policies>
outcome train(int workers) {
  foal::trainer<blocks, foal::loss::cross_entropy, Schedule, foal::optim::momentum, foal::on<Device>,
                foal::executor::threads, Policies...>
      run({.microbatch_size = 2, .microbatches = 2, .workers = workers, .seed = 3, .lr = {.rate = 0.02}});
  auto const report = run.fit(images(), {.epochs = 5, .quiet = true});
  REQUIRE_FALSE(report.diverged);
  REQUIRE(report.updates == 20);
  return {run.all_weights(), report.epoch_loss};
}

/// 20 updates: the host's, but for roundings, and the same bits for 1 and 3 workers in every order of the streams.
template <class Schedule, class... Policies>
void compare() {
  outcome const host = train<host_apart<float>, Schedule, Policies...>(1);
  CHECK(host.losses.back() < host.losses.front());
  outcome first;
  for (int order = 0; order < orders; ++order) {
    choose_order(order);
    outcome const gpu = train<foal::device::cuda, Schedule, Policies...>(order % 2 == 0 ? 1 : 3);
    if (order == 0) first = gpu;
    CHECK(gpu == first);
  }
  CHECK(distance(first.weights, host.weights) < 1e-5);
  CHECK(distance(first.losses, host.losses) < 1e-5);
}

}  // namespace

TEST_CASE("GPipe trains residual blocks on the GPU as on the host", "[cuda]") { compare<foal::schedule::gpipe>(); }

TEST_CASE("PipeMare with T2 trains residual blocks on the GPU as on the host", "[cuda]") {
  compare<foal::schedule::pipemare, foal::delay::discrepancy_correction>();
}
