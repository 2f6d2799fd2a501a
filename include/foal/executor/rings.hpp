// Where the wires of a run lie: their rings, as both ends see them.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/executor/bound_stage.hpp>
#include <foal/plan/run_plan.hpp>

namespace foal::executor {

/// The slots of a planned ring, which begins at `base`.
inline ring ring_of(planned_ring const& p, std::byte* base, std::size_t bytes, int slots) {
  return {base, padded(bytes), static_cast<std::uint32_t>(slots), p.places.empty() ? nullptr : p.places.data()};
}

/// By unit, then by entry of the wire; of wires that pass here alone.
struct wire_rings {
  std::vector<std::vector<ring>> activations;  ///< into the stage, from F
  std::vector<std::vector<ring>> rebuilt;      ///< into it, from R
  std::vector<std::vector<ring>> gradients;    ///< back into it; of the last stage: the loss's

  wire_rings() = default;
  /// at(place): where a planned ring lies.
  template <class At>
  wire_rings(table::run_tables const& t, run_plan const& plan, At at)
      : activations(t.units() + 1), rebuilt(t.units() + 1), gradients(t.units()) {
    auto const make = [&](planned_ring const& p, std::size_t bytes, int slots) { return ring_of(p, at(p), bytes, slots); };
    for (std::size_t s = 0; s < t.units(); ++s) {
      table::stage_table const& stage = t.of_unit(s);
      unit_plan const& p = plan.unit(s);
      for (std::size_t e = 0; e < p.wires.size(); ++e) {
        std::size_t const bytes = plan.wire_bytes(stage.wire_in[e]);
        rebuilt[s].push_back(make(p.rebuilt[e], bytes, p.rebuilt_slots[e]));
        activations[s].push_back(make(p.wires[e], bytes, p.wire_slots[e]));
      }
      bool const last = t.is_last(s);
      for (std::size_t e = 0; e < p.gradients.size(); ++e) {
        std::size_t const bytes =
            last ? plan.tensor_bytes(stage.tensors[static_cast<std::size_t>(stage.loss_gradient_tensor)])
                 : plan.wire_bytes(t.of_unit(s + 1).wire_in[e]);
        gradients[s].push_back(make(p.gradients[e], bytes, p.gradient_slots[e]));
      }
    }
  }
};

/// The three channels of the wire between a stage and the next one.
struct wire_channels {
  transport::channel forward, gradient, rebuilt;

  void reset() {
    for (transport::channel* c : {&forward, &gradient, &rebuilt}) c->reset();
  }
};

/// Fills in the ends of a channel: of what the receiver reads in one op only, and of what it keeps longer, the slots.
struct channel_slots {
  std::uint32_t transit = 0, kept = 0;

  /// Of a pool's slots the gate says which are free.
  void add(bool keeps, ring const& r) {
    if (r.places == nullptr) (keeps ? kept : transit) = r.count;
  }
  void bind(transport::outbox& out, transport::inbox& in) const {
    out.transit_slots = transit;
    out.kept_slots = kept;
    in.transit = transit != 0;
    in.kept = kept != 0;
  }
};

/// Connects a stage (below) with the next one: their channels, whose bells are those of the workers at the other end.
inline void connect(wire_rings const& rings, bound_stage& below, bound_stage& above, wire_channels& wire,
                    transport::bell& of_below, transport::bell& of_above) {
  auto const s = static_cast<std::size_t>(above.unit);
  channel_slots down, up, rebuilt;
  for (std::size_t e = 0; e < rings.activations[s].size(); ++e) {
    table::wire_entry const& x = above.table->wire_in[e];
    bool const kept = x.last != until::forward && !above.offloads;
    down.add(kept, rings.activations[s][e]);
    if (x.gradient) up.add(x.gradient_last == until::W, rings.gradients[s - 1][e]);
    if (rings.rebuilt[s][e].count > 0) rebuilt.add(kept, rings.rebuilt[s][e]);
  }
  down.bind(below.wire_out, above.wire_in);
  up.bind(above.gradient_out, below.gradient_in);
  rebuilt.bind(below.rebuilt_out, above.rebuilt_in);
  below.wire_out.through = above.wire_in.through = &wire.forward;
  above.gradient_out.through = below.gradient_in.through = &wire.gradient;
  below.wire_out.receiver = below.rebuilt_out.receiver = below.gradient_in.sender = &of_above;
  above.wire_in.sender = above.rebuilt_in.sender = above.gradient_out.receiver = &of_below;
}

}  // namespace foal::executor
