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

/// What a pool is for: the activations that units keep of wires, the gradients that wait there for W, or their saved tensors
/// until B, or until W.
enum class pooled { activations, gradients, until_b, until_w };

/// What the units of a rank have together.
struct rank_pool {
  pooled what = pooled::activations;
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
  /// Adds to the plan what the ranks that are here share. Nothing where W takes a minibatch at once, microbatches come in
  /// segments, or a run has several programs; nor of units that are apart(unit). As units would plan it by themselves:
  /// wire(unit, entry) of the wire into it, gradient(unit, entry) of the one out of it, or of the loss, tensor(unit,
  /// number). Needs a device whose ops are done when they return.
  template <class Apart, class Wire, class Gradient, class Tensor>
  void plan(table::run_tables const& t, std::vector<int> const& worker_of, memory_plan& to, Apart const& apart,
            Wire const& wire, Gradient const& gradient, Tensor const& tensor) {
    if (t.thick || t.segments > 1 || t.phases.size() != 1) return;
    for (auto& of : places_) of.resize(t.units());
    schedule::program program = t.phases.front().program;
    std::vector<schedule::stage_facts> const& facts = t.phases.front().facts.stage;
    for (std::size_t r = 0; r < worker_of.size(); ++r) {
      if (worker_of[r] < 0) continue;
      std::vector<pooled_array> arrays[kinds];
      auto const list = [&arrays](pooled what) -> std::vector<pooled_array>& { return arrays[static_cast<int>(what)]; };
      for (std::size_t s = 0; s < t.units(); ++s) {
        if (t.rank_of[s] != static_cast<int>(r) || facts[s].saved_peak == 0 || apart(s)) continue;
        table::stage_table const& of = t.of_unit(s);
        for (std::size_t e = 0; e < of.wire_in.size() && facts[s].head < 0; ++e)
          if (of.wire_in[e].last != until::forward) list(pooled::activations).push_back(wire(s, e));
        for (std::size_t e = 0; e < gradients_of(t, s); ++e)
          if (waits_for_weights(t, s, e)) list(pooled::gradients).push_back(gradient(s, e));
        for (std::size_t x = 0; x < of.tensors.size(); ++x)
          if (of.tensors[x].where == table::place::kept)
            list(of.tensors[x].last == until::W ? pooled::until_w : pooled::until_b).push_back(tensor(s, x));
      }
      for (pooled const what : {pooled::activations, pooled::gradients, pooled::until_b, pooled::until_w})
        add(t, program.view(), list(what), what, worker_of[r]);
    }
    for (rank_pool& p : pools_) {
      bool const back = p.what == pooled::gradients;
      p.entry = to.add("saved activations of a rank's stages", category::saved, p.worker, -1, p.saved);
      to.add(back ? "gradients from stages after a rank's" : "activations on their way to a rank's stages", category::wires,
             p.worker, -1, p.slots.bytes - p.saved);
    }
  }

  std::vector<rank_pool> const& all() const { return pools_; }
  /// Of the unit's array i: an entry of a wire, or a tensor.
  pool_place place(pooled what, std::size_t unit, std::size_t i) const {
    auto const& of = places_[static_cast<int>(what)];
    return unit < of.size() && i < of[unit].size() ? of[unit][i] : pool_place{};
  }
  pool_place tensor(table::tensor const& x, std::size_t unit, std::size_t number) const {
    return place(x.last == until::W ? pooled::until_w : pooled::until_b, unit, number);
  }

 private:
  static constexpr int kinds = 4;

  static std::size_t gradients_of(table::run_tables const& t, std::size_t s) {
    return t.is_last(s) ? 1 : t.of_unit(s + 1).wire_in.size();
  }
  static bool waits_for_weights(table::run_tables const& t, std::size_t s, std::size_t e) {
    table::stage_table const& of = t.of_unit(s);
    if (t.is_last(s)) return of.tensors[static_cast<std::size_t>(of.loss_gradient_tensor)].last == until::W;
    table::wire_entry const& x = t.of_unit(s + 1).wire_in[e];
    return x.gradient && x.gradient_last == until::W;
  }
  /// A block of a unit, of nothing yet.
  static pool_block block_of(table::run_tables const& t, pooled what, pooled_array const& a) {
    using schedule::op_kind;
    int const unit = static_cast<int>(a.unit);
    bool const rebuilt = t.phases.front().facts.stage[a.unit].head >= 0;
    switch (what) {
      case pooled::activations:
        return {unit, 0, op_kind::F, unit - (t.is_first(a.unit) ? 0 : 1), a.last, a.elsewhere};
      case pooled::gradients:
        if (!t.is_last(a.unit)) return {unit, 0, op_kind::B, unit + 1, a.last, a.elsewhere};
        return {unit, 0, op_kind::F, unit, a.last, false};
      default:
        return {unit, 0, rebuilt ? op_kind::R : op_kind::F, unit, a.last, false};
    }
  }

  /// A pool of arrays of one rank, unit by unit, which have one `last`, where that is better than their rings.
  void add(table::run_tables const& t, schedule::program_view v, std::vector<pooled_array> const& arrays, pooled what,
           int worker) {
    rank_pool p;
    p.what = what;
    p.worker = worker;
    std::vector<pool_place> places;
    std::size_t rings = 0, saved = 0;
    for (pooled_array const& a : arrays) {
      if (p.blocks.empty() || p.blocks.back().unit != static_cast<int>(a.unit)) p.blocks.push_back(block_of(t, what, a));
      pool_block& b = p.blocks.back();
      places.push_back({static_cast<int>(pools_.size()), static_cast<int>(p.blocks.size()) - 1, b.bytes});
      b.bytes += padded(a.bytes);
      rings += padded(a.bytes) * static_cast<std::size_t>(a.slots);
      saved += padded(a.bytes) * static_cast<std::size_t>(a.saved);
    }
    bool const wires = what == pooled::activations || what == pooled::gradients;
    std::optional<slot_pool> shared = share_slots(v, p.blocks, wires, rings + 1);
    if (!shared) return;
    p.slots = std::move(*shared);
    if (what == pooled::activations) {
      std::vector<pool_block> own = p.blocks;  // from the op that takes a message on
      for (pool_block& b : own) b.filler = b.unit, b.elsewhere = false;
      p.saved = std::min(p.slots.bytes, most_at_once(v, own, false));
    } else if (!wires) {
      p.saved = p.slots.bytes;
    }
    if (p.slots.bytes == rings && p.saved >= saved) return;
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      std::vector<pool_place>& of = places_[static_cast<int>(what)][arrays[i].unit];
      of.resize(std::max(of.size(), arrays[i].number + 1));
      of[arrays[i].number] = places[i];
    }
    pools_.push_back(std::move(p));
  }

  std::vector<rank_pool> pools_;
  std::vector<std::vector<pool_place>> places_[kinds];  // by what, unit, and entry or tensor
};

}  // namespace foal::executor
