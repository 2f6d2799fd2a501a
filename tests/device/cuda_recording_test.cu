// Periods of a training run that are recorded as graphs have the bits of calls, in whatever order streams and graphs go on.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/elements.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/group_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
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
#include <foal/zoo/gpt.hpp>

#include "../support/cuda_array.hpp"
#include "../support/orders.hpp"

namespace {

using namespace foal::test;
using foal::recording;
using foal::device::cuda;
namespace schedule = foal::schedule;
using t1 = foal::lr::reschedule<foal::lr::constant>;
using t2 = foal::delay::discrepancy_correction;

struct recorded_mlp : foal::stages<foal::input<12>, foal::linear<24>, foal::relu, foal::linear<16>, foal::tanh,
                                   foal::dropout<10>, foal::linear<5>> {};
struct recorded_moving
    : foal::stages<foal::input<2, 4, 4>, foal::conv_no_bias<4, 3>, foal::batch_norm, foal::relu,
                   foal::residual<foal::conv_no_bias<4, 3>, foal::batch_norm, foal::relu>, foal::flatten, foal::linear<5>> {
};
struct recorded_blocks
    : foal::stages<foal::input<2, 4, 4>, foal::conv<4, 3>, foal::group_norm<2>, foal::relu,
                   foal::residual<foal::conv<4, 3>, foal::group_norm<2>, foal::relu>, foal::flatten, foal::linear<5>> {};
constexpr int recorded_words = 11, recorded_positions = 5;
struct recorded_gpt : foal::zoo::gpt<foal::zoo::gpt_size{.layers = 1,
                                                         .width = 8,
                                                         .heads = 2,
                                                         .vocabulary = recorded_words,
                                                         .longest = recorded_positions,
                                                         .dropout_percent = 20}> {};

struct recorded_untied : foal::zoo::gpt<foal::zoo::gpt_size{.layers = 1,
                                                            .width = 8,
                                                            .heads = 2,
                                                            .vocabulary = recorded_words,
                                                            .longest = recorded_positions,
                                                            .dropout_percent = 20,
                                                            .tied = false}> {};

/// Microbatches of 2 samples, of their numbers alone.
template <class Net>
struct of_numbers {
  static constexpr bool words = std::is_same_v<Net, recorded_gpt> || std::is_same_v<Net, recorded_untied>;
  static constexpr int size = std::is_same_v<Net, recorded_mlp> ? 12 : words ? recorded_positions : 32;
  static std::uint32_t drawn(long long microbatch, int i, std::uint64_t what) {
    foal::random_key const key{3, foal::purpose::user, static_cast<std::uint32_t>(what),
                               static_cast<std::uint64_t>(microbatch)};
    return foal::random_word(key, static_cast<std::uint32_t>(i));
  }
  /// Some minibatches of GPTs, of 2 and of 4 microbatches, have shorter windows than the others.
  static int positions(long long m) {
    bool const shorter = std::is_same_v<Net, recorded_gpt> ? m / 2 % 6 == 5 : words && m / 4 % 14 == 13;
    return shorter ? size - 1 : size;
  }
  foal::lengths_of_axes lengths(long long m) const {
    return words ? foal::lengths_of_axes{{positions(m)}} : foal::lengths_of_axes{};
  }
  template <class S>
  void inputs(long long m, int, S* x) const {
    for (int i = 0; i < 2 * positions(m); ++i)
      x[i] = words ? static_cast<S>(drawn(m, i, 0) % recorded_words) : static_cast<S>(drawn(m, i, 0)) * S(0x1p-31) - 1;
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < (words ? 2 * positions(m) : 2); ++i)
      t[i] = static_cast<std::int32_t>(drawn(m, i, 1) % (words ? recorded_words : 5U));
  }
};

struct of_recording {
  std::vector<float> weights;
  std::vector<double> losses;
  bool operator==(of_recording const&) const = default;
};

template <class Run, class Source, class Set>
of_recording train_recorded(int workers, recording how, int microbatches, long long minibatches, Set set) {
  typename Run::config c{.microbatch_size = 2, .microbatches = microbatches, .workers = workers, .seed = 5};
  c.evaluation = false;
  c.record = how;
  set(c);
  Run run(c);
  auto const result = run.run(Source{}, {.minibatches = minibatches, .every_loss = true});
  REQUIRE_FALSE(result.diverged);
  if (how != recording::never) {
    CAPTURE(result.periods.called, result.periods.recorded, result.periods.again);
    CHECK(result.periods.again > 0);
    CHECK(result.not_recorded.empty());
  }
  of_recording out{run.all_weights(), {}};
  for (auto const& l : result.losses) out.losses.push_back(l.sum);
  return out;
}

/// Recorded in several orders, and called by one worker and by three.
template <class Net, class Device, class Schedule, class... Policies, class Set>
void compare_recorded(int microbatches, Set set, long long minibatches = 18) {
  using run =
      foal::trainer<Net, foal::loss::cross_entropy, Schedule, foal::on<Device>, foal::executor::threads, Policies...>;
  using source = of_numbers<Net>;
  auto const called = train_recorded<run, source>(3, recording::never, microbatches, minibatches, set);
  CHECK(train_recorded<run, source>(1, recording::never, microbatches, minibatches, set) == called);
  for (int order = 0; order < orders; ++order) {
    choose_order(order);
    CHECK(train_recorded<run, source>(1, recording::always, microbatches, minibatches, set) == called);
  }
}

}  // namespace

TEST_CASE("synchronous schedules of an MLP with dropout have the bits of calls where minibatches are graphs", "[cuda]") {
  auto const set = [](auto& c) { c.lr.rate = 0.05F; };
  compare_recorded<recorded_mlp, cuda, schedule::gpipe, foal::optim::momentum>(3, set);
  compare_recorded<recorded_mlp, cuda, schedule::one_f_one_b, foal::optim::adam>(4, set);
  compare_recorded<recorded_mlp, cuda, schedule::zb_h1, foal::optim::momentum>(4, set);
  compare_recorded<recorded_mlp, cuda, schedule::recomputed<schedule::gpipe>, foal::optim::momentum>(2, set);
}

TEST_CASE("asynchronous schedules with T1 and T2 have the bits of calls where their periods are graphs", "[cuda]") {
  auto const set = [](auto& c) {
    c.lr.base.rate = 0.05F;
    c.lr.steps = 12;
  };
  compare_recorded<recorded_mlp, cuda, schedule::pipemare, foal::optim::momentum, t1, t2>(4, set);
  compare_recorded<recorded_mlp, cuda, schedule::async_1f1b, foal::optim::adam, t1>(3, set);
  compare_recorded<recorded_mlp, cuda, schedule::recomputed<schedule::pipemare>, foal::optim::momentum, t1, t2>(4, set);
}

TEST_CASE("residual blocks have the bits of calls where their periods are graphs", "[cuda]") {
  auto const set = [](auto& c) { c.lr.rate = 0.05F; };
  compare_recorded<recorded_blocks, cuda, schedule::one_f_one_b, foal::optim::momentum>(4, set);
  compare_recorded<recorded_blocks, cuda, schedule::pipemare, foal::optim::momentum, t2>(4, set);
  compare_recorded<recorded_moving, cuda, schedule::pipemare, foal::optim::momentum, t2>(4, set);
}

TEST_CASE("a GPT block has the bits of calls where its minibatches are graphs", "[cuda]") {
  auto const set = [](auto& c) { c.lr.rate = 0.02F; };
  compare_recorded<recorded_gpt, cuda, schedule::gpipe, foal::optim::adam>(2, set);
}

TEST_CASE("a GPT block has the bits of calls where periods of PipeMare are graphs", "[cuda]") {
  auto const set = [](auto& c) { c.lr.rate = 0.02F; };
  compare_recorded<recorded_untied, cuda, schedule::pipemare, foal::optim::adam, t2>(4, set, 28);
}

TEST_CASE("a GPT block in bfloat16 has the bits of calls where periods of PipeMare are graphs", "[cuda]") {
  auto const set = [](auto& c) { c.lr.rate = 0.02F; };
  compare_recorded<recorded_untied, foal::device::cuda_bf16, schedule::pipemare, foal::optim::adam, t2>(4, set, 28);
}

TEST_CASE("a sequence that is too long is refused before anything of it is brought to a period's place", "[cuda]") {
  struct too_long : of_numbers<recorded_gpt> {
    foal::lengths_of_axes lengths(long long m) const { return {{m == 6 ? size + 1 : size}}; }
  };
  using run = foal::trainer<recorded_gpt, foal::loss::cross_entropy, foal::schedule::gpipe, foal::on<cuda>>;
  run::config c{.microbatch_size = 2, .microbatches = 2};
  c.record = recording::always;
  run r(c);
  CHECK_THROWS_WITH(r.run(too_long{}, {.minibatches = 10}),
                    Catch::Matchers::Contains("cannot take microbatch 6, because it has 6 positions"));
}
