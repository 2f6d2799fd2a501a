// expected-error: doubling.*cannot use the Type named here as a layer, because it lacks|cannot use the Type named here as a layer, because it lacks.*doubling
// A type that has a forward, but neither a name nor an output shape.
#include "net.hpp"

struct doubling {
  template <class C, class S>
  static void forward(C& ctx, S const* x, foal::weights<S const>, S* y, foal::saved<S>);
};

struct bad : foal::stages<foal::input<8>, foal::linear<8>, doubling, foal::linear<4>> {};

int main() {
  foal::trainer<bad, foal::loss::cross_entropy, foal::schedule::pipemare> t({});
  return static_cast<int>(t.updates());
}
