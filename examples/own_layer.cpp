// A layer of one's own: the swish activation with a slope that is learnt, trained as a pipeline beside the built-in layers.
#include <cmath>
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
  static constexpr foal::list<foal::kept_entry> kept(foal::shape in) {
    return {foal::kept_entry{{0, in.size()}, foal::until::B},   // dy/dx
            foal::kept_entry{{0, in.size()}, foal::until::W}};  // dy/dbeta
  }
  static constexpr long long flops(foal::shape in) { return 8LL * in.size(); }

  // Elementwise work is a functor, which every device runs; beta is read through a pointer into the device's memory.
  template <class S>
  struct forward_element {
    S const* beta;
    FOAL_HOST_DEVICE void operator()(S const& x, S& y, S& by_x, S& by_beta) const {
      S const value = x, sigmoid = S(1) / (S(1) + std::exp(-*beta * value)), slope = sigmoid * (S(1) - sigmoid);
      y = value * sigmoid;
      by_x = sigmoid + *beta * value * slope;
      by_beta = value * value * slope;
    }
  };
  template <class S>
  struct evaluate_element {
    S const* beta;
    FOAL_HOST_DEVICE void operator()(S const& x, S& y) const { y = x / (S(1) + std::exp(-*beta * x)); }
  };
  struct backward_element {
    template <class S>
    FOAL_HOST_DEVICE void operator()(S const& dy, S const& by_x, S& dx) const {
      dx = dy * by_x;
    }
  };

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, foal::weights<S const> w, S* y, foal::saved<S> s) {
    if (ctx.phase == foal::phase::evaluate)
      ctx.device.map(foal::input_elements(ctx), evaluate_element<S>{w[0]}, x, y);
    else
      ctx.device.map(foal::input_elements(ctx), forward_element<S>{w[0]}, x, y, s.at(0), s.at(1));
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, foal::weights<S const>, foal::saved<S> s, S* dx) {
    ctx.device.map(foal::input_elements(ctx), backward_element{}, dy, s.template at<S const>(0), dx);
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, foal::saved<S> s, foal::weights<S> dw) {
    ctx.device.product_tn(1, 1, static_cast<int>(foal::input_elements(ctx)), dy, s.at(1), dw[0],
                          true);  // dbeta += dy . dy/dbeta
  }
};

// A layer with weights would start a stage of its own; foal::stage<...> keeps it with the convolution before it.
template <class Activation>
struct net : foal::stages<foal::input<1, 8, 8>, foal::stage<foal::conv<8, 3>, Activation>, foal::max_pool<2>,
                          foal::stage<foal::conv<16, 3>, Activation>, foal::flatten,
                          foal::stage<foal::linear<32>, Activation>, foal::linear<10>> {};

template <class Activation>
using run = foal::trainer<net<Activation>, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::momentum,
                          foal::lr::reschedule<foal::lr::step>, foal::delay::discrepancy_correction>;

template <class Activation>
void show(foal::data::dataset const& digits) {
  double accuracy = 0;
  int const seeds = 3;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    run<Activation> t({.workers = 2, .seed = seed, .lr = {.base = {.rate = 0.02, .every = 500}, .steps = 750}});
    accuracy += t.fit(digits.train, {.epochs = 6, .evaluate = digits.test, .quiet = true}).accuracy() / seeds;
    if (seed < seeds) continue;
    auto const bytes = t.facts().bytes;
    std::printf("%-6s %lld parameters, %lld bytes saved, %.1f %% of the test digits right", Activation::name,
                run<Activation>::parameters, bytes[foal::category::saved], 100 * accuracy);
    if constexpr (requires { Activation::parameters(foal::shape{}); }) {
      std::printf("; slopes learnt:");
      for (int s = 0; s + 1 < run<Activation>::stages; ++s) std::printf(" %.2f", static_cast<double>(t.weights(s, 2)[0]));
    }
    std::puts("");
  }
}

int main() {
  foal::data::dataset const digits = foal::data::handwritten();
  show<foal::relu>(digits);
  show<foal::tanh>(digits);
  show<swish>(digits);
}
