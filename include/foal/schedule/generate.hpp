// From a rule to a program: runs a generator and gives its ops their slots.
#pragma once

#include <algorithm>
#include <concepts>
#include <type_traits>
#include <utility>

#include <foal/schedule/proof/prove.hpp>
#include <foal/schedule/proof/repeat.hpp>

namespace foal::schedule {

/// A schedule: a plain struct, built in or a user's own, that emits one period of ops rank by rank, in execution order.
/// Optional: `period(extent)` in slots, which an asynchronous one that gives slots needs; `delays` as in injected;
/// `inference` as in forward_only; `build(extent)`, which gives the whole program instead (recomputed, frozen);
/// `ranks(stages)`, how many it wants for so many stages (else as many); `placed` (a value, or a function without arguments
/// where it depends on others), `replicas` and `segments`, what it emits for other than neighbouring stages on a rank, one
/// replica, one segment; `evict(program&)`, which has other ranks keep some of what is saved, in the program that has its
/// slots; `proved_at_construction`, true where the compiler must not prove it: a list that is read, a search.
template <class G>
concept generator = requires(G const& g, extent e, program& sink) {
  { G::name } -> std::convertible_to<char const*>;
  { G::asynchronous } -> std::convertible_to<bool>;
  g.emit(e, sink);
};

/// What generate() is asked for to have a schedule's program: with its placement, replicas and segments.
template <class G>
constexpr extent extent_of(G const& g, int stages, int ranks, int microbatches) {
  extent e{stages, ranks, microbatches};
  if constexpr (requires { g.base; }) e = extent_of(g.base, stages, ranks, microbatches);
  if constexpr (requires { placement{g.placed}; }) e.placed = g.placed;
  if constexpr (requires { placement{g.placed()}; }) e.placed = g.placed();
  if constexpr (requires { int{g.replicas}; }) e.replicas = g.replicas;
  if constexpr (requires { int{g.segments}; }) e.segments = g.segments;
  return e;
}

/// How many ranks a schedule wants for so many stages, which is also the most that it takes.
template <class G>
constexpr int ranks_for(G const& g, int stages) {
  if constexpr (requires { requires G::one_rank; })
    return 1;
  else if constexpr (requires { int{g.ranks(stages)}; })
    return g.ranks(stages);
  else if constexpr (requires { g.base; })
    return ranks_for(g.base, stages);
  else
    return stages;
}

/// The same for the numbers that the schedule has by itself.
template <class G>
constexpr int ranks_for(int stages) {
  if constexpr (requires { requires G::one_rank; })
    return 1;
  else if constexpr (requires { int{G::ranks(stages)}; })
    return G::ranks(stages);
  else if constexpr (requires(G const& g) { g.base; })
    return ranks_for<std::remove_cvref_t<decltype(std::declval<G const&>().base)>>(stages);
  else if constexpr (requires(G const& g) { g.ranks(stages); })
    return ranks_for(G{}, stages);
  else
    return stages;
}

namespace detail {

template <class G>
concept says_proved_later = requires { requires G::proved_at_construction; };
template <class G>
concept base_says_proved_later = requires(G const& g) { requires says_proved_later<std::remove_cvref_t<decltype(g.base)>>; };

}  // namespace detail

/// The compiler leaves the proof to the construction of what uses the schedule.
template <class G>
concept proved_later = detail::says_proved_later<G> || detail::base_says_proved_later<G>;

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
  if constexpr (requires { g.evict(p); }) g.evict(p);
  return p;
}

/// The same numbers, and the same ranks of all units: `loop.in(2)` is `loop` where a rank has two stages.
constexpr bool same_extent(extent const& a, extent const& b) {
  extent moved = a;
  moved.placed = b.placed;
  if (moved != b) return false;
  for (int u = 0; u < units(a) && a.placed != b.placed; ++u)
    if (rank_of(a, stage_of(a, u), replica_of(a, u)) != rank_of(b, stage_of(b, u), replica_of(b, u))) return false;
  return true;
}

}  // namespace detail

/// The program of `g` for S stages on R ranks, N microbatches. Throws foal::error where no program can exist; whether it can
/// run is for prove() to say.
template <generator G>
constexpr program generate(G const& g, extent e) {
  if (!e.sound())
    throw error(sentence("cannot generate ", G::name, " for ", e.stages, " stages on ", e.ranks, " ranks with ",
                         e.microbatches, " microbatches, ", e.replicas, " replicas and ", e.segments,
                         " segments, because every rank hosts a stage and every update needs a microbatch; use 1 to ",
                         e.stages, " ranks (times the replicas) and at least 1 microbatch"));
  if (extent const own = extent_of(g, e.stages, e.ranks, e.microbatches); !detail::same_extent(own, e))
    throw error(sentence("cannot generate ", G::name, " for ", e.replicas, " replicas and ", e.segments, " segments placed ",
                         e.placed.name, " in ", e.placed.chunks, " chunks, because it emits for ", own.replicas, " and ",
                         own.segments, ", placed ", own.placed.name, " in ", own.placed.chunks,
                         "; ask for those, or have another schedule (foal::schedule::folded puts one on any placement)"));
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
