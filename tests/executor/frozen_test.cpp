// Frozen layers below, between and above trained ones: they keep their bits, the others train as the plain loop says.
#include <foal/layer/dropout.hpp>
#include <foal/layer/layer_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/accumulate.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/versions.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/trajectory.hpp"

namespace {

using namespace foal;
using test::oracle;

constexpr int count = 8, samples = 2;

// A plain stack whose stages 0, 1, 4 and 7 are frozen: no B, no B, B alone, B alone.
struct net
    : stages<input<5>, frozen<linear<4>, foal::tanh, linear<4>>, foal::tanh, linear<4>, foal::tanh, linear<4>, foal::tanh,
             frozen<linear<4>, foal::tanh>, linear<4>, foal::tanh, linear<4>, foal::tanh, frozen<linear<3>>> {};
// What a plain loop has not: skips over frozen stages and from them, norms, random numbers, frozen and trained layers in one
// stage.
struct first_tag;
struct rich : stages<input<5>, frozen<linear<6>, foal::tanh>, save<first_tag>, linear<6>, layer_norm, foal::tanh,
                     stage<frozen<linear<6>>, relu, linear<6>>, dropout<1, 4>, frozen<residual<linear<6>, relu, linear<6>>>,
                     foal::tanh, add<first_tag>, linear<6>, layer_norm, foal::tanh, frozen<linear<3>>> {};

static_assert(stage_count<net> == count);
std::vector<bool> const frozen_stages{true, true, false, false, true, false, false, true};

template <class Net, class Schedule, class... Policies>
using run = trainer<Net, loss::cross_entropy, Schedule, optim::momentum, scalar<double>, Policies...>;

/// What the cases vary.
struct method {
  int n = 1, workers = 1;
  std::vector<int> delay = std::vector<int>(count, 0);
  bool stash = false, t2 = false;
  long long t1 = 0, t3 = 0;
  int segment = 0;
};

/// The last stage of a recompute group. Nothing is rebuilt where no B is, nor where B follows F at once.
int recompute_group_end(int s, int segment) {
  int const end = s - s % segment + segment - 1;
  return s >= 2 && end < count - 1 ? end : -1;
}

template <class Trainer>
void follow(typename Trainer::config values, method const& how) {
  INFO("N " << how.n << "  workers " << how.workers << "  segment " << how.segment << "  T1 " << how.t1 << "  T3 "
            << how.t3);
  values.microbatch_size = samples;
  values.microbatches = how.n;
  values.workers = how.workers;
  values.evaluation = false;
  Trainer t(values);
  oracle o;
  o.width = test::mlp_widths(count);
  o.n = how.n;
  o.delay = how.delay;
  o.stash = how.stash;
  o.t2 = how.t2;
  o.mu = 0.9;
  o.t1_steps = how.t1;
  o.warmup = how.t3;
  o.frozen = frozen_stages;
  for (int s = 0; s < count && how.segment > 0; ++s) {  // R of a stage: 2 (end - s) microbatches and a slot before B
    int const end = recompute_group_end(s, how.segment);
    o.rebuilt_until.push_back(end);
    o.rebuild_delay.push_back(2 * (end - s) + 1);
  }
  o.base = [](long long) { return 0.2; };
  constexpr long long updates = 40;
  test::begin_as(o, t, {.samples = samples});
  o.train(updates);
  test::check_trajectory(t, o, {updates});
}

template <class Schedule, class... Policies>
void follow_synchronous() {
  for (int n : {1, 3})
    for (int workers : {1, 3}) {
      if (workers > run<net, Schedule>::most_ranks) continue;
      follow<run<net, Schedule, Policies...>>({.lr = {.rate = 0.2}}, {.n = n, .workers = workers});
    }
}

template <class Schedule, class... Policies>
using asynchronous = run<net, Schedule, lr::reschedule<lr::constant>, warmup::synchronous, Policies...>;

template <class Schedule, class... Policies>
void follow_asynchronous(method how) {
  using type = asynchronous<Schedule, Policies...>;
  how.stash = std::is_same_v<policy_of<type, role::versions>, versions::stash>;
  how.t2 = std::is_same_v<policy_of<type, role::delay>, delay::discrepancy_correction>;
  typename type::config values{
      .lr = {.base = {.rate = 0.2}, .steps = how.t1}, .warmup = {.minibatches = how.t3}, .evaluation = false};
  if constexpr (requires { values.schedule.segment; }) values.schedule.segment = how.segment;
  for (int workers : {1, 2, count}) {
    how.workers = workers;
    for (how.n = 1; how.n <= 3; ++how.n) follow<type>(values, how);
  }
}

// Frozen and trained layers beside each other in a stage.
struct mixed : stages<input<5>, stage<linear<4>, foal::tanh, frozen<linear<4>>>, foal::tanh,
                      stage<frozen<linear<4>>, foal::tanh, linear<4>>, foal::tanh, frozen<linear<4>>, foal::tanh,
                      stage<linear<4>, foal::tanh, frozen<linear<4>>, foal::tanh, linear<4>>, foal::tanh, linear<3>> {};
constexpr int mixed_stage[] = {0, 0, 1, 1, 2, 3, 3, 3, 4};  // of its linear layers
constexpr int mixed_segment = 2;
static_assert(stage_count<mixed> == 5);

/// A frozen layer has one version: the plain loop may take each layer for a stage, with the delay of the one that it is in.
template <class Schedule, class... Policies>
void follow_mixed(int n, long long t3) {
  using type = run<mixed, Schedule, lr::reschedule<lr::constant>, warmup::synchronous, Policies...>;
  constexpr int all = type::stages;
  constexpr long long updates = 40;
  INFO("N " << n << "  T3 " << t3);
  typename type::config values{.microbatch_size = samples,
                               .microbatches = n,
                               .lr = {.base = {.rate = 0.2}, .steps = 15},
                               .warmup = {.minibatches = t3},
                               .evaluation = false};
  oracle o;
  if constexpr (requires { values.schedule.segment; }) values.schedule.segment = mixed_segment;
  for (int stage : mixed_stage) {
    o.delay.push_back(2 * (all - stage) - 1);
    if constexpr (requires { values.schedule.segment; }) {
      int const end = stage - stage % mixed_segment + mixed_segment - 1;
      o.rebuilt_until.push_back(end < all - 1 ? end : -1);
      o.rebuild_delay.push_back(2 * (end - stage) + 1);
    }
  }
  type t(values);
  o.width = test::mlp_widths(static_cast<int>(o.delay.size()));
  o.n = n;
  o.stash = std::is_same_v<policy_of<type, role::versions>, versions::stash>;
  o.t2 = std::is_same_v<policy_of<type, role::delay>, delay::discrepancy_correction>;
  o.mu = 0.9;
  o.t1_steps = 15;
  o.warmup = t3;
  o.frozen = {false, true, true, false, true, false, true, false, false};
  o.base = [](long long) { return 0.2; };
  test::begin_as(o, t, {.samples = samples});
  o.train(updates);

  auto const result = t.run(test::stream{.samples = samples}, {.minibatches = updates, .every_loss = true});
  REQUIRE(result.losses.size() == o.loss.size());
  double off = 0;
  for (std::size_t m = 0; m < o.loss.size(); ++m) off = std::max(off, std::abs(result.losses[m].sum - o.loss[m]));
  CHECK(off < 1e-12);
  auto const found = test::linear_layers(t);
  REQUIRE(found.size() == o.frozen.size());
  for (std::size_t l = 0; l < found.size(); ++l) {
    INFO("layer " << l);
    auto const& first = o.version[l].front();
    CHECK((found[l].w == first.w && found[l].b == first.b) == o.frozen[l]);
    CHECK_THAT(found[l].w, Catch::Matchers::Approx(o.version[l].back().w).margin(1e-12).epsilon(0));
    CHECK_THAT(found[l].b, Catch::Matchers::Approx(o.version[l].back().b).margin(1e-12).epsilon(0));
  }
}

std::vector<int> async_1f1b_delays() {
  std::vector<int> d;
  for (int s = 0; s < count; ++s) d.push_back(count - 1 - s);
  return d;
}

using w = std::vector<double>;

/// Weights and what is left of the state, after training on so many workers.
template <class Run>
std::vector<w> trained(typename Run::config values, int workers) {
  values.microbatch_size = samples;
  values.microbatches = 3;
  values.workers = workers;
  values.evaluation = false;
  Run t(values);
  auto const all = [&t] {
    std::vector<w> of;
    for (int s = 0; s < Run::stages; ++s)
      for (std::size_t i = 0; i < t.tables().stages[static_cast<std::size_t>(s)].parameters.size(); ++i)
        of.push_back(t.weights(s, i));
    return of;
  };
  std::vector<w> const before = all();
  test::stream const data{.samples = samples};
  t.run(data, {.minibatches = 7});
  t.run(data, {.minibatches = 9});
  std::vector<w> const after = all();
  std::size_t at = 0, still = 0;
  for (auto const& stage : t.tables().stages)
    for (auto const& p : stage.parameters) {
      INFO(p.name);
      bool const kept = p.kind == table::ownership::frozen;
      CHECK((before[at] == after[at]) == kept);
      still += kept ? 1U : 0U;
      ++at;
    }
  CHECK(still == 10);  // of frozen linear layers: five weights, five biases
  return after;
}

template <class Schedule, class... Policies>
void check_bits(typename run<rich, Schedule, lr::reschedule<lr::constant>, Policies...>::config values = {}) {
  using type = run<rich, Schedule, lr::reschedule<lr::constant>, Policies...>;
  values.lr = {.base = {.rate = 0.05}, .steps = 10};
  auto const one = trained<type>(values, 1);
  for (int workers : {2, 3, type::stages}) CHECK(trained<type>(values, workers) == one);
}

}  // namespace

TEST_CASE("Synchronous training with frozen layers follows the plain loop", "[frozen]") {
  follow_synchronous<schedule::sequential>();
  follow_synchronous<schedule::gpipe>();
  follow_synchronous<schedule::one_f_one_b>();
  follow_synchronous<schedule::gpipe, accumulate::thick>();
  follow_synchronous<schedule::recomputed<schedule::gpipe>>();
}

TEST_CASE("Asynchronous training with frozen layers follows the plain loop", "[frozen]") {
  using schedule::pipemare;
  auto const delay = test::pipemare_delays(count);
  follow_asynchronous<pipemare>({.delay = delay});
  follow_asynchronous<pipemare, delay::discrepancy_correction>({.delay = delay});
  follow_asynchronous<pipemare, delay::discrepancy_correction>({.delay = delay, .t1 = 25});
  follow_asynchronous<pipemare, delay::discrepancy_correction>({.delay = delay, .t1 = 25, .t3 = 6});
  follow_asynchronous<pipemare, versions::stash>({.delay = delay, .t1 = 25, .t3 = 6});
  follow_asynchronous<schedule::async_1f1b, delay::discrepancy_correction>({.delay = async_1f1b_delays(), .t1 = 25});
}

TEST_CASE("Frozen layers and recomputation go together as the plain loop says", "[frozen]") {
  using again = schedule::recomputed<schedule::pipemare>;
  auto const delay = test::pipemare_delays(count);
  for (int segment : {2, 3, 5}) {  // segments that frozen stages begin, cut and end
    follow_asynchronous<again>({.delay = delay, .segment = segment});
    follow_asynchronous<again, delay::discrepancy_correction>({.delay = delay, .t1 = 25, .t3 = 6, .segment = segment});
  }
}

TEST_CASE("Frozen layers and weight gradients once a minibatch go together", "[frozen]") {
  auto const delay = test::pipemare_delays(count);
  follow_asynchronous<schedule::pipemare, delay::discrepancy_correction, accumulate::thick>(
      {.delay = delay, .t1 = 25, .t3 = 6});
}

TEST_CASE("A stage with frozen and trained layers follows the plain loop", "[frozen]") {
  using schedule::pipemare, schedule::recomputed;
  for (int n : {1, 3})
    for (long long t3 : {0, 6}) {
      follow_mixed<pipemare>(n, t3);
      follow_mixed<pipemare, delay::discrepancy_correction>(n, t3);
      follow_mixed<pipemare, versions::stash>(n, t3);
      follow_mixed<recomputed<pipemare>, delay::discrepancy_correction>(n, t3);
      follow_mixed<recomputed<pipemare>, versions::stash>(n, t3);
      follow_mixed<pipemare, delay::discrepancy_correction, accumulate::thick>(n, t3);
    }
}

TEST_CASE("Injected delays and frozen layers go together as the plain loop says", "[frozen]") {
  std::vector<int> const delay{3, 0, 11, 5, 7, 0, 2, 9};  // of a frozen stage: without effect
  for (int n = 1; n <= 3; ++n) {
    follow<run<net, schedule::injected>>({.lr = {.rate = 0.2}, .schedule = {delay}}, {.n = n, .delay = delay});
    follow<run<net, schedule::injected, delay::discrepancy_correction>>({.lr = {.rate = 0.2}, .schedule = {delay}},
                                                                        {.n = n, .delay = delay, .t2 = true});
    follow<run<net, schedule::injected, versions::stash>>({.lr = {.rate = 0.2}, .schedule = {delay}},
                                                          {.n = n, .delay = delay, .stash = true});
  }
}

TEST_CASE("A net with frozen layers trains to the same bits on any number of workers", "[frozen]") {
  using schedule::pipemare, schedule::recomputed;
  using t2 = delay::discrepancy_correction;
  check_bits<pipemare, t2>();
  check_bits<pipemare, t2, warmup::synchronous>({.warmup = {.minibatches = 4}});
  check_bits<recomputed<pipemare>, t2>({.schedule = {.segment = 3}});
  check_bits<pipemare, t2, accumulate::thick>();
  check_bits<pipemare, versions::stash>();
}

TEST_CASE("Frozen stages have no gradient, no state, no delta and no backward that nobody needs", "[frozen]") {
  run<net, schedule::pipemare, delay::discrepancy_correction> const t({});
  for (executor::bound_stage const& b : t.engine().stages()) {
    INFO("stage " << b.number);
    bool const still = frozen_stages[static_cast<std::size_t>(b.number)];
    CHECK((b.table->trained_elements == 0) == still);
    CHECK(b.table->backward.empty() == (b.number < 2));
    CHECK(b.table->backward_elements == (still || b.number == 2 ? 0 : 16));  // 4 x 4; nobody wants stage 2's input gradient
    CHECK(b.has_delay_states == (b.table->backward_elements > 0));
  }
  auto const bytes = [&](category c) {
    std::size_t all = 0;
    for (auto const& e : t.engine().memory().plan().entries())
      if (e.purpose == c && e.stage >= 0 && frozen_stages[static_cast<std::size_t>(e.stage)]) all += e.bytes;
    return all;
  };
  CHECK(bytes(category::gradients) == 0);
  CHECK(bytes(category::optimizer) == 0);
  CHECK(bytes(category::weights) > 0);
}
