// expected-error: a policy holds another one that has state; give it a member state.f.
// expected-lines: 34
// A learning rate around a plateau, whose best loss a cut would lose.
#include <foal/policy/lr/plateau.hpp>

#include "net.hpp"

struct halved {
  using role = foal::role::learning_rate;
  static constexpr char const* name = "halved";
  foal::lr::plateau<> base{};
  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
  }
  double at(foal::lr::moment m) const { return base.at(m) / 2; }
};

int main() {
  run<foal::schedule::gpipe, halved> t({});
  return t.cut().policies.empty() ? 0 : 1;
}
