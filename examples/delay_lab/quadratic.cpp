// Quadratics of curvatures 1 and 100 whose axes are turned against the weights' by pi / 8: where Adam suffers from delay.
// And the same with noise in each gradient, which asks for rates so small that most of a delay costs little.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include <foal/data/memory.hpp>
#include <foal/layer/elements.hpp>
#include <foal/layer/initialise.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>

#include "random_teacher.hpp"
#include "train.hpp"

namespace delay_lab {

inline constexpr int problems = 16;

/// The squares of y along turned axes, one of them ten times as long: curvatures of 1 to 100.
struct axes {
  double c = std::cos(std::numbers::pi / 8), d = std::sin(std::numbers::pi / 8), steep = 10;
};

/// Below the weights, so that they have an input gradient to compute, and above, so that they are no head. Learns nothing.
struct end_piece {
  static constexpr char const* name = "end_piece";
  static constexpr foal::shape output(foal::shape in) { return in; }
  static constexpr foal::list<foal::parameter> parameters(foal::shape) {
    return {foal::parameter{"unused", foal::features(1), {}, false}};
  }
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, foal::weights<S const>, S* y, foal::saved<S>) {
    std::copy_n(x, foal::input_elements(ctx), y);
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, foal::weights<S const>, foal::saved<S>, S* dx) {
    std::copy_n(dy, foal::input_elements(ctx), dx);
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C&, S const*, foal::saved<S>, foal::weights<S>) {}
};

/// y: the input and the weights, 2 x problems, along their axes.
struct quadratics {
  static constexpr char const* name = "quadratics";
  static constexpr foal::shape output(foal::shape in) { return in; }
  static constexpr foal::list<foal::parameter> parameters(foal::shape) {
    return {foal::parameter{"w", foal::shape{2, {2, problems, 1, 1}}, {foal::initial::kind::normal, 1, 1}, true}};
  }
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, foal::weights<S const> w, S* y, foal::saved<S>) {
    axes const t;
    S const c = static_cast<S>(t.c), d = static_cast<S>(t.d), steep = static_cast<S>(t.steep);
    for (int i = 0; i < ctx.samples; ++i, x += 2 * problems, y += 2 * problems)
      for (int k = 0; k < problems; ++k) {
        S const a = w[0][k], b = w[0][problems + k];
        y[k] = c * a + d * b + x[k];
        y[problems + k] = steep * (c * b - d * a) + x[problems + k];
      }
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, foal::weights<S const>, foal::saved<S>, S* dx) {
    std::copy_n(dy, foal::input_elements(ctx), dx);
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, foal::saved<S>, foal::weights<S> dw) {
    axes const t;
    S const c = static_cast<S>(t.c), d = static_cast<S>(t.d), steep = static_cast<S>(t.steep);
    for (int i = 0; i < ctx.samples; ++i, dy += 2 * problems)
      for (int k = 0; k < problems; ++k) {
        S const a = dy[k], b = steep * dy[problems + k];
        dw[0][k] += c * a - d * b;
        dw[0][problems + k] += d * a + c * b;
      }
  }
};

}  // namespace delay_lab

struct delay_lab_quadratic
    : foal::stages<foal::input<2 * delay_lab::problems>, delay_lab::end_piece, delay_lab::quadratics, delay_lab::end_piece> {
};

namespace delay_lab {

namespace {

/// Noisy: to each number whose square is the loss a random one is added, of variance 1.
template <bool Noisy>
struct quadratic_task {
  using net = delay_lab_quadratic;
  using loss = foal::loss::mean_squared_error;
  using initial = foal::initialisation::declared;
  using target = float;
  static constexpr int minibatch = 1, evaluated = 1;
  static constexpr bool has(answer a) { return all_answers(a); }

  explicit quadratic_task(std::uint64_t seed) : seed_(seed) {}
  int write_input(long long i, float* x) const {
    if constexpr (!Noisy) return nothing(x);
    for (std::uint32_t k = 0; k < 2 * problems; ++k)
      x[k] = random_teacher::normal(seed_, 3, static_cast<std::uint64_t>(i), k);
    return 2 * problems;
  }
  int write_target(long long, float* y) const { return nothing(y); }
  foal::data::memory<float, float> const& test() const {
    static foal::data::memory<float, float> const one(foal::features(2 * problems), std::vector<float>(2 * problems),
                                                      std::vector<float>(2 * problems), 2 * problems);
    return one;
  }
  static double judged(double loss) { return std::log10(std::max(loss, 1e-9)); }

 private:
  static int nothing(float* x) {
    std::fill_n(x, 2 * problems, 0.0F);
    return 2 * problems;
  }
  std::uint64_t seed_;
};

}  // namespace

network const& quadratic() {
  static network const n = make_network<quadratic_task<false>>(
      "quadratic", "16 quadratics of curvatures 1 : 100, turned by pi / 8, as one matrix; log10 of the loss", 600, 4);
  return n;
}

network const& noisy() {
  static network const n = make_network<quadratic_task<true>>(
      "noisy", "the same quadratics with noise in each gradient; log10 of the loss without it", 600, 4);
  return n;
}

}  // namespace delay_lab
