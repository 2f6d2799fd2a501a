// What a delay policy may ask for: the optimizer's states and the last rate, and each microbatch's gradient with the weights
// that its F has read. Each against a plain loop.
#include <foal/policy/delay/concept.hpp>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/chain.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/muon.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/trajectory.hpp"

namespace {

using namespace foal;
using test::mlp;

/// SpecTrain's prediction (Chen, Yang, Cheng 2018), XPipe's with momentum: F reads what the weights will be when the update
/// that consumes it comes, if the last step is repeated until then.
struct prediction {
  using role = foal::role::delay;
  [[maybe_unused]] static constexpr char const* name = "prediction";
  static constexpr int states = 0;
  static constexpr int sees_optimizer_states = 1;               // v of momentum
  static constexpr delay::scope states_of = delay::scope::all;  // in a chain too: F reads biases

  template <class S>
  struct ahead {
    S steps;
    FOAL_HOST_DEVICE S operator()(S w, S const& v) const { return w - steps * v; }
  };
  template <class S>
  ahead<S> forward_weight(delay::moment m) const {
    return {static_cast<S>(m.lag * m.rate)};
  }
};

/// DC-ASGD (Zheng et al. 2017): the gradient at the weights of now, to first order, with g g for the Hessian.
struct compensation {
  using role = foal::role::delay;
  [[maybe_unused]] static constexpr char const* name = "compensation";
  static constexpr int states = 0;
  double lambda = 0.5;

  template <class S>
  struct towards {
    S lambda;
    FOAL_HOST_DEVICE S operator()(S g, S now, S then) const { return g + lambda * g * g * (now - then); }
  };
  template <class S>
  towards<S> microbatch_gradient(delay::moment) const {
    return {static_cast<S>(lambda)};
  }
};

/// Acts on the minibatch's gradient with the optimizer's state: needed where nothing else shows which array is which.
struct sees_two {
  using role = foal::role::delay;
  [[maybe_unused]] static constexpr char const* name = "sees two";
  static constexpr int states = 1, sees_optimizer_states = 1;
  static constexpr delay::scope states_of = delay::scope::all;

  template <class S>
  struct change {
    FOAL_HOST_DEVICE S operator()(S g, S, S const& own, S const& v) const { return g + S(100) * (own - v); }
  };
  template <class S>
  change<S> gradient(delay::moment) const {
    return {};
  }
  template <class S>
  struct note {
    FOAL_HOST_DEVICE void operator()(S, S, S& own, S const& v) const { own = v; }
  };
  template <class S>
  note<S> after_update(delay::moment) const {
    return {};
  }
};

struct weights;
struct tied_net : stages<input<5>, linear<4>, foal::tanh, tied<weights, linear<4>>, foal::tanh, linear<4>, foal::tanh,
                         tied<weights, linear<4>>, foal::tanh, linear<3>> {};

constexpr long long warmup_updates = 5, trained = 22;

template <class Trainer, class Set>
void follows(std::vector<int> const& delay, int n, Set set, int workers) {
  INFO("N " << n << ", workers " << workers);
  Trainer t({.microbatch_size = 2,
             .microbatches = n,
             .workers = workers,
             .optim = {.momentum = 0.9},
             .lr = {.rate = 0.1},
             .warmup = {warmup_updates},
             .evaluation = false});
  test::oracle o;
  o.width = test::mlp_widths(Trainer::stages);
  o.n = n;
  o.delay = delay;
  o.mu = 0.9;
  o.base = [](long long) { return 0.1; };
  o.t1_floor = 1e-300;  // without T1 the rate is the base's
  o.t1_steps = 0;
  o.warmup = warmup_updates;
  set(o);
  test::begin_as(o, t, {.samples = 2});
  o.train(trained);
  test::check_trajectory(t, o, {trained});
}

template <class Schedule, class... Policies>
using of = trainer<mlp<4>, loss::cross_entropy, Schedule, optim::momentum, warmup::synchronous, scalar<double>, Policies...>;

template <class Policy, class Set>
void follows_everywhere(Set set) {
  for (int n : {1, 3})
    for (int workers : {1, 4}) {
      follows<of<schedule::pipemare, Policy>>(test::pipemare_delays(4), n, set, workers);
      follows<of<schedule::async_1f1b, Policy>>({3, 2, 1, 0}, n, set, workers);
    }
}

}  // namespace

TEST_CASE("a prediction from the optimizer's momentum and the last rate is the plain loop's", "[delay]") {
  follows_everywhere<prediction>([](test::oracle& o) { o.predicts = true; });
}

TEST_CASE("each microbatch's gradient is changed with the weights that its F has read", "[delay]") {
  follows_everywhere<compensation>([](test::oracle& o) { o.lambda = 0.5; });
  follows<of<schedule::pipemare, compensation, versions::stash>>(
      test::pipemare_delays(4), 2,
      [](test::oracle& o) {
        o.lambda = 0.5;
        o.stash = true;
      },
      2);
}

TEST_CASE("a chain hands each of its policies what that asks for", "[delay]") {
  using all = delay::chain<prediction, delay::chain<compensation, delay::discrepancy_correction>>;
  static_assert(all::sees_optimizer_states == 1);
  follows_everywhere<all>([](test::oracle& o) {
    o.predicts = o.t2 = true;
    o.lambda = 0.5;
  });
}

TEST_CASE("the optimizer's states are those before the update for gradient, and after it for after_update", "[delay]") {
  // own is v as the last update left it, so the gradient is never changed, or every number would be another.
  using plain = trainer<mlp<3>, loss::cross_entropy, schedule::pipemare, optim::momentum, scalar<double>>;
  using seen = trainer<mlp<3>, loss::cross_entropy, schedule::pipemare, optim::momentum, scalar<double>, sees_two>;
  plain a({.microbatch_size = 2, .microbatches = 2});
  seen b({.microbatch_size = 2, .microbatches = 2});
  a.run(test::stream{}, {.minibatches = 9});
  b.run(test::stream{}, {.minibatches = 9});
  CHECK(a.all_weights() == b.all_weights());
  // Per-parameter steps show them, too.
  using muon = trainer<mlp<3>, loss::cross_entropy, schedule::pipemare, optim::muon, scalar<double>>;
  using muon_seen = trainer<mlp<3>, loss::cross_entropy, schedule::pipemare, optim::muon, scalar<double>, sees_two>;
  muon c({.microbatch_size = 2, .microbatches = 2});
  muon_seen d({.microbatch_size = 2, .microbatches = 2});
  c.run(test::stream{}, {.minibatches = 9});
  d.run(test::stream{}, {.minibatches = 9});
  CHECK(c.all_weights() == d.all_weights());
}

TEST_CASE("a microbatch's gradient that is not in one piece is refused", "[delay]") {
  using plain = trainer<mlp<3>, loss::cross_entropy, schedule::pipemare, compensation>;
  CHECK_THROWS_WITH(
      lower::detail::check_microbatch_gradients(plain({}).tables(), true),
      Catch::StartsWith("cannot change the gradients of microbatches with the schedule pipemare, because its W "
                        "is an op of its own"));
  using tied = trainer<tied_net, loss::cross_entropy, schedule::pipemare, compensation>;
  CHECK_THROWS_WITH(tied({}), Catch::StartsWith("cannot change the gradients of microbatches at stage 1, because it shares "
                                                "tied weights with another stage"));
}
