// Where a delay policy acts: everywhere in the asynchronous phase, or, if it needs a lag, where there is one.
#include <catch2/catch.hpp>
#include <vector>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/concept.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/versions.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

/// Halves gradients, and counts in a state of its own.
template <int States, bool Lag = false>
struct halving {
  using role = foal::role::delay;
  static constexpr char const* name = "halving";
  static constexpr int states = States;
  static constexpr delay::scope states_of = delay::scope::all;
  static constexpr bool needs_lag = Lag;

  template <class S>
  struct half {
    template <class... State>
    S operator()(S g, S, State const&...) const {
      return g / 2;
    }
  };
  template <class S>
  half<S> gradient(delay::moment) const {
    return {};
  }
};

/// Predicts that weights stay as they are, of what B reads.
struct no_change {
  using role = foal::role::delay;
  static constexpr int states = 1;

  template <class S>
  struct same {
    S operator()(S w, S const&) const { return w; }
  };
  template <class S>
  same<S> forward_weight(delay::moment) const {
    return {};
  }
};

template <class Delay>
std::vector<double> with_old_versions() {
  trainer<test::mlp<3>, loss::cross_entropy, schedule::async_1f1b, scalar<double>, Delay, versions::injected> t(
      {.microbatch_size = 2, .lr = {.rate = 0.25}, .versions = {.delays = {12, 8, 6}}});
  t.run(test::stream{.samples = 2}, {.minibatches = 12});
  return t.all_weights();
}

template <class Schedule, class... Policies>
std::vector<std::vector<double>> first_update(double rate) {
  trainer<test::mlp<3>, loss::cross_entropy, Schedule, scalar<double>, Policies...> t(
      {.microbatch_size = 2, .lr = {.rate = rate}});
  t.run(test::stream{.samples = 2}, {.minibatches = 1});
  return {t.weights(0, 0), t.weights(1, 0), t.weights(2, 0)};
}

}  // namespace

TEST_CASE("a policy that changes gradients acts at every stage, with a state of its own or without") {
  using live = versions::live;
  auto const half = first_update<schedule::pipemare, delay::none, live>(0.25);
  CHECK(first_update<schedule::pipemare, halving<0>, live>(0.5) == half);
  CHECK(first_update<schedule::pipemare, halving<1>, live>(0.5) == half);
  auto const alternating = first_update<schedule::async_1f1b, delay::none, live>(0.25);
  CHECK(first_update<schedule::async_1f1b, halving<0>, live>(0.5) == alternating);
  CHECK(first_update<schedule::async_1f1b, halving<1>, live>(0.5) == alternating);
}

TEST_CASE("beside stashed weights it acts as well") {
  auto const half = first_update<schedule::async_1f1b, delay::none, versions::stash>(0.25);
  CHECK(first_update<schedule::async_1f1b, halving<0>, versions::stash>(0.5) == half);
  CHECK(first_update<schedule::async_1f1b, halving<1>, versions::stash>(0.5) == half);
}

TEST_CASE("a policy that needs a lag has no state where there is none") {
  trainer<test::mlp<3>, loss::cross_entropy, schedule::async_1f1b, scalar<double>, halving<1, true>> const t(
      {.microbatch_size = 2});
  trainer<test::mlp<3>, loss::cross_entropy, schedule::async_1f1b, scalar<double>, halving<1>> const all(
      {.microbatch_size = 2});
  auto const stages_with_states = [](auto const& run) {
    int count = 0;
    for (auto const& b : run.engine().stages()) count += b.has_delay_states ? 1 : 0;
    return count;
  };
  CHECK(stages_with_states(t) == 2);  // F and B of the last stage read one version
  CHECK(stages_with_states(all) == 3);
}

TEST_CASE("where F reads old versions, a policy that predicts leaves what it does not act on at these versions") {
  CHECK(with_old_versions<no_change>() == with_old_versions<delay::none>());
}
