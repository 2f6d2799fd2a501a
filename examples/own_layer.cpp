// A layer of one's own: the swish activation with a slope that is learnt, trained as a pipeline beside the built-in layers.
#include <cstdio>
#include <foal/foal.hpp>

/// y = x sigmoid(beta x), one beta per layer (Ramachandran, Zoph, Le 2017). Forward keeps both derivatives: what forward
/// knew is never derived again, because by then the weight may be a newer one.
struct swish {
  static constexpr char const* name = "swish";
  static constexpr bool in_place = true;
  static constexpr foal::shape output(foal::shape in) { return in; }
  static constexpr foal::list<foal::parameter> parameters(foal::shape) {
    return {foal::parameter{"beta", foal::features(1), {foal::initial::kind::constant, 1.0}}};
  }
  static constexpr foal::list<foal::kept_entry> kept(foal::shape in) {  // dy/dx until B, dy/dbeta until W
    return {foal::kept_entry{{0, in.size()}, foal::until::B}, foal::kept_entry{{0, in.size()}, foal::until::W}};
  }
  // Elementwise work is a functor, which every device runs; beta is read through a pointer into the device's memory.
  template <class S>
  struct element {
    S const* beta;
    FOAL_HOST_DEVICE S sigmoid(S x) const { return S(1) / (S(1) + std::exp(-*beta * x)); }
    FOAL_HOST_DEVICE void operator()(S const& x, S& y) const { y = x * sigmoid(x); }
    FOAL_HOST_DEVICE void operator()(S const& x, S& y, S& by_x, S& by_beta) const {
      S const value = x, gate = sigmoid(value), slope = gate * (S(1) - gate);
      y = value * gate;
      by_x = gate + *beta * value * slope;
      by_beta = value * value * slope;
    }
  };
  struct backward_element {
    template <class S>
    FOAL_HOST_DEVICE void operator()(S const& dy, S const& by_x, S& dx) const {
      dx = dy * by_x;
    }
  };
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, foal::weights<S const> w, S* y, foal::saved<S> s) {
    if (ctx.phase == foal::phase::evaluate) return ctx.device.map(foal::input_elements(ctx), element<S>{w[0]}, x, y);
    ctx.device.map(foal::input_elements(ctx), element<S>{w[0]}, x, y, s.at(0), s.at(1));
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, foal::weights<S const>, foal::saved<S> s, S* dx) {
    ctx.device.map(foal::input_elements(ctx), backward_element{}, dy, s.template at<S const>(0), dx);
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, foal::saved<S> s, foal::weights<S> dw) {  // adds dy . dy/dbeta
    ctx.device.product_tn(1, 1, static_cast<int>(foal::input_elements(ctx)), dy, s.at(1), dw[0], true);
  }
};
// A layer with weights would start a stage of its own; foal::stage<...> keeps it with the convolution before it.
struct net : foal::stages<foal::input<1, 8, 8>, foal::stage<foal::conv<8, 3>, swish>, foal::max_pool<2>, foal::flatten,
                          foal::stage<foal::linear<32>, swish>, foal::linear<10>> {};
int main() {
  auto const digits = foal::data::handwritten();
  foal::trainer<net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::momentum> t({.lr = {.rate = 0.02}});
  double const right = t.fit(digits.train, {.epochs = 6, .evaluate = digits.test}).accuracy();
  std::printf("swish with slopes %.2f and %.2f, learnt: %.1f %% of the test digits right\n",
              static_cast<double>(t.weights(0, 2)[0]), static_cast<double>(t.weights(1, 2)[0]), 100 * right);
}
