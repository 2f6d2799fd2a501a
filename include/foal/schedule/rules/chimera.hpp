// Chimera (Li, Hoefler, SC 2021): pipes that run in opposite directions over the same ranks, and fill each other's bubbles.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/schedule/rules/chunks.hpp>

namespace foal::schedule {

/// `replicas` copies of every stage, in pairs: one goes up the ranks, one down; each further pair begins R/f ranks further
/// (2f replicas). Microbatch m runs through replica m mod 2f. With `units`, R microbatches at a time, R/2f a replica, enter
/// one every two slots, units every 2R slots of a clock on which F and BW take one: where R is a multiple of 2f no two ops
/// of a rank meet there, and the bubble is R/f - 2 slots if F and BW cost the same. With any other R, and without `units`,
/// each replica takes one every 2f slots, and of two ops that meet the backward comes first: R - 2 slots for two replicas
/// (R - 1 of an odd R), and less than with units where BW costs more. Ranks save up to R microbatches (with more pairs
/// than one and another R a few more) and host 2f units, whose gradients G sums before their U's. Delay 0.
///
/// Needs N >= `replicas`. Each replica sums the gradients of its own microbatches, then they are added up: the same bits on
/// any workers, not those of sequential.
struct chimera {
  static constexpr char const* name = "chimera";
  static constexpr bool asynchronous = false;
  static constexpr placement placed = bidirectional;

  int replicas = 2;
  bool units = true;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("replicas", replicas);
    f("units", units);
  }
  constexpr void check() const {
    if (replicas < 2 || replicas % 2 != 0)
      throw error(
          sentence("cannot generate ", name, " with .replicas = ", replicas,
                   ", because replicas are pairs that run in opposite directions: .replicas = 2 f; use 2, 4 or more"));
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    check();
    if (e.microbatches < replicas)
      throw error(sentence("cannot generate ", name, " for ", e.microbatches, " microbatches in ", replicas,
                           " replicas, because each of them needs one: N >= .replicas; use ", replicas,
                           " microbatches or more"));
    // As many positions as ranks in a row; with fewer stages than ranks, as stages.
    int const depth = std::min(e.ranks, e.stages);
    bool const whole = units && depth % replicas == 0;
    int const of_unit = whole ? depth / replicas : 1, every = whole ? 2 * depth : replicas;
    // Of an odd number of ranks both directions would want the same half of the slots.
    int const shift = whole ? 0 : depth % 2;
    std::vector<op> all;
    all.reserve(static_cast<std::size_t>(2 * e.microbatches) * static_cast<std::size_t>(e.stages));
    for (int m = 0; m < e.microbatches; ++m) {
      int const replica = m % replicas, j = m / replicas;
      int const in = j / of_unit * every + j % of_unit * 2 + replica % 2 * shift;  // the slot in which it enters
      for (int s = 0; s < e.stages; ++s) {
        int const at = detail::in_blocks(e.stages, depth, s);
        op o{.kind = op_kind::F, .stage = s, .microbatch = m, .slot = in + at, .lane = s, .replica = replica};
        all.push_back(o);
        o.kind = op_kind::BW, o.slot = in + 2 * depth - 1 - at, o.lane = e.stages - s;
        all.push_back(o);
      }
    }
    // Along every dependency the key rises, so that the lists cannot block.
    std::sort(all.begin(), all.end(), [](op const& x, op const& y) {
      if (x.slot != y.slot) return x.slot < y.slot;
      if (x.kind != y.kind) return x.kind > y.kind;  // where they meet: what frees memory first
      if (x.microbatch != y.microbatch) return x.microbatch < y.microbatch;
      return x.lane < y.lane;
    });
    for (op o : all) {
      o.slot = -1, o.lane = 0;
      sink(rank_of(e, o.stage, o.replica), o);
    }
    emit_updates(e, sink);
  }
};

}  // namespace foal::schedule
