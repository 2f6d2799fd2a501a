// expected-error: cannot run this Layer, because it lacks .*backward_input
// A layer whose backward_input takes no weights: not the signature that the pipeline calls.
#include "net.hpp"

struct doubling {
  static constexpr char const* name = "doubling";
  static constexpr foal::shape output(foal::shape in) { return in; }
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, foal::weights<S const>, S* y, foal::saved<S>) {
    ctx.device.copy(y, x, static_cast<std::size_t>(ctx.samples * ctx.in.size()) * sizeof(S));
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, foal::saved<S>, S* dx) {
    ctx.device.copy(dx, dy, static_cast<std::size_t>(ctx.samples * ctx.in.size()) * sizeof(S));
  }
};

struct bad : foal::stages<foal::input<8>, foal::linear<8>, doubling, foal::linear<4>> {};

int main() {
  foal::trainer<bad, foal::loss::cross_entropy, foal::schedule::pipemare> t({});
  return static_cast<int>(t.updates());
}
