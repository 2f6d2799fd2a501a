// What units offload in a run: how many slots device and host memory have for it, and where they lie in the plan.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/plan/unit_plan.hpp>
#include <foal/schedule/offloads.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::executor {

/// Slots of a unit that offloads what it saves: in device memory, for what F writes and as many for what comes back; in host
/// memory. The most of any phase.
struct offload_slots {
  int device = 0, host = 0;
};

/// Which units offload in a run, those of other processes too: their wires lie otherwise.
class run_offloads {
 public:
  /// Needs phases that prove() accepts. Throws foal::error where the run cannot offload.
  void plan(table::run_tables const& t) {
    of_.assign(t.units(), {});
    for (table::phase_table const& phase : t.phases) {
      schedule::program program = phase.program;
      schedule::program_view const v = program.view();
      for (schedule::offload const& x : v.offloads) {
        offload_slots& slots = of_[static_cast<std::size_t>(x.stage)];
        slots.device = std::max(slots.device, x.slots);
        slots.host = std::max(slots.host, schedule::order_of(v, x).held());
      }
    }
    for (table::phase_table const& phase : t.phases) check(t, phase);
  }
  /// Null: the unit offloads nothing.
  offload_slots const* of(std::size_t unit) const { return of_[unit].device == 0 ? nullptr : &of_[unit]; }

 private:
  void check(table::run_tables const& t, table::phase_table const& phase) const {
    schedule::program program = phase.program;
    schedule::program_view const v = program.view();
    for (std::size_t u = 0; u < of_.size(); ++u) {
      if (of(u) == nullptr) continue;
      int const stage = static_cast<int>(t.stage_of(u));
      schedule::offload const* const x = schedule::offload_of(v, stage);
      require(x != nullptr && x->slots == of_[u].device, "cannot offload what stage ", stage, " saves with ", of_[u].device,
              " slots, because the program of ", phase.name, " has ", x == nullptr ? 0 : x->slots,
              " for it and a run's memory is planned once; offload alike in all phases");
      require(!t.thick, "cannot offload what stage ", stage,
              " saves with accumulate::thick, because W reads that of all microbatches at once, ", "and the stage has ",
              of_[u].device, " slots; use accumulate::each");
      require(!t.device.asynchronous || t.device.make_copies != nullptr, "cannot offload what stage ", stage,
              " saves on this device, because it is asynchronous and has no copy_queue (include/foal/device/contract.hpp), ",
              "and the stage's queue would wait for each of its copies; give it one, or leave the offload out");
    }
  }

  std::vector<offload_slots> of_;  // by unit
};

/// Adds to the plan of a unit that is here what comes back, and what lies in host memory. What F writes is planned as ever.
inline void plan_offloaded(table::run_tables const& tables, int samples, memory_plan& plan, std::size_t s, int worker,
                           offload_slots const* slots, unit_plan& p) {
  if (slots == nullptr) return;
  int const number = static_cast<int>(tables.stage_of(s));
  table::stage_table const& t = tables.of_unit(s);
  p.offloaded.assign(t.tensors.size(), {});
  for (std::size_t x = 0; x < t.tensors.size(); ++x) {
    table::tensor const& y = t.tensors[x];
    bool const kept = y.where == table::place::kept || (y.where == table::place::wire_in && y.last != until::forward);
    if (!kept) continue;
    std::size_t const one = padded(y.bytes(samples));
    element const type = stored_as(tables, y);
    offloaded_array& a = p.offloaded[x];
    a.slots = slots->device;
    a.host_slots = slots->host;
    a.back = plan.add("saved activations back from host memory", category::saved, worker, number,
                      one * static_cast<std::size_t>(slots->device), type);
    a.host = plan.add_on_host("saved activations in host memory", worker, number,
                              one * static_cast<std::size_t>(slots->host), type);
  }
}

}  // namespace foal::executor
