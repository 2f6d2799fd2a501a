// expected-error: cannot use this delay policy .Policy. with these Versions, because its correction of B has no effect, nor its prediction for F
// Predicted weights beside weight stashing: what is stashed is what was predicted from.
#include "net.hpp"

struct prediction {
  using role = foal::role::delay;
  static constexpr char const* name = "prediction";
  static constexpr int states = 0;

  template <class S>
  struct same {
    S operator()(S w) const { return w; }
  };
  template <class S>
  same<S> forward_weight(foal::delay::moment) const {
    return {};
  }
};

int main() {
  run<foal::schedule::pipemare, foal::versions::stash, prediction> t({});
  return static_cast<int>(t.updates());
}
