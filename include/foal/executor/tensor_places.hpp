// Where the tensors of a unit lie: all rings that each has, and those that ops use in the phase at work.
#pragma once

#include <vector>

#include <foal/executor/rings.hpp>
#include <foal/plan/run_plan.hpp>

namespace foal::executor {

/// By number of a tensor: as ever; in the ring between R and R; for nobody; and of what is evicted, for the backward, and on
/// the other rank; of what is offloaded, for the backward, and in host memory.
struct tensor_rings {
  std::vector<ring> plain, rebuilt, transient, again, away;

  tensor_rings() = default;
  /// Of a unit that is here. at(place), or at(entry): where a planned ring, or an entry, lies.
  template <class At>
  tensor_rings(bound_stage const& b, run_plan const& plan, wire_rings const& rings, At const& at) {
    using table::place;
    auto const s = static_cast<std::size_t>(b.unit);
    unit_plan const& p = plan.unit(s);
    std::byte* const temporaries = at(plan.temporary(plan.queue_of_unit(s)));
    for (std::size_t x = 0; x < b.table->tensors.size(); ++x) {
      table::tensor const& y = b.table->tensors[x];
      auto const e = static_cast<std::size_t>(y.wire);
      ring one{}, second{};
      if (y.where == place::wire_in) one = rings.activations[s][e], second = rings.rebuilt[s][e];
      if (y.where == place::wire_out) one = rings.activations[s + 1][e], second = rings.rebuilt[s + 1][e];
      if (y.where == place::gradient_in) one = rings.gradients[s][e];
      if (y.where == place::gradient_out) one = rings.gradients[s - 1][e];
      if (y.where == place::kept) one = ring_of(p.kept[x], at(p.kept[x]), plan.tensor_bytes(y), p.kept_slots[x]);
      if (y.where == place::error && plan.memory()[p.error[x]].bytes > 0) one = {at(p.error[x]), 0, 1};
      if (y.where == place::temporary) one = {temporaries + p.temporary[x], 0, 1};
      plain.push_back(one);
      rebuilt.push_back(second);
      transient.push_back({temporaries + p.transient[x], 0, 1});
      again.push_back({});
      away.push_back({});
      if (x < p.offloaded.size() && p.offloaded[x].slots > 0) {
        offloaded_array const& a = p.offloaded[x];
        std::size_t const stride = padded(plan.tensor_bytes(y));
        again.back() = {at(a.back), stride, static_cast<std::uint32_t>(a.slots)};
        away.back() = {at(a.host), stride, static_cast<std::uint32_t>(a.host_slots)};
      }
      evicted_array const* const moved = evicted(p, y, x);
      if (moved == nullptr || moved->again_places.empty()) continue;
      again.back() = ring_of(moved->again, at(moved->again), plan.tensor_bytes(y), static_cast<int>(one.count));
      away.back() = ring_of(moved->away, at(moved->away), plan.tensor_bytes(y), static_cast<int>(one.count));
    }
  }

 private:
  static evicted_array const* evicted(unit_plan const& p, table::tensor const& y, std::size_t x) {
    auto const e = static_cast<std::size_t>(y.wire);
    if (y.where == table::place::wire_in) return e < p.evicted_wires.size() ? &p.evicted_wires[e] : nullptr;
    return y.where == table::place::kept && x < p.evicted_kept.size() ? &p.evicted_kept[x] : nullptr;
  }
};

/// Gives a unit the places of its tensors in the phase that begins, of which it has the facts. sends: its R sends on what it
/// rebuilds.
inline void place_tensors(bound_stage& b, tensor_rings const& all, bool sends) {
  bool const recomputed = b.facts.head >= 0;
  b.tensors.clear();
  b.forward_tensors.clear();
  for (std::size_t x = 0; x < all.plain.size(); ++x) {
    table::place const where = b.table->tensors[x].where;
    bool const rebuilt = recomputed && ((where == table::place::wire_in && b.continues_recompute_group()) ||
                                        (where == table::place::wire_out && sends));
    bool const unread = recomputed && where == table::place::wire_out && !sends;
    bool const fetched = all.again[x].base != nullptr;
    b.tensors.push_back(rebuilt ? all.rebuilt[x] : unread ? all.transient[x] : fetched ? all.again[x] : all.plain[x]);
    bool const dropped = (recomputed || b.forward_only) && where == table::place::kept;
    b.forward_tensors.push_back(dropped ? all.transient[x] : all.plain[x]);
  }
}

}  // namespace foal::executor
