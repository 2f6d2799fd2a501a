// A quadratic on which the stability of delayed training is measured.
//
// The loss is w^2 / 2; a microbatch's gradient is (1 + D) w_F - D w_B, w_F and w_B being what its F and B read: D, the
// discrepancy, is how sensitive the gradient is to their difference (Yang et al. 2021, section 3.2). Every element of the
// parameter has a step of its own, so one run tries several steps at once.
#pragma once

#include <algorithm>
#include <cmath>

#include <foal/schedule/rules/injected.hpp>
#include <foal/trainer.hpp>

namespace stability {

using namespace foal;

/// What the layer's functions multiply by; a layer holds no data.
template <int Tries>
struct problem {
  double sensitivity = 0;
  double step[Tries]{};
};
template <int Tries>
inline problem<Tries> now;

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

template <int Tries>
struct quadratic {
  static constexpr char const* name = "quadratic";
  static constexpr shape output(shape) { return features(Tries); }
  static constexpr list<parameter> parameters(shape) {
    return {parameter{"w", features(Tries), {initial::kind::constant, 1, 1}, true}};
  }
  static constexpr list<kept_entry> kept(shape) { return {kept_entry{{Tries, 0}, until::B}}; }

  template <class C, class S = typename C::scalar>
  static void forward(C&, S const*, weights<S const> w, S* y, saved<S> s) {
    for (int i = 0; i < Tries; ++i) y[i] = s.at(0)[i] = w[0][i];
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C&, S const*, weights<S const>, saved<S>, S* dx) {
    dx[0] = 0;
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C&, S const*, saved<S>, weights<S>) {}
  template <class C, class S = typename C::scalar>
  static void backward(C&, S const*, weights<S const> w, saved<S> s, S* dx, weights<S> dw) {
    problem<Tries> const& p = now<Tries>;
    for (int i = 0; i < Tries; ++i) dw[0][i] += p.step[i] * ((1 + p.sensitivity) * s.at(0)[i] - p.sensitivity * w[0][i]);
    dx[0] = 0;
  }
};

template <int Tries>
struct net : stages<input<1>, ground, quadratic<Tries>> {
  static constexpr int tries = Tries;
};

struct nothing_to_lose {
  using role = foal::role::loss;
  using target = std::int32_t;
  static constexpr char const* name = "nothing_to_lose";
  static constexpr int targets(shape) { return 1; }
  static constexpr double weight(shape, int samples) { return samples; }
  template <class C>
  loss::loss_result apply(C& ctx, typename C::scalar const*, target const*, double, typename C::scalar* dx) const {
    std::fill_n(dx, ctx.in.size(), typename C::scalar(0));
    return {0, 1, 0};
  }
};

struct no_data {
  void inputs(long long, double* x, double*) const { x[0] = 0; }
  void targets(long long, std::int32_t* t) const { t[0] = 0; }
};

template <int Tries, class... Policies>
using run = trainer<net<Tries>, nothing_to_lose, schedule::injected, scalar<double>, Policies...>;

/// Largest |w| of each element, over the second sixth of the updates and over the last. A step is stable if the last one is
/// smaller.
template <int Tries>
struct amplitudes {
  double early[Tries]{}, late[Tries]{};
};

/// Trains with the steps of now<Tries> for `updates` updates, the quadratic's F `tau` updates late. Throws foal::error if a
/// weight leaves the range of double.
template <class Trainer, int Tries = Trainer::model_type::tries>
amplitudes<Tries> amplitudes_of(typename Trainer::config values, int tau, long long updates) {
  struct watch {
    long long updates;
    amplitudes<Tries> seen{};

    void see(executor::bound_stage const& b) {
      if (b.number != 1) return;
      long long const part = 6 * (b.updates - 1) / updates;
      if (part != 1 && part != 5) return;
      double const* const w = reinterpret_cast<double const*>(b.w);
      double* const most = part == 1 ? seen.early : seen.late;
      for (int i = 0; i < Tries; ++i) most[i] = std::max(most[i], std::abs(w[i]));
    }
  } seen{updates};
  values.microbatch_size = values.microbatches = 1;
  values.evaluation = false;
  values.schedule = {{0, tau}};
  executor::run_request request;
  request.minibatches = updates;
  request.watch = {&seen, [](void* self, executor::bound_stage const& b) { static_cast<watch*>(self)->see(b); }};
  Trainer t(values);
  require(!t.run(no_data{}, request).diverged, "cannot measure a limit, because a weight left the range of double; ",
          "try fewer updates");
  return seen.seen;
}

}  // namespace stability
