// Which units of a rank share slots for what they save, and where in a slot each of their arrays lies.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <foal/plan/slot_pool.hpp>
#include <foal/table/run_values.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// A ring whose arrays a unit would plan by itself, or may have in a pool.
struct pooled_array {
  std::size_t unit = 0;
  std::size_t number = 0;  ///< tensor of the stage, or entry of the wire into it
  std::size_t bytes = 0;   ///< of one slot
  int slots = 0;           ///< of a ring of its own
  int saved = 0;           ///< of these, those that count as saved; the others are for messages that are early
  until last = until::W;   ///< what reads it last
  bool elsewhere = false;  ///< another worker fills it
};

/// What the units of a rank have together: the wires that they keep, or their saved tensors until B, or until W.
struct rank_pool {
  slot_pool slots;
  std::vector<pool_block> blocks;
  int worker = 0;
  std::size_t saved = 0;  ///< bytes of it that the rank saves at most; the rest is for messages that are early
  std::size_t entry = 0;  ///< in the plan
};

/// Where an array lies in a pool.
struct pool_place {
  int pool = -1;  ///< -1: in a ring of its own
  int block = 0;
  std::size_t offset = 0;  ///< in the block
};

/// The pools of a run. A rank shares slots where that takes less memory than rings, or as much and less of it for what is
/// saved.
class rank_pools {
 public:
  /// Adds to the plan what the ranks that are here share. Nothing where W takes a minibatch at once, microbatches
  /// come in segments, or a run has several programs. wire(unit, entry), tensor(unit, number): as the unit would plan it by
  /// itself. Needs a device whose ops are done when they return.
  template <class Wire, class Tensor>
  void plan(table::run_tables const& t, std::vector<int> const& worker_of, memory_plan& to, Wire const& wire,
            Tensor const& tensor) {
    if (t.thick || t.segments > 1 || t.phases.size() != 1) return;
    wires_.resize(t.units());
    tensors_.resize(t.units());
    schedule::program program = t.phases.front().program;
    std::vector<schedule::stage_facts> const& facts = t.phases.front().facts.stage;
    for (std::size_t r = 0; r < worker_of.size(); ++r) {
      if (worker_of[r] < 0) continue;
      std::vector<pooled_array> wires, until_b, until_w;
      for (std::size_t s = 0; s < t.units(); ++s) {
        if (t.rank_of[s] != static_cast<int>(r) || facts[s].saved_peak == 0) continue;
        table::stage_table const& of = t.of_unit(s);
        for (std::size_t e = 0; e < of.wire_in.size() && facts[s].head < 0; ++e)
          if (of.wire_in[e].last != until::forward) wires.push_back(wire(s, e));
        for (std::size_t x = 0; x < of.tensors.size(); ++x)
          if (of.tensors[x].where == table::place::kept)
            (of.tensors[x].last == until::W ? until_w : until_b).push_back(tensor(s, x));
      }
      for (std::vector<pooled_array> const* arrays : {&wires, &until_b, &until_w})
        add(program.view(), facts, *arrays, arrays == &wires, worker_of[r]);
    }
    for (rank_pool& p : pools_) {
      p.entry = to.add("saved activations of a rank's stages", category::saved, p.worker, -1, p.saved);
      to.add("activations on their way to a rank's stages", category::wires, p.worker, -1, p.slots.bytes - p.saved);
    }
  }

  std::vector<rank_pool> const& all() const { return pools_; }
  pool_place wire(std::size_t unit, std::size_t entry) const { return at(wires_, unit, entry); }
  pool_place tensor(std::size_t unit, std::size_t number) const { return at(tensors_, unit, number); }

 private:
  /// A pool of arrays of one rank, unit by unit, which have one `last`, where that is better than their rings.
  void add(schedule::program_view v, std::vector<schedule::stage_facts> const& facts,
           std::vector<pooled_array> const& arrays, bool wires, int worker) {
    using schedule::op_kind;
    rank_pool p;
    p.worker = worker;
    std::vector<pool_place> places;
    std::size_t rings = 0, saved = 0;
    for (pooled_array const& a : arrays) {
      int const unit = static_cast<int>(a.unit);
      if (p.blocks.empty() || p.blocks.back().unit != unit) {
        bool const from_below = wires && schedule::stage_of(v.size, unit) > 0;
        p.blocks.push_back({unit, 0, !wires && facts[a.unit].head >= 0 ? op_kind::R : op_kind::F,
                            unit - (from_below ? 1 : 0), a.last, a.elsewhere});
      }
      pool_block& b = p.blocks.back();
      places.push_back({static_cast<int>(pools_.size()), static_cast<int>(p.blocks.size()) - 1, b.bytes});
      b.bytes += padded(a.bytes);
      rings += padded(a.bytes) * static_cast<std::size_t>(a.slots);
      saved += padded(a.bytes) * static_cast<std::size_t>(a.saved);
    }
    std::optional<slot_pool> shared = share_slots(v, p.blocks, wires, rings + 1);
    if (!shared) return;
    p.slots = std::move(*shared);
    std::vector<pool_block> own = p.blocks;  // from the op that takes a message on
    for (pool_block& b : own) b.filler = b.unit, b.elsewhere = false;
    p.saved = wires ? std::min(p.slots.bytes, most_at_once(v, own, false)) : p.slots.bytes;
    if (p.slots.bytes == rings && p.saved >= saved) return;
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      std::vector<pool_place>& of = (wires ? wires_ : tensors_)[arrays[i].unit];
      of.resize(std::max(of.size(), arrays[i].number + 1));
      of[arrays[i].number] = places[i];
    }
    pools_.push_back(std::move(p));
  }

  static pool_place at(std::vector<std::vector<pool_place>> const& of, std::size_t unit, std::size_t i) {
    return unit < of.size() && i < of[unit].size() ? of[unit][i] : pool_place{};
  }

  std::vector<rank_pool> pools_;
  std::vector<std::vector<pool_place>> wires_, tensors_;  // by unit, then by entry or tensor
};

}  // namespace foal::executor
