// The gradient check of layers of one's own: right ones pass, and every planted mistake is named.
#include <foal/layer/attention.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/check_gradient.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/tanh.hpp>

#include <catch2/catch.hpp>

namespace {

using namespace foal;
using Catch::Contains;

enum class mistake { none, input, weight, overwrites, leans_on_backward_input, reads_what_is_gone, fused };

/// y = scale * x^2, by channel.
template <mistake Planted>
struct scaled_square {
  static constexpr char const* name = "scaled_square";
  static constexpr until input_kept = Planted == mistake::reads_what_is_gone ? until::B : until::W;
  static constexpr shape output(shape in) { return in; }
  static constexpr list<parameter> parameters(shape in) {
    return {parameter{"scale", features(in.channels()), {initial::kind::constant, 1, 1}, true}};
  }
  static constexpr list<kept_entry> kept(shape in) { return {kept_entry{{0, in.size()}, until::W}}; }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S> s) {
    for (int i = 0; i < ctx.samples * ctx.in.size(); ++i) {
      y[i] = w[0][i % ctx.in.channels()] * x[i] * x[i];
      s.at(0)[i] = x[i] * x[i];
    }
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx) {
    for (int i = 0; i < ctx.samples * ctx.in.size(); ++i) {
      dx[i] = S(2) * w[0][i % ctx.in.channels()] * s.x[i] * dy[i];
      if (Planted == mistake::input && i == 4) dx[i] *= S(1.01);
      if (Planted == mistake::leans_on_backward_input) s.at(0)[i] = s.x[i] * s.x[i];
    }
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S> s, weights<S> dw) {
    if (Planted == mistake::overwrites)
      for (int c = 0; c < ctx.in.channels(); ++c) dw[0][c] = 0;
    for (int i = 0; i < ctx.samples * ctx.in.size(); ++i) {
      S const square = Planted == mistake::reads_what_is_gone ? s.x[i] * s.x[i] : s.at(0)[i];
      dw[0][i % ctx.in.channels()] += dy[i] * square * (Planted == mistake::weight ? S(0.5) : S(1));
    }
  }
  template <class C, class S = typename C::scalar>
  static void backward(C& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx, weights<S> dw)
    requires(Planted == mistake::fused)
  {
    backward_input(ctx, dy, w, s, dx);
    backward_weight(ctx, dx, s, dw);
  }
};

/// Forward leaves out what only backward_input writes.
struct leaning : scaled_square<mistake::leans_on_backward_input> {
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S>) {
    for (int i = 0; i < ctx.samples * ctx.in.size(); ++i) y[i] = w[0][i % ctx.in.channels()] * x[i] * x[i];
  }
};

struct lengths_tag;

}  // namespace

TEST_CASE("the gradients of built-in layers pass", "[check_gradient]") {
  auto const right = [](gradient_report const& r) {
    INFO(r.fault);
    return static_cast<bool>(r) && r.worst < 1e-6;
  };
  CHECK(right(check_gradient<linear<4>>(features(5))));
  CHECK(right(check_gradient<foal::tanh>(features(5))));  // in place
  CHECK(right(check_gradient<batch_norm>(image(2, 3, 1), {.samples = 4})));
  CHECK(right(check_gradient<attention<2, mask::none, lengths_tag>>(sequence(12, 4),
                                                                    {.samples = 2, .reads = {{features(1), {3, 4}}}})));
  CHECK(right(check_gradient<scaled_square<mistake::none>>(features(3))));
}

TEST_CASE("a planted mistake is named with its function, gradient and element", "[check_gradient]") {
  CHECK_THAT(check_gradient<scaled_square<mistake::input>>(features(3)).fault,
             Contains("cannot trust backward_input of scaled_square, because element 4 of dx is "));
  CHECK_THAT(check_gradient<scaled_square<mistake::weight>>(features(3)).fault,
             Contains("cannot trust backward_weight of scaled_square, because element 0 of the gradient of scale"));
  CHECK_THAT(check_gradient<scaled_square<mistake::overwrites>>(features(3)).fault, Contains("adds a second time"));
  CHECK_THAT(check_gradient<leaning>(features(3)).fault,
             Contains("before backward_input, is ") && Contains("nan where") && Contains("kept()"));
  CHECK_THAT(check_gradient<scaled_square<mistake::fused>>(features(3)).fault,
             Contains("cannot trust backward of scaled_square, because element 0 of the gradient of scale is "));
  CHECK_THROWS_WITH(check_gradient<linear<4>>(image(1, 2, 2)), Contains("does not accept 1 x 2 x 2"));
}
