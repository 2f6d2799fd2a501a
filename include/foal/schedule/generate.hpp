// From a rule to a program: runs a generator and gives its ops their slots.
#pragma once

#include <algorithm>
#include <concepts>

#include <foal/schedule/proof/prove.hpp>
#include <foal/schedule/proof/repeat.hpp>

namespace foal::schedule {

/// A schedule: a plain struct, built in or a user's own, that emits one period of ops rank by rank, in execution order.
/// Optional: `period(extent)` in slots, which an asynchronous one that gives slots needs; `delays` as in injected;
/// `inference` as in forward_only; `build(extent)`, which gives the whole program instead (recomputed, frozen).
template <class G>
concept generator = requires(G const& g, extent e, program& sink) {
  { G::name } -> std::convertible_to<char const*>;
  { G::asynchronous } -> std::convertible_to<bool>;
  g.emit(e, sink);
};

/// Gives the ops of a synchronous program the earliest slots there are: one op a slot and rank, U in the slot of the op
/// before it, in the next lane. A program that has slots, is asynchronous, or cannot run is left as it is: prove() says why.
constexpr void time(program& p) {
  program_view const v = p.view();
  if (!well_formed(v) || !fills_cells(v)) return;
  if (!untimed(v)) {
    if (p.period() == 0 && !p.asynchronous()) {
      int last = 0;
      for (op const& o : v.ops) last = std::max(last, o.slot);
      p.period(last + 1);
    }
    return;
  }
  if (p.asynchronous()) {
    repeat(p);
    return;
  }
  clocked const c = clock(v, dependencies(v));
  if (!c.blocked.empty()) return;
  p.slots(c.slot);
  p.period(c.slots);
}

namespace detail {

template <class G>
constexpr program emitted(G const& g, extent e) {
  program p(e, 0, G::asynchronous);
  if constexpr (requires { G::inference; }) p.inference(G::inference);
  if constexpr (requires { g.period(e); }) p.period(g.period(e));
  if constexpr (requires { p.delays(g.delays); }) {
    auto delays = g.delays;
    delays.resize(static_cast<std::size_t>(e.stages), 0);
    p.delays(std::move(delays));
  }
  g.emit(e, p);
  time(p);
  return p;
}

}  // namespace detail

/// The program of `g` for S stages on R ranks, N microbatches. Throws foal::error where no program can exist; whether it can
/// run is for prove() to say.
template <generator G>
constexpr program generate(G const& g, extent e) {
  if (e.stages < 1 || e.ranks < 1 || e.ranks > e.stages || e.microbatches < 1)
    throw error(sentence("cannot generate ", G::name, " for ", e.stages, " stages on ", e.ranks, " ranks with ",
                         e.microbatches,
                         " microbatches, because every rank hosts a stage and every update needs a microbatch; use 1 to ",
                         e.stages, " ranks and at least 1 microbatch"));
  if constexpr (requires {
                  { g.build(e) } -> std::same_as<program>;
                }) {
    return g.build(e);
  } else {
    return detail::emitted(g, e);
  }
}

/// The proof of a schedule as a constant: `static_assert(proof(gpipe{}, {4, 4, 8}))`, or checked<proof(gpipe{}, {4, 4, 8})>
/// to have the compiler name the ops.
template <generator G>
constexpr verdict proof(G const& g, extent e) {
  return prove(generate(g, e).view());
}

}  // namespace foal::schedule
