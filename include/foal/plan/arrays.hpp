// The arrays of a run that change while it goes on, by names that do not depend on ranks and workers.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <vector>

#include <foal/plan/run_plan.hpp>

namespace foal::executor {

/// What an array of a unit is for. activation, rebuilt: wires into the unit, from F and from R of the stage before;
/// gradient: the wire back into it; saved: from F (or R) to B or W; error: what coded wires have lost; tied: of what it
/// lends; replica_sum: gradients that have come from another replica; reference: what those that exchange weights have in
/// common.
enum class array_purpose : std::uint8_t {
  weights,
  gradients,
  statistics,
  optimizer_state,
  delay_state,
  old_weights,
  error,
  tied_weights,
  tied_gradients,
  activation,
  rebuilt,
  gradient,
  saved,
  numbers,
  lengths,
  evaluated_weights,
  evaluated_statistics,
  replica_sum,
  reference
};

constexpr char const* name(array_purpose p) {
  constexpr char const* names[] = {"weights",
                                   "gradients",
                                   "statistics",
                                   "optimizer state",
                                   "delay state",
                                   "old weights",
                                   "errors",
                                   "tied weights",
                                   "tied gradients",
                                   "activations",
                                   "rebuilt",
                                   "gradient",
                                   "saved",
                                   "numbers",
                                   "lengths",
                                   "weights for evaluation",
                                   "statistics for evaluation",
                                   "gradients of another replica",
                                   "reference weights of replicas"};
  return names[static_cast<int>(p)];
}

/// entry: the number of a state, of an entry of a wire, of a tensor of the stage, or of a loan.
struct array_id {
  int unit = 0;
  array_purpose purpose = array_purpose::weights;
  int entry = 0;
  auto operator<=>(array_id const&) const = default;
};

/// An op of the unit that the array belongs to, or of a neighbour's: what fills a slot, or is the last to read it. end: the
/// last op on a microbatch, W, BW, a frozen stage's B, or F where there is no other.
struct slot_end {
  enum class op : std::uint8_t { forward, rebuild, backward, end } what = op::forward;
  int unit = 0;
};

/// One array in memory, or a ring of slots of which microbatch m has slot m mod slots (of a pool: that at
/// where.places[m mod slots]).
struct array {
  array_id id{};
  planned_ring where{};
  std::size_t bytes = 0;  ///< of one slot
  int slots = 0;          ///< 0: no ring, all of it counts at any time. Rings may have more slots with more workers
  slot_end filled{}, read{};
  element type = element::bytes;
  shape sample{};          ///< of activations and their gradients: what one sample has at most; else empty
  table::encoding code{};  ///< of these: how they are kept
  /// Where microbatches are evicted: by microbatch of a minibatch, whether; and where it then lies, when F of the unit is
  /// done. Else null.
  std::vector<char> const* evicted = nullptr;
  planned_ring away{};

  /// Where a microbatch lies, behind the place of the ring. stride: from slot to slot, where it has its own.
  std::size_t offset(long long m, std::size_t stride) const {
    auto const slot = static_cast<std::size_t>(m % slots);
    return where.places.empty() ? slot * stride : where.places[slot];
  }
  /// Bytes that a microbatch of these lengths fills of its slot: the first ones, and nobody reads those behind them.
  std::size_t used(int samples, lengths_of_axes const& n) const {
    if (sample.rank == 0) return bytes;
    long long const elements = static_cast<long long>(at_length(sample, n).size()) * samples_at(sample, n, samples);
    return std::min(bytes, bytes_of(type, code, elements));
  }
};

namespace detail {

inline planned_ring own(std::size_t entry) { return {entry, false, 0, 0, {}}; }

/// Arrays of which all counts at any time.
inline void add_whole(std::vector<array>& to, run_plan const& plan, table::run_tables const& t, std::size_t s) {
  unit_plan const& p = plan.unit(s);
  int const unit = static_cast<int>(s);
  table::stage_table const& stage = t.of_unit(s);
  auto const add = [&](array_purpose what, int entry, std::size_t number, std::size_t bytes) {
    if (bytes > 0) to.push_back({{unit, what, entry}, own(number), bytes, 0, {}, {}, plan.memory()[number].type, {}, {}});
  };
  bool const trains = !t.phases.back().inference;
  add(array_purpose::weights, 0, p.w, bytes_of(t.types.weights, stage.weight_elements));
  add(array_purpose::gradients, 0, p.g, trains ? plan.memory()[p.g].bytes : 0);
  add(array_purpose::statistics, 0, p.buffers, bytes_of(t.types.statistics, stage.buffer_elements));
  for (int k = 0; trains && k < t.policies.optimizer_states; ++k)
    add(array_purpose::optimizer_state, k, p.states[k], bytes_of(t.types.optimizer, state_elements(t, s, k)));
  for (int k = 0; p.has_delay_states && k < t.policies.delay_states; ++k)
    add(array_purpose::delay_state, k, p.delay_states[k], plan.delay_state_bytes(s));
  add(array_purpose::old_weights, 0, p.history, plan.memory()[p.history].bytes);
  for (std::size_t x = 0; x < stage.tensors.size(); ++x)
    if (stage.tensors[x].where == table::place::error)
      add(array_purpose::error, static_cast<int>(x), p.error[x], plan.tensor_bytes(stage.tensors[x]));
  for (std::size_t i = 0; i < p.sums.from.size(); ++i)
    add(array_purpose::replica_sum, static_cast<int>(i), p.sums.from[i], plan.memory()[p.sums.from[i]].bytes);
  if (trains && t.replica.of_weights()) add(array_purpose::reference, 0, p.reference, plan.memory()[p.reference].bytes);
}

/// What a unit lends. Who borrows in a process without the home has it too, under the same ids, which name the home's unit;
/// between ops, when no message is on its way, all that is still to be read is alike in both.
inline void add_tied(std::vector<array>& to, run_plan const& plan, std::size_t s) {
  std::vector<std::size_t> const& lent = plan.unit(s).lent;
  for (std::size_t i = 0; i < lent.size(); ++i) {
    if (lent[i] == not_here) continue;
    plan_entry const& e = plan.memory()[lent[i]];
    array_purpose const what = i % 2 == 0 ? array_purpose::tied_weights : array_purpose::tied_gradients;
    to.push_back({{static_cast<int>(s), what, static_cast<int>(i / 2)}, own(lent[i]), e.bytes, 0, {}, {}, e.type, {}, {}});
  }
}

/// `moved`: null, or of an array of a unit that may evict; without places it is not evicted.
inline void note_evicted(array& a, run_plan const& plan, evicted_array const* moved) {
  if (moved == nullptr || moved->away_places.empty()) return;
  a.evicted = &plan.evictions().of(static_cast<std::size_t>(a.id.unit))->evicted;
  a.away = moved->away;
}

/// Rings, whose slots count from the op that fills them to the last one that reads them.
inline void add_rings(std::vector<array>& to, run_plan const& plan, table::run_tables const& t, table::phase_table const& ph,
                      std::size_t s) {
  using op = slot_end::op;
  unit_plan const& p = plan.unit(s);
  int const unit = static_cast<int>(s), number = static_cast<int>(t.stage_of(s)), below = number > 0 ? unit - 1 : unit;
  table::stage_table const& stage = t.of_unit(s);
  schedule::stage_facts const& f = ph.facts.stage[s];
  bool const continues = f.head >= 0 && f.head < number;
  bool const once = continues || ph.wanted(number) == schedule::gradients::none;
  for (std::size_t e = 0; e < stage.wire_in.size(); ++e) {
    table::wire_entry const& x = stage.wire_in[e];
    int const entry = static_cast<int>(e);
    bool const kept = x.last != until::forward && p.offloaded.empty();
    op const last = kept && !once ? op::end : f.head == number ? op::rebuild : op::forward;
    std::size_t const bytes = plan.wire_bytes(x);
    to.push_back({{unit, array_purpose::activation, entry},
                  p.wires[e],
                  bytes,
                  p.wire_slots[e],
                  {op::forward, below},
                  {last, unit},
                  stored_as(t, x),
                  x.extent,
                  x.code});
    note_evicted(to.back(), plan, e < p.evicted_wires.size() ? &p.evicted_wires[e] : nullptr);
    if (p.rebuilt_slots[e] > 0)
      to.push_back({{unit, array_purpose::rebuilt, entry},
                    p.rebuilt[e],
                    bytes,
                    p.rebuilt_slots[e],
                    {op::rebuild, below},
                    {kept ? op::end : op::rebuild, unit},
                    stored_as(t, x),
                    x.extent,
                    x.code});
  }
  bool const last = t.is_last(s);
  for (std::size_t e = 0; e < p.gradients.size(); ++e) {
    table::tensor const* const loss = last ? &stage.tensors[static_cast<std::size_t>(stage.loss_gradient_tensor)] : nullptr;
    table::wire_entry const* const above = last ? nullptr : &t.of_unit(s + 1).wire_in[e];
    if (above != nullptr && !above->gradient) continue;
    until const needed = last ? loss->last : above->gradient_last;
    slot_end filled{op::forward, unit};  // nvcc 13 breaks down at a choice of two of them within braces
    if (!last) filled = {op::backward, unit + 1};
    to.push_back({{unit, array_purpose::gradient, static_cast<int>(e)},
                  p.gradients[e],
                  last ? plan.tensor_bytes(*loss) : plan.wire_bytes(*above),
                  p.gradient_slots[e],
                  filled,
                  {needed == until::W ? op::end : op::backward, unit},
                  last ? stored_as(t, *loss) : stored_as(t, *above),
                  last ? loss->sample : above->extent,
                  last ? loss->code : above->code});
  }
  for (std::size_t x = 0; x < stage.tensors.size(); ++x) {
    table::tensor const& y = stage.tensors[x];
    bool const offloaded = x < p.offloaded.size() && p.offloaded[x].slots > 0;  // then it lies in host memory between ops
    if (!offloaded && (y.where != table::place::kept || p.kept_slots[x] == 0)) continue;
    planned_ring const where = offloaded ? own(p.offloaded[x].host) : p.kept[x];
    to.push_back({{unit, array_purpose::saved, static_cast<int>(x)},
                  where,
                  plan.tensor_bytes(y),
                  offloaded ? p.offloaded[x].host_slots : p.kept_slots[x],
                  {f.head >= 0 ? op::rebuild : op::forward, unit},
                  {y.last == until::W ? op::end : op::backward, unit},
                  stored_as(t, y),
                  y.sample,
                  y.code});
    note_evicted(to.back(), plan, x < p.evicted_kept.size() ? &p.evicted_kept[x] : nullptr);
  }
}

}  // namespace detail

/// Of all units that the plan has memory for, and of what these borrow from others, in the order of their ids; filled and
/// read are those of a phase.
inline std::vector<array> arrays_of(run_plan const& plan, table::run_tables const& t, table::phase_table const& phase) {
  std::vector<array> all;
  for (std::size_t s = 0; s < t.units(); ++s) {
    detail::add_tied(all, plan, s);
    if (!plan.hosts(s)) continue;
    detail::add_whole(all, plan, t, s);
    detail::add_rings(all, plan, t, phase, s);
  }
  std::stable_sort(all.begin(), all.end(), [](array const& a, array const& b) { return a.id < b.id; });
  return all;
}

}  // namespace foal::executor
