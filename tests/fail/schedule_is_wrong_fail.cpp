// expected-error: op_kind::BW, 0, 0, 0, [a-z:_]*op_kind::F, 0, 0, 0.*cannot train with this Schedule, because of the flaw|cannot train with this Schedule, because of the flaw.*op_kind::BW, 0, 0, 0, [a-z:_]*op_kind::F, 0, 0, 0
// A user's schedule whose backwards overtake the stage above: the proof names both ops.
#include "net.hpp"

struct hasty {
  static constexpr char const* name = "hasty";
  static constexpr bool asynchronous = false;

  template <class Sink>
  constexpr void emit(foal::schedule::extent e, Sink& sink) const {
    using foal::schedule::op, foal::schedule::op_kind;
    for (int s = 0; s < e.stages; ++s) {
      for (int m = 0; m < e.microbatches; ++m) {
        sink(s, op{.kind = op_kind::BW, .stage = s, .microbatch = m});
        sink(s, op{.kind = op_kind::F, .stage = s, .microbatch = m});
      }
      sink(s, op{.kind = op_kind::U, .stage = s, .microbatch = e.microbatches - 1});
    }
  }
};

int main() {
  run<hasty> t({});
  return static_cast<int>(t.updates());
}
