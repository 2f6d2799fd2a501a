// Where a unit keeps the tensors that its F saves, and the errors of wires.
#pragma once

#include <foal/plan/unit_plan.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::executor {

/// Adds them to the plan of a unit that is here. pooled(number): a tensor's ring in a pool, or one without places; slots(x):
/// of a ring of its own. evicted: null, or the slots of a unit that evicts.
template <class Pooled, class Slots>
void plan_kept(table::run_tables const& tables, int samples, memory_plan& plan, std::size_t s, int worker,
               evicted_slots const* evicted, unit_plan& p, Pooled const& pooled, Slots const& slots) {
  int const number = static_cast<int>(tables.stage_of(s));
  table::stage_table const& t = tables.of_unit(s);
  p.begin_tensors(t.tensors.size());
  if (evicted != nullptr) p.evicted_kept.resize(t.tensors.size());
  for (std::size_t x = 0; x < t.tensors.size(); ++x) {
    table::tensor const& y = t.tensors[x];
    std::size_t const one = y.bytes(samples);
    if (y.where == table::place::error)
      p.error[x] = plan.add(y.backward ? "errors of gradients sent" : "errors of activations sent", category::feedback,
                            worker, number, one, y.type);
    if (y.where != table::place::kept) continue;
    p.kept[x] = pooled(x);
    p.kept_slots[x] = static_cast<int>(p.kept[x].places.size());
    if (p.kept_slots[x] > 0) continue;
    p.kept_slots[x] = evicted != nullptr ? evicted->here : slots(y);
    p.kept[x].entry = plan.add("saved activations", category::saved, worker, number,
                               padded(one) * static_cast<std::size_t>(p.kept_slots[x]), stored_as(tables, y));
    if (evicted == nullptr) continue;
    p.evicted_kept[x] = evict(p.kept[x], p.away, *evicted, false, one);
    p.kept_slots[x] = static_cast<int>(p.kept[x].places.size());
  }
}

}  // namespace foal::executor
