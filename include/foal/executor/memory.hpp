// Allocates the memory of a run (one arena per worker) as planned, and binds every stage to its place.
#pragma once

#include <algorithm>
#include <memory>

#include <foal/executor/arena.hpp>
#include <foal/executor/calls.hpp>
#include <foal/executor/minibatch_targets.hpp>
#include <foal/executor/tied.hpp>
#include <foal/plan/run_plan.hpp>

namespace foal::executor {

/// Everything a run allocates on its devices, and the stages bound to it. Not copied or moved: stages point into it.
class run_memory {
 public:
  /// worker_of: of each rank, 0 to values.workers - 1, ascending.
  run_memory(table::run_tables const& tables, table::run_values const& values, std::vector<int> worker_of)
      : tables_(tables),
        values_(values),
        plan_(tables, values, std::move(worker_of)),
        stages_(tables.stages.size()),
        forward_(tables.stages.size() + 1),
        gradient_(tables.stages.size() + 1),
        again_(tables.stages.size() + 1),
        places_(tables.stages.size()),
        bells_(static_cast<std::size_t>(values.workers)) {
    with_memory("make this run", plan().bytes(), [this] {
      allocate();
      bind();
    });
  }
  run_memory(run_memory const&) = delete;
  run_memory& operator=(run_memory const&) = delete;

  memory_plan const& plan() const { return plan_.memory(); }
  std::vector<bound_stage>& stages() { return stages_; }
  std::vector<bound_stage> const& stages() const { return stages_; }
  std::vector<transport::bell>& bells() { return bells_; }
  void* device(int worker) const { return devices_[static_cast<std::size_t>(worker)].get(); }
  int worker_of_rank(int rank) const { return plan_.worker_of_rank(rank); }
  std::size_t allocated_bytes() const { return allocated_; }

  /// Channels empty, no version read yet: the state in which a phase starts.
  void reset_phase(table::phase_table const& phase, std::vector<int> const& injected) {
    for (auto& c : forward_) c.reset();
    for (auto& c : gradient_) c.reset();
    for (auto& c : again_) c.reset();
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      bound_stage& b = stages_[s];
      for (channel_end* e : {&b.wire_in, &b.wire_out, &b.gradient_in, &b.gradient_out, &b.again_in, &b.again_out})
        e->messages = e->seen = e->seen_other = 0;
      for (watermark* w : {&b.forwarded, &b.returned, &b.freed, &b.rebuilt}) w->reset();
      b.version = 0;
      b.weighed = b.refused = -1;
      b.bounded = false;
      b.accumulated = b.backwards = 0;
      b.facts = phase.facts.stage[s];
      b.stashes = phase.stashes;
      b.frozen = phase.wanted(static_cast<int>(s)) == schedule::gradients::input;
      b.forward = phase.wanted(static_cast<int>(s)) == schedule::gradients::none;
      bool const sends = s + 1 < stages_.size() && phase.facts.stage[s + 1].head >= 0 &&
                         phase.facts.stage[s + 1].head <= static_cast<int>(s);
      b.again_in.channel = b.continues_segment() ? &again_[s] : nullptr;
      b.again_out.channel = sends ? &again_[s + 1] : nullptr;
      bind_places(b, sends);
      b.delay = s < injected.size() ? injected[s] : -1;
      lend(tables_, stages_, b);
    }
  }

 private:
  /// The places that one tensor has: as ever; in the ring between R and R; for nobody.
  struct places {
    ring plain, rebuilt, transient;
  };

  void allocate() {
    for (int w = 0; w < values_.workers; ++w) {
      std::size_t const n = std::max<std::size_t>(plan().arena_bytes(w), alignment);
      arenas_.push_back(allocate_block(tables_.device, n));
      allocated_ += plan().arena_bytes(w);
      devices_.push_back(make_device(tables_.device, at(plan_.workspace(static_cast<std::size_t>(w)))));
      tables_.device.zero(devices_.back().get(), arenas_.back().get(), n);
    }
    if (!tables_.device.host_memory) {
      host_input_.resize(plan_.input_bytes() + alignment);
      host_targets_.resize(plan_.target_bytes() * static_cast<std::size_t>(target_slots(tables_, values_)) + alignment);
      host_staging_.resize(plan_.largest_input() + alignment);
    }
  }

  std::byte* at(std::size_t entry) const {
    plan_entry const& e = plan()[entry];
    return static_cast<std::byte*>(arenas_[static_cast<std::size_t>(e.worker)].get()) + e.offset;
  }
  std::byte* at(wire_place const& p) const {
    auto const [entry, offset] = plan_.place_of(p);
    return at(entry) + offset;
  }
  static std::byte* aligned(std::vector<std::byte>& v) {
    void* p = v.data();
    std::size_t room = v.size();
    return static_cast<std::byte*>(std::align(alignment, 1, p, room));
  }

  void bind() {
    std::size_t const last = stages_.size() - 1;
    std::vector<std::vector<ring>> wires(stages_.size()), gradients(stages_.size()), again(stages_.size() + 1);
    for (std::size_t s = 0; s <= last; ++s) {
      table::stage_table const& t = tables_.stages[s];
      stage_plan const& p = plan_.stage(s);
      for (std::size_t e = 0; e < t.wire_in.size(); ++e) {
        std::size_t const slot = padded(plan_.wire_bytes(t.wire_in[e]));
        again[s].push_back({at(p.again[e]), slot, static_cast<std::uint32_t>(p.again_slots[e])});
        wires[s].push_back({at(p.wires[e]), slot, static_cast<std::uint32_t>(p.wire_slots[e])});
        if (s == 0) continue;
        stage_plan const& below = plan_.stage(s - 1);
        gradients[s - 1].push_back({at(below.gradients[e]), slot, static_cast<std::uint32_t>(below.gradient_slots[e])});
      }
      if (s == last) {
        auto const& loss = t.tensors[static_cast<std::size_t>(t.loss_gradient_tensor)];
        gradients[s].push_back(
            {at(p.gradients[0]), padded(plan_.tensor_bytes(loss)), static_cast<std::uint32_t>(p.gradient_slots[0])});
      }
    }
    for (std::size_t s = 0; s <= last; ++s) {
      bound_stage& b = stages_[s];
      stage_plan const& p = plan_.stage(s);
      table::stage_table const& t = tables_.stages[s];
      b.table = &t;
      b.number = static_cast<int>(s);
      b.rank = tables_.rank_of[s];
      b.worker = plan_.worker_of_stage(s);
      auto const w = static_cast<std::size_t>(b.worker);
      b.device = devices_[w].get();
      b.w = at(p.w);
      b.g = at(p.g);
      if (tables_.policies.microbatch_gradient != nullptr) b.microbatch = at(plan_.microbatch(w));
      b.buffers = at(p.buffers);
      for (int k = 0; k < tables_.policies.optimizer_states; ++k) b.states[k] = at(p.states[k]);
      b.delay_packed = p.delay_packed;
      b.delay_acts = p.delay_acts;
      b.has_delay_states = p.has_delay_states;
      b.history_packed = p.history_packed;
      if (b.has_delay_states)
        for (int k = 0; k < tables_.policies.delay_states; ++k) b.delay_states[k] = at(p.delay_states[k]);
      b.predicted = at(plan_.predicted(w));
      b.extrapolated = at(plan_.extrapolated(w));
      b.trial = at(plan_.temporary(w));
      if (p.history_slots > 0)
        b.history = {at(p.history), plan_.weight_bytes(b.history_packed ? t.backward_elements : t.weight_elements),
                     static_cast<std::uint32_t>(p.history_slots)};
      bool const host = tables_.device.host_memory;
      if (s == 0) b.staging = host ? at(p.staging) : aligned(host_staging_);
      if (s == 0 && !host) b.host_input = aligned(host_input_);
      if (s == last) {
        b.targets = {at(p.targets), 0, 1};
        if (!host && s != 0) b.host_input = aligned(host_targets_);
      }
      if (s == last && !host) host_target_ = aligned(host_targets_);

      int const in_flight = plan_.over_phases([&](table::phase_table const& ph) { return ph.facts.stage[s].in_flight; });
      int const slots = plan_.over_phases([&](table::phase_table const& ph) {
        auto const& f = ph.facts.stage[s];
        return std::max({f.in_flight, f.wire_transit, f.wire_kept, f.wire_recompute, f.gradient_transit, f.gradient_kept,
                         f.recompute_transit, f.recompute_kept});
      });
      b.version_read.assign(static_cast<std::size_t>(in_flight), 0);
      prepare_calls(b, tables_, values_);
      microbatch_lengths const none(values_.microbatch_size, longest_of(tables_));
      if (plan_.lengths_differ()) b.lengths.assign(static_cast<std::size_t>(in_flight), none);
      if (plan_.lengths_differ() && s == last && tables_.loss.count != nullptr) b.ahead.assign(1, none);
      for (watermark* m : {&b.forwarded, &b.returned, &b.freed, &b.rebuilt})
        m->done.assign(static_cast<std::size_t>(slots), 0);

      std::byte* const temporaries = at(plan_.temporary(w));
      for (std::size_t x = 0; x < t.tensors.size(); ++x) {
        table::tensor const& y = t.tensors[x];
        auto const e = static_cast<std::size_t>(y.wire);
        places at_once;
        switch (y.where) {
          case table::place::wire_in:
            at_once.plain = wires[s][e];
            at_once.rebuilt = again[s][e];
            break;
          case table::place::wire_out:
            at_once.plain = wires[s + 1][e];
            at_once.rebuilt = again[s + 1][e];
            break;
          case table::place::gradient_in:
            at_once.plain = gradients[s][e];
            break;
          case table::place::gradient_out:
            at_once.plain = gradients[s - 1][e];
            break;
          case table::place::kept:
            at_once.plain = {at(p.kept[x]), padded(plan_.tensor_bytes(y)),
                             static_cast<std::uint32_t>(plan_.kept_slots(s, y))};
            break;
          case table::place::error:
            if (plan()[p.error[x]].bytes > 0) at_once.plain = {at(p.error[x]), 0, 1};
            break;
          case table::place::temporary:
            at_once.plain = {temporaries + p.temporary[x], 0, 1};
            break;
        }
        at_once.transient = {temporaries + p.transient[x], 0, 1};
        places_[s].push_back(at_once);
      }
    }
    for (std::size_t s = 0; s <= last; ++s)
      bind_lent(tables_, stages_, s, [&](std::size_t i) { return at(plan_.stage(s).lent[i]); });
    wire_lengths_.resize(stages_.size());
    for (std::size_t s = 0; s < last; ++s) {  // the wire between s and s + 1
      bound_stage &a = stages_[s], &b = stages_[s + 1];
      channel_end down, up;
      for (std::size_t e = 0; e < b.table->wire_in.size(); ++e) {
        bool const kept = b.table->wire_in[e].last != until::forward;
        (kept ? down.ring_kept : down.ring_transit) = wires[s + 1][e].count;
        if (!b.table->wire_in[e].gradient) continue;
        bool const kept_gradient = b.table->wire_in[e].gradient_last == until::W;
        (kept_gradient ? up.ring_kept : up.ring_transit) = gradients[s][e].count;
      }
      down.channel = &forward_[s + 1];
      up.channel = &gradient_[s + 1];
      a.wire_out = b.wire_in = down;
      a.gradient_in = b.gradient_out = up;
      channel_end again_end;
      for (std::size_t e = 0; e < b.table->wire_in.size(); ++e)
        if (again[s + 1][e].count > 0)
          (b.table->wire_in[e].last != until::forward ? again_end.ring_kept : again_end.ring_transit) =
              again[s + 1][e].count;
      a.again_out = b.again_in = again_end;
      a.again_out.other = &bells_[static_cast<std::size_t>(b.worker)];
      b.again_in.other = &bells_[static_cast<std::size_t>(a.worker)];
      a.wire_out.other = a.gradient_in.other = &bells_[static_cast<std::size_t>(b.worker)];
      b.wire_in.other = b.gradient_out.other = &bells_[static_cast<std::size_t>(a.worker)];
      if (!plan_.lengths_differ()) continue;
      microbatch_lengths const none(values_.microbatch_size, longest_of(tables_));
      wire_lengths_[s + 1].assign(std::max(down.ring_transit, down.ring_kept), none);
      b.lengths_in = a.lengths_out = wire_lengths_[s + 1].data();
      b.length_slots_in = a.length_slots_out = static_cast<std::uint32_t>(wire_lengths_[s + 1].size());
    }
  }

  /// Where the tensors of a stage are for its ops in the phase that begins.
  void bind_places(bound_stage& b, bool sends) {
    auto const s = static_cast<std::size_t>(b.number);
    bool const again = b.facts.head >= 0;
    b.tensors.clear();
    b.forward_tensors.clear();
    for (std::size_t x = 0; x < places_[s].size(); ++x) {
      places const& at_once = places_[s][x];
      table::place const where = b.table->tensors[x].where;
      bool const rebuilt =
          again && ((where == table::place::wire_in && b.continues_segment()) || (where == table::place::wire_out && sends));
      bool const unread = again && where == table::place::wire_out && !sends;
      b.tensors.push_back(rebuilt ? at_once.rebuilt : unread ? at_once.transient : at_once.plain);
      bool const dropped = (again || b.forward) && where == table::place::kept;
      b.forward_tensors.push_back(dropped ? at_once.transient : at_once.plain);
    }
  }

 public:
  std::byte* host_targets() const { return host_target_; }

 private:
  table::run_tables const& tables_;
  table::run_values values_;
  run_plan plan_;
  std::vector<bound_stage> stages_;
  std::vector<transport::channel> forward_, gradient_, again_;  ///< [s]: between s - 1 and s
  std::vector<std::vector<places>> places_;                     ///< of each stage's tensors
  std::vector<transport::bell> bells_;
  std::vector<std::vector<microbatch_lengths>> wire_lengths_;  ///< [s]: between s - 1 and s
  std::vector<owned> arenas_, devices_;                        ///< by worker
  std::vector<std::byte> host_input_, host_targets_, host_staging_;
  std::byte* host_target_ = nullptr;
  std::size_t allocated_ = 0;
};

}  // namespace foal::executor
