// Nets train on the GPU in bfloat16 as on a host that rounds the same numbers: weights and all that is kept are float.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/data/memory.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/storage.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/gpt.hpp>
#include <foal/zoo/resnet.hpp>

#include "../support/cuda_array.hpp"
#include "../support/host_apart.hpp"
#include "../support/orders.hpp"
#include "../support/rounded.hpp"

namespace {

using namespace foal::test;
using foal::device::cuda_bf16;
namespace schedule = foal::schedule;
namespace zoo = foal::zoo;
using whole_host = host_apart<float>;
using rounded_host = rounded<host_apart<float>>;

struct mlp : foal::stages<foal::input<48>, foal::linear<24>, foal::tanh, foal::linear<17>, foal::tanh, foal::linear<4>> {};

struct blocks : foal::stages<foal::input<3, 4, 4>, foal::conv_no_bias<4, 3>, foal::batch_norm, foal::relu,
                             zoo::resnet_block<zoo::residual_block::basic, zoo::resnet_block_size{.channels = 4}>,
                             zoo::resnet_block<zoo::residual_block::basic,
                                               zoo::resnet_block_size{.channels = 6, .stride = 2, .projects = true}>,
                             foal::global_avg_pool, foal::linear<4>> {};

constexpr int words = 11, positions = 5;
struct language : zoo::gpt<zoo::gpt_size{.layers = 1, .width = 8, .heads = 2, .vocabulary = words, .longest = positions}> {};

foal::data::memory<float, std::int32_t> images(foal::shape of) {
  std::size_t const samples = 16, size = 48;
  auto const x = numbers<float>(samples * size, 1);
  std::vector<std::int32_t> y(samples);
  for (std::size_t i = 0; i < samples; ++i)
    y[i] = static_cast<std::int32_t>(std::max_element(&x[i * size], &x[i * size + 4]) - &x[i * size]);
  return {of, x, y};
}

/// Texts in which the next word follows from the one before.
struct texts {
  static int word(long long sample, int position) {
    int w = static_cast<int>(sample * 5 % words);
    for (int i = 0; i < position; ++i) w = (w * 3 + 1) % words;
    return w;
  }
  template <class S>
  void inputs(long long m, int, S* x) const {
    for (int i = 0; i < 2; ++i)
      for (int p = 0; p < positions; ++p) *x++ = static_cast<S>(word(m * 2 + i, p));
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < 2; ++i)
      for (int p = 0; p < positions; ++p) *t++ = word(m * 2 + i, p + 1);
  }
};

struct outcome {
  std::vector<float> weights;
  std::vector<double> losses;
  bool operator==(outcome const&) const = default;
};

/// 20 updates.
template <class Net, class Device, class Schedule, class... Policies>
outcome train(int workers, float rate) {
  using run =
      foal::trainer<Net, foal::loss::cross_entropy, Schedule, foal::on<Device>, foal::executor::threads, Policies...>;
  typename run::config c{.microbatch_size = 2, .microbatches = 2, .workers = workers, .seed = 3};
  c.lr.rate = rate;
  run r(c);
  if constexpr (std::is_same_v<Net, language>) {
    auto const report = r.run(texts{}, {.minibatches = 20, .loss_every = 1});
    REQUIRE_FALSE(report.diverged);
    outcome out{r.all_weights(), {}};
    for (auto const& minibatch : report.sums) out.losses.push_back(minibatch.sum);
    REQUIRE(out.losses.size() == 20);
    return out;
  } else {
    auto const of = std::is_same_v<Net, mlp> ? foal::features(48) : foal::image(3, 4, 4);
    auto const report = r.fit(images(of), {.epochs = 5, .quiet = true});
    REQUIRE_FALSE(report.diverged);
    REQUIRE(report.updates == 20);
    return {r.all_weights(), report.epoch_loss};
  }
}

/// The rounding host's, and nearer to it than to one that does not round; the same bits for 1 and 3 workers in every order
/// of the streams.
template <class Net, class... Policies>
void compare(float rate) {
  outcome const near = train<Net, rounded_host, Policies...>(1, rate), whole = train<Net, whole_host, Policies...>(1, rate);
  CHECK(near.losses.back() < near.losses.front());
  outcome first;
  for (int order = 0; order < orders; ++order) {
    choose_order(order);
    outcome const gpu = train<Net, cuda_bf16, Policies...>(order % 2 == 0 ? 1 : 3, rate);
    if (order == 0) first = gpu;
    CHECK(gpu == first);
  }
  double const from_near = distance(first.weights, near.weights), from_whole = distance(first.weights, whole.weights);
  CAPTURE(from_near, from_whole);
  CHECK(from_near < 1e-2);
  CHECK(from_near < from_whole / 4);
  CHECK(from_whole < 0.2);
  CHECK(distance(first.losses, near.losses) < 1e-2);
}

}  // namespace

TEST_CASE("GPipe trains an MLP in bfloat16 as on a host that rounds", "[cuda]") {
  compare<mlp, schedule::gpipe, foal::optim::momentum>(0.05F);
}

TEST_CASE("PipeMare with T2 trains an MLP in bfloat16 as on a host that rounds", "[cuda]") {
  compare<mlp, schedule::pipemare, foal::optim::momentum, foal::delay::discrepancy_correction>(0.02F);
}

TEST_CASE("what is saved and sent may be bfloat16, too", "[cuda]") {
  compare<mlp, schedule::gpipe, foal::optim::momentum, foal::storage::bfloat16>(0.05F);
}

TEST_CASE("GPipe trains residual blocks in bfloat16 as on a host that rounds", "[cuda]") {
  compare<blocks, schedule::gpipe, foal::optim::momentum>(0.02F);
}

TEST_CASE("GPipe trains a language model in bfloat16 as on a host that rounds", "[cuda]") {
  compare<language, schedule::gpipe, foal::optim::momentum>(0.05F);
}
