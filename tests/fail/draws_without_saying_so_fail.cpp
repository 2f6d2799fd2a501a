// expected-error: cannot draw by ctx.random in this layer, because it does not say that it draws
// Its forward takes the key of the samples, and a recording would repeat what comes of it.
#include <foal/layer/relu.hpp>

#include "net.hpp"

struct silent : foal::relu {
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, foal::weights<S const> w, S* y, foal::saved<S> s) {
    foal::random_key const key = ctx.random;
    foal::relu::forward(ctx, x, w, y, s);
    y[0] += static_cast<S>(foal::random_unit(key, 0));
  }
};

struct one_layer : foal::stages<foal::input<8>, foal::linear<4>, silent> {};

int main() {
  foal::trainer<one_layer, foal::loss::cross_entropy, foal::schedule::gpipe> t({});
  return static_cast<int>(t.updates());
}
