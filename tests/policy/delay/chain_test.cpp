// Two delay policies in a chain do what both do, each with its own states.
#include <foal/policy/delay/adaptive_braking.hpp>
#include <foal/policy/delay/averaged_correction.hpp>
#include <foal/policy/delay/chain.hpp>
#include <foal/policy/delay/dc_asgd.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/delay/live_look_ahead.hpp>
#include <foal/policy/delay/none.hpp>

#include <catch2/catch.hpp>
#include <cmath>

namespace {

using namespace foal;
using delay::moment;

/// Keeps the last two weights; predicts F's, changes the gradient.
struct linear_prediction {
  using role = foal::role::delay;
  static constexpr int states = 2;
  static constexpr delay::scope states_of = delay::scope::all;
  double pull = 0.5;

  template <class S>
  struct predict {
    S ahead;
    S operator()(S w, S const& last, S const& steps) const { return w + ahead * last + S(0.001) * steps; }
  };
  template <class S>
  predict<S> forward_weight(moment m) const {
    return {static_cast<S>(m.tau_fwd)};
  }
  template <class S>
  struct pulled {
    S pull;
    S operator()(S g, S w, S const& last, S const&) const { return g + pull * w - last; }
  };
  template <class S>
  pulled<S> gradient(moment) const {
    return {static_cast<S>(pull)};
  }
  template <class S>
  struct note {
    void operator()(S before, S after, S& last, S& steps) const {
      last = after - before;
      steps += S(1);
    }
  };
  template <class S>
  note<S> after_update(moment) const {
    return {};
  }
};

using t2 = delay::discrepancy_correction;

template <class First, class Second>
void steps_agree() {
  delay::chain<First, Second> const both{};
  linear_prediction const predict{};
  t2 const correct{};
  constexpr bool t2_first = std::is_same_v<First, t2>;
  moment const m{.tau_fwd = 2.5, .tau_bkwd = 0, .lag = 2.5, .rate = 0.1, .since = 3};
  double w = 1, last = 0, steps = 0, delta = 0;  // by hand
  double a[3] = {0, 0, 0};                       // the chain's
  for (int i = 0; i < 10; ++i) {
    double const g = std::cos(i), before = w, after = w - 0.1 * g;
    double u_forward = 0, u_backward = 0, gradient = 0;
    u_forward = both.template forward_weight<double>(m)(w, a[0], a[1], a[2]);
    u_backward = both.template backward_weight<double>(m)(w, a[0], a[1], a[2]);
    gradient = both.template gradient<double>(m)(g, w, a[0], a[1], a[2]);
    CHECK(u_forward == predict.forward_weight<double>(m)(w, last, steps));
    CHECK(u_backward == correct.backward_weight<double>(m)(w, delta));
    CHECK(gradient == predict.gradient<double>(m)(g, w, last, steps));
    both.template after_update<double>(m)(before, after, a[0], a[1], a[2]);
    predict.after_update<double>(m)(before, after, last, steps);
    correct.after_update<double>(m)(before, after, delta);
    CHECK(a[t2_first ? 0 : 2] == delta);
    CHECK(a[t2_first ? 1 : 0] == last);
    CHECK(a[t2_first ? 2 : 1] == steps);
    w = after;
  }
  CHECK(delta != 0);
}

}  // namespace

TEST_CASE("a chain gives each policy its own states, in order") {
  steps_agree<linear_prediction, t2>();
  steps_agree<t2, linear_prediction>();
}

TEST_CASE("where both have a function, the second sees the first's result") {
  delay::chain<linear_prediction, linear_prediction> const twice{{.pull = 0.5}, {.pull = 0.25}};
  moment const m{.tau_fwd = 2};
  double const s[4] = {0.1, 3, 0.2, 5};
  double const once = 1 + 2 * 0.1 + 0.001 * 3;
  CHECK(twice.forward_weight<double>(m)(1.0, s[0], s[1], s[2], s[3]) == Approx(once + 2 * 0.2 + 0.001 * 5));
  CHECK(twice.gradient<double>(m)(2.0, 1.0, s[0], s[1], s[2], s[3]) == Approx(2 + 0.5 - 0.1 + 0.25 - 0.2));
}

TEST_CASE("a chain asks for what its parts ask for") {
  using both = delay::chain<linear_prediction, t2>;
  static_assert(delay::delay_policy<both> && both::states == 3);
  static_assert(both::states_of == delay::scope::all);
  static_assert(delay::chain<t2, t2>::states_of == delay::scope::read_in_backward);
  static_assert(delay::corrects_backward<both, float> && delay::predicts_forward<both, float>);
  static_assert(delay::changes_gradient<both, float> && delay::watches_updates<both, float>);
  static_assert(!delay::predicts_forward<delay::chain<t2, delay::none>, float>);
  static_assert(delay::needs_lag<both> && !delay::needs_lag<delay::chain<linear_prediction, delay::none>>);
  CHECK(delay::chain<t2, linear_prediction>{{.exact = true}, {}}.exact_lag());
  CHECK_FALSE(both{}.exact_lag());
}

TEST_CASE("a chain moves, adds up, sees gradients and reads out as its parts do, each with its own states") {
  using ahead = delay::live_look_ahead;
  delay::chain<ahead, delay::averaged_correction> const moved{{.horizon = 2}, {.average_gamma = 0.5}};
  moment const m{.tau_fwd = 3, .lag = 3, .since = 2};
  CHECK(moved.move<double>(m)(1.5, 1.0, 0.0, 0.25, 9.0) == 1.5 + 6 * (0.5 - 0.25));
  CHECK(moved.read_out<double>(m)(1.5, 0.25, 9.0) == 9.0);  // the average, which comes second
  delay::chain<delay::averaged_correction, ahead> const turned{{.average_gamma = 0.5}, {.horizon = 2}};
  CHECK(turned.read_out<double>(m)(1.5, 9.0, 0.25) == 9.0 - 6 * 0.25);
  static_assert(!delay::reads_out<delay::chain<t2, delay::none>, double>);

  using watching = delay::chain<ahead, delay::adaptive_dc_asgd>;
  static_assert(watching::watches_gradients && delay::take_its_states<watching, double>());
  double delta = 0, mean = 0;
  watching{{.gamma = 0}, {.memory = 0.75}}.after_update<double>(m)(1.0, 1.5, 2.0, delta, mean);
  CHECK(delta == 0.5);
  CHECK(mean == 0.25 * 4);

  delay::chain<delay::adaptive_braking, delay::adaptive_braking> const brakes{{.rho = 1}, {.rho = 2}};
  static_assert(decltype(brakes)::sums == 6);
  double add[6] = {};
  brakes.summands<double>(m)(add, 3.0, 1.0, 2.0);
  CHECK(add[0] == 6);
  CHECK(add[5] == 4);
  moment sums = m;
  delay::chain<delay::none, delay::adaptive_braking> const last{{}, {.rho = 2}};
  sums.sums[0] = 0.5, sums.sums[1] = sums.sums[2] = 1;
  CHECK(last.gradient<double>(sums)(7.0, 1.0, 2.0) == 0);
}

TEST_CASE("T2 extrapolates by the lag and averages with decay^(1 / lag)") {
  t2 const p{.decay = 0.25};
  CHECK(p.backward_weight<double>({.tau_fwd = 2, .lag = 3})(1.0, 0.1) ==
        Approx(0.7));  // the microbatch's own lag where it is given
  double delta = 0.4;
  p.after_update<double>({.tau_fwd = 2.5, .tau_bkwd = 0.5})(1.0, 1.6, delta);  // gamma = 0.25^(1/2) = 0.5
  CHECK(delta == Approx(0.5 * 0.4 + 0.5 * 0.6));
  CHECK(std::pow(1 - 2.0 / 1001, 1000) == Approx(t2{}.decay).epsilon(1e-5));
}
