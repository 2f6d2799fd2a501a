// Quadratics of curvatures 1 and 100 whose axes are turned against the weights' by pi / 8: where Adam suffers from delay.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include <foal/layer/initialise.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>

#include "train.hpp"

namespace delay_lab {

namespace {

constexpr int problems = 16;
/// Of which the square is a quadratic with the curvatures 1 and 100 along the turned axes.
struct turned_axes {
  double c = std::cos(3.14159265358979323846 / 8), d = std::sin(3.14159265358979323846 / 8), steep = 10;
};

/// Something below, so that the weights above have an input gradient to compute and belong to a hidden layer.
struct bottom {
  static constexpr char const* name = "bottom";
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

/// y: the weights, 2 x problems, along their axes, the steep one times 10, plus the input, which is noise.
struct quadratics {
  static constexpr char const* name = "quadratics";
  static constexpr foal::shape output(foal::shape) { return foal::features(2 * problems); }
  static constexpr foal::list<foal::parameter> parameters(foal::shape) {
    return {foal::parameter{"w", foal::shape{2, {2, problems}}, {foal::initial::kind::fan_in, 1, 1}, true}};
  }
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, foal::weights<S const> w, S* y, foal::saved<S>) {
    turned_axes const t;
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
    turned_axes const t;
    S const c = static_cast<S>(t.c), d = static_cast<S>(t.d), steep = static_cast<S>(t.steep);
    for (int i = 0; i < ctx.samples; ++i, dy += 2 * problems)
      for (int k = 0; k < problems; ++k) {
        S const a = dy[k], b = steep * dy[problems + k];
        dw[0][k] += c * a - d * b;
        dw[0][problems + k] += d * a + c * b;
      }
  }
};

