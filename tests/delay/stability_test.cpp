// Largest stable steps on a one-dimensional quadratic, through trainers with injected delays and foal's own policies.
//
// The loss is lambda/2 w^2 with lambda = 1; the gradient that a microbatch gives is (1 + D) w_F - D w_B, w_F and w_B being
// what its F and B read: D is the discrepancy sensitivity of Yang et al. 2021, section 3.2. Each element of the parameter
// has a step size of its own, so one run tries one step below the limit and one above it. The limits are roots of the
// characteristic polynomials; for delay alone (lemma 1) a = 2 sin(pi / (4 tau + 2)).
#include <foal/delay/discrepancy_correction.hpp>
#include <foal/lr/reschedule.hpp>
#include <foal/optim/momentum.hpp>
#include <foal/optim/sgd.hpp>
#include <foal/schedule/injected.hpp>
#include <foal/trainer.hpp>
#include <foal/versions/versions.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

namespace {

using namespace foal;

/// What the layer's functions multiply by; a layer holds no data, so the test does.
struct problem {
  double sensitivity = 0;
  double step[2] = {0, 0};
};
problem now;

/// Something below the quadratic, so that its backward has an input gradient to compute and reads its weights there.
struct ground {
  static constexpr char const* name = "ground";
  static constexpr shape output(shape in) { return in; }
  static constexpr list<parameter> parameters(shape) { return {parameter{"unused", features(1), {}, false}}; }
  template <class C, class S = typename C::scalar>
  static void forward(C&, S const* x, weights<S const>, S* y, saved<S>) {
    y[0] = x[0];
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C&, S const* dy, weights<S const>, saved<S>, S* dx) {
    dx[0] = dy[0];
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C&, S const*, saved<S>, weights<S>) {}
};

struct quadratic {
  static constexpr char const* name = "quadratic";
  static constexpr shape output(shape) { return features(2); }
  static constexpr list<parameter> parameters(shape) {
    return {parameter{"w", features(2), {initial::kind::constant, 1, 1}, true}};
  }
  static constexpr list<kept_entry> kept(shape) { return {kept_entry{{2, 0}, until::B, 0}}; }

  template <class C, class S = typename C::scalar>
  static void forward(C&, S const*, weights<S const> w, S* y, saved<S> s) {
    for (int i = 0; i < 2; ++i) y[i] = s.at(0)[i] = w[0][i];
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C&, S const*, weights<S const>, saved<S>, S* dx) {
    dx[0] = 0;
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C&, S const*, saved<S>, weights<S>) {}
  template <class C, class S = typename C::scalar>
  static void backward(C&, S const*, weights<S const> w, saved<S> s, S* dx, weights<S> dw) {
    for (int i = 0; i < 2; ++i) dw[0][i] += now.step[i] * ((1 + now.sensitivity) * s.at(0)[i] - now.sensitivity * w[0][i]);
    dx[0] = 0;
  }
};

struct net : stages<input<1>, ground, quadratic> {};

struct nothing_to_lose {
  using role = foal::role::loss;
  using target = std::int32_t;
  static constexpr int targets(shape) { return 1; }
  static constexpr double weight(shape, int samples) { return samples; }
  template <class C>
  loss::loss_result apply(C&, typename C::scalar const*, target const*, double, typename C::scalar* dx) const {
    dx[0] = dx[1] = 0;
    return {0, 1, 0};
  }
};

struct no_data {
  void inputs(long long, double* x, double*) const { x[0] = 0; }
  void targets(long long, std::int32_t* t) const { t[0] = 0; }
};

template <class... Policies>
using run = trainer<net, nothing_to_lose, schedule::injected, scalar<double>, Policies...>;

/// Largest |w| of each element, over the second sixth of the updates and over the last.
struct amplitudes {
  double early[2]{}, late[2]{};
};

template <class Trainer>
amplitudes amplitudes_of(typename Trainer::config values, int tau, long long updates) {
  values.microbatch_size = 1;
  values.microbatches = 1;
  values.evaluation = false;
  values.schedule = {{0, tau}};
  Trainer t(values);
  struct watch {
    long long updates;
    amplitudes seen{};
  } state{updates};
  executor::run_request request;
  request.minibatches = updates;
  request.watch = {&state, [](void* self, executor::bound_stage const& b) {
                     auto& s = *static_cast<watch*>(self);
                     if (b.number != 1) return;
                     long long const part = 6 * (b.updates - 1) / s.updates;
                     for (int i = 0; i < 2; ++i) {
                       double const w = std::abs(reinterpret_cast<double const*>(b.w)[i]);
                       if (part == 1) s.seen.early[i] = std::max(s.seen.early[i], w);
                       if (part == 5) s.seen.late[i] = std::max(s.seen.late[i], w);
                     }
                   }};
  no_data const data;
  auto const result = t.run(data, request);
  REQUIRE_FALSE(result.diverged);
  return state.seen;
}

/// 1 % below `limit` the weight decays, 1 % above it grows.
template <class Trainer>
void largest_stable_step(double limit, int tau, typename Trainer::config values = {}, double sensitivity = 0) {
  INFO("tau " << tau << "  sensitivity " << sensitivity << "  limit " << limit);
  now = {sensitivity, {0.99 * limit, 1.01 * limit}};
  if constexpr (requires { values.lr.base.rate; })
    values.lr.base.rate = 1;
  else
    values.lr.rate = 1;
  amplitudes const a = amplitudes_of<Trainer>(values, tau, 6000 + 1200LL * tau);
  CHECK(a.late[0] < 0.9 * a.early[0]);
  CHECK(a.late[1] > 1.1 * a.early[1]);
}

}  // namespace

TEST_CASE("plain delay: a = 2 sin(pi / (4 tau + 2))") {
  double const table[][2] = {{0, 2},         {1, 1},          {2, .61803399},  {3, .44504187},  {5, .28462968},
                             {8, .18453672}, {10, .14946019}, {15, .10129834}, {20, .07660547}, {30, .05149583}};
  for (auto const& [tau, limit] : table) {
    CHECK(limit == Approx(2 * std::sin(std::numbers::pi / (4 * tau + 2))).epsilon(1e-6));
    largest_stable_step<run<>>(limit, static_cast<int>(tau));
  }
}

TEST_CASE("a discrepancy between F and B lowers the limit") {
  double const ten[][2] = {{.5, .08463}, {1, .05928}, {3, .02707}, {5, .01756}, {10, .00935}};
  for (auto const& [sensitivity, limit] : ten) largest_stable_step<run<>>(limit, 10, {}, sensitivity);
  double const twenty[][2] = {{.5, .04291}, {1, .02993}, {3, .01360}, {5, .00880}};
  for (auto const& [sensitivity, limit] : twenty) largest_stable_step<run<>>(limit, 20, {}, sensitivity);
}

TEST_CASE("a stash takes the discrepancy away") {
  for (double const sensitivity : {.5, 5.0, 100.0})
    largest_stable_step<run<versions::stash>>(.14946019, 10, {}, sensitivity);
}

TEST_CASE("momentum lowers the limit to about 1 - beta of it") {
  for (double const beta : {.1, .3, .5, .7, .9})
    largest_stable_step<run<optim::momentum>>(1 - beta, 1, {.optim = {.momentum = beta}});
  double const table[][2] = {{2, .05125}, {4, .02650}, {8, .01394}, {16, .00749}};
  for (auto const& [tau, limit] : table)
    largest_stable_step<run<optim::momentum>>(limit, static_cast<int>(tau), {.optim = {.momentum = .9}});
}

TEST_CASE("T2 wins most of the limit back") {
  struct row {
    int tau;
    double sensitivity, decay, limit;
  };
  row const table[] = {{10, 1, .01, .15909},  {10, 1, .1353352832, .13116},  {10, 1, .5, .07858},
                       {10, 3, .01, .13721},  {10, 3, .1353352832, .10998},  {10, 3, .5, .04199},
                       {10, 5, .01, .08465},  {10, 5, .1353352832, .09730},  {10, 5, .5, .02900},
                       {10, 10, .01, .04324}, {10, 10, .1353352832, .07914}, {10, 10, .5, .01649},
                       {20, 5, .01, .08360},  {20, 5, .1353352832, .04904},  {20, 5, .5, .01454},
                       {40, 10, .01, .04255}, {40, 10, .1353352832, .01992}, {40, 10, .5, .00412}};
  using corrected = run<delay::discrepancy_correction>;
  for (row const& r : table) largest_stable_step<corrected>(r.limit, r.tau, {.delay = {.decay = r.decay}}, r.sensitivity);
}

TEST_CASE("T1 makes one base rate stable for every delay") {
  using rescheduled = run<lr::reschedule<lr::constant>>;
  using slowed = run<optim::momentum, lr::reschedule<lr::constant>>;
  for (int tau : {1, 2, 3, 5, 8, 10, 20}) {
    // p stays near 1 all the time; the limit of the base rate is tau times that of the delay.
    largest_stable_step<rescheduled>(tau * 2 * std::sin(std::numbers::pi / (4 * tau + 2)), tau,
                                     {.lr = {.steps = 1LL << 40}});
  }
  double const table[][2] = {{1, .1}, {2, .05125}, {4, .02650}, {8, .01394}};
  for (auto const& [tau, limit] : table)
    largest_stable_step<slowed>(tau * limit, static_cast<int>(tau), {.optim = {.momentum = .9}, .lr = {.steps = 1LL << 40}});
}
