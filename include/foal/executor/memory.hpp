// Plans the memory of a run, allocates it (one arena per worker) and binds every stage to its place.
#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include <foal/core/error.hpp>
#include <foal/executor/tied.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// Everything a run allocates on its devices, and the stages bound to it. Not copied or moved: stages point into it.
class run_memory {
 public:
  /// worker_of: of each rank, 0 to values.workers - 1, ascending.
  run_memory(run_tables const& tables, run_values const& values, std::vector<int> worker_of)
      : tables_(tables),
        values_(values),
        worker_of_(std::move(worker_of)),
        plan_(values.workers),
        stages_(tables.stages.size()),
        forward_(tables.stages.size() + 1),
        gradient_(tables.stages.size() + 1),
        bells_(static_cast<std::size_t>(values.workers)) {
    make_plan();
    allocate();
    bind();
  }
  run_memory(run_memory const&) = delete;
  run_memory& operator=(run_memory const&) = delete;
  ~run_memory() {
    for (void* d : devices_)
      if (d != nullptr) tables_.device.destroy(d);
    for (void* a : arenas_)
      if (a != nullptr) tables_.device.release(a);
  }

  memory_plan const& plan() const { return plan_; }
  std::vector<bound_stage>& stages() { return stages_; }
  std::vector<bound_stage> const& stages() const { return stages_; }
  std::vector<transport::bell>& bells() { return bells_; }
  void* device(int worker) const { return devices_[static_cast<std::size_t>(worker)]; }
  int worker_of_rank(int rank) const { return worker_of_[static_cast<std::size_t>(rank)]; }
  std::size_t allocated_bytes() const { return allocated_; }

  /// Channels empty, no version read yet: the state in which a phase starts.
  void reset_phase(phase_table const& phase, std::vector<int> const& injected) {
    for (auto& c : forward_) c.reset();
    for (auto& c : gradient_) c.reset();
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      bound_stage& b = stages_[s];
      for (channel_end* e : {&b.wire_in, &b.wire_out, &b.gradient_in, &b.gradient_out})
        e->messages = e->seen = e->seen_other = 0;
      for (watermark* w : {&b.forwarded, &b.returned, &b.freed}) w->reset();
      b.version = 0;
      b.facts = phase.facts.stage[s];
      b.stashes = phase.stashes;
      b.delay = s < injected.size() ? injected[s] : -1;
      lend(tables_, stages_, b);
    }
  }

 private:
  int worker_of_stage(std::size_t s) const { return worker_of_[static_cast<std::size_t>(tables_.rank_of[s])]; }
  template <class F>
  int over_phases(F f) const {
    int most = 0;
    for (auto const& p : tables_.phases) most = std::max(most, f(p));
    return most;
  }
  bool has_lengths() const {
    for (lower::wire_entry const& e : tables_.stages.front().wire_in)
      if (e.extent.axis > 0) return true;
    return false;
  }
  std::size_t bytes(long long elements) const { return static_cast<std::size_t>(elements) * tables_.scalar_bytes; }
  std::size_t tensor_bytes(lower::tensor const& x) const {
    return static_cast<std::size_t>(x.bytes(values_.microbatch_size, static_cast<int>(tables_.scalar_bytes)));
  }
  std::size_t input_bytes() const { return largest_input() * static_cast<std::size_t>(values_.microbatch_size); }
  std::size_t largest_input() const {  // of one sample
    int most = 0;
    for (lower::wire_entry const& e : tables_.stages.front().wire_in) most = std::max(most, e.extent.size());
    return bytes(most);
  }
  std::size_t target_bytes() const {
    return static_cast<std::size_t>(tables_.loss.targets_per_sample) * tables_.loss.target_bytes *
           static_cast<std::size_t>(values_.microbatch_size);
  }

  struct stage_plan {
    std::size_t w = 0, g = 0, buffers = 0, history = 0, staging = 0, targets = 0;
    std::size_t states[lower::most_states]{}, delay_states[lower::most_states]{};
    std::vector<std::size_t> wires, gradients, kept;  // kept: by tensor number, only for place::kept
    std::vector<std::size_t> lent;                    // by loan: versions and gradients, in this order
    int history_slots = 0;
    std::vector<std::size_t> scratch;  // offsets within the worker's scratch, by tensor number
  };

  void make_plan() {
    std::size_t const workers = static_cast<std::size_t>(values_.workers);
    planned_.resize(stages_.size());
    std::vector<std::size_t> temporary(workers, 0), predicted(workers, 0), extrapolated(workers, 0), host(workers, 0);
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      lower::stage_table const& t = tables_.stages[s];
      stage_plan& p = planned_[s];
      int const worker = worker_of_stage(s), number = static_cast<int>(s);
      auto const i = static_cast<std::size_t>(worker);
      auto const add = [&](char const* what, category c, std::size_t n) { return plan_.add(what, c, worker, number, n); };

      p.w = add("weights", category::weights, bytes(t.weight_elements));
      p.g = add("gradients", category::gradients, bytes(t.gradient_elements));
      p.buffers = add("statistics", category::statistics, bytes(t.buffer_elements));
      for (int k = 0; k < tables_.policies.optimizer_states; ++k)
        p.states[k] = add("optimizer state", category::optimizer, bytes(t.trained_elements));

      auto const& last = tables_.phases.back().facts.stage[s];
      bool const packed = !tables_.policies.delay_on_all;
      bool const lags = last.tau_fwd > last.tau_bkwd && !tables_.phases.back().stashes;
      long long const delayed = packed ? t.backward_elements : t.trained_elements;
      stages_[s].delay_packed = packed;
      stages_[s].has_delay_states = tables_.policies.delay_states > 0 && lags && delayed > 0;
      for (int k = 0; k < tables_.policies.delay_states; ++k)
        p.delay_states[k] = add("delay state", category::delta, stages_[s].has_delay_states ? bytes(delayed) : 0);
      if (lags && tables_.policies.backward_weight != nullptr)
        extrapolated[i] = std::max(extrapolated[i], bytes(t.backward_elements));
      if (lags && tables_.policies.forward_weight != nullptr)
        predicted[i] = std::max(predicted[i], bytes(t.weight_elements));

      bool const injected = !tables_.phases.back().program_delays.empty();
      p.history_slots = over_phases([&](phase_table const& ph) {
        return ph.stashes || !ph.program_delays.empty() ? ph.facts.stage[s].version_gap : 0;
      });
      stages_[s].history_packed = !injected;
      p.history = add("old weight versions", category::stash,
                      static_cast<std::size_t>(p.history_slots) * bytes(injected ? t.weight_elements : t.backward_elements));

      plan_wires(s, p, worker);
      plan_kept(s, p, worker);
      p.lent = plan_lent(tables_, plan_, s, worker);
      if (s == 0 && !tables_.device.host_memory) host[i] = std::max(host[i], input_bytes());
      if (s + 1 == stages_.size()) p.targets = add("targets", category::wires, target_bytes());
      if (s == 0) p.staging = add("one input sample", category::workspace, largest_input());
      temporary[i] = std::max(temporary[i], pack_scratch(t, p.scratch));
    }
    for (int w = 0; w < values_.workers; ++w) {
      auto const i = static_cast<std::size_t>(w);
      worker_temporary_.push_back(plan_.add("temporaries of ops", category::workspace, w, -1, temporary[i]));
      worker_workspace_.push_back(
          plan_.add("library workspace", category::workspace, w, -1, tables_.device.workspace_bytes));
      worker_predicted_.push_back(plan_.add("weights predicted for F", category::scratch, w, -1, predicted[i]));
      worker_extrapolated_.push_back(plan_.add("weights extrapolated for B", category::scratch, w, -1, extrapolated[i]));
    }
  }

  /// Slots that the wire into a stage has beyond what the program needs. The program counts in slots of equal length; in
  /// time a backward lasts longer than the forward beside it, and with not one slot to spare between two workers each waits
  /// in every period for the other to give its slot back.
  int slack(std::size_t s) const { return s > 0 && worker_of_stage(s - 1) != worker_of_stage(s) ? 1 : 0; }

  // What B or W needs of a wire is a saved activation of the receiving stage; the slot in which it travels is the wire's.
  void plan_wires(std::size_t s, stage_plan& p, int worker) {
    lower::stage_table const& t = tables_.stages[s];
    bool const first = s == 0;
    for (lower::wire_entry const& e : t.wire_in) {
      std::size_t const one = bytes(static_cast<long long>(e.extent.size()) * values_.microbatch_size);
      bool const kept = e.last != until::forward;
      int const slots = slack(s) + over_phases([&](phase_table const& ph) {
                          return kept ? ph.facts.stage[s].wire_kept : ph.facts.stage[s].wire_transit;
                        });
      int const saved = kept ? over_phases([&](phase_table const& ph) { return ph.facts.stage[s].saved_peak; }) : 0;
      p.wires.push_back(plan_ring(e.entry == 0 ? "activations from the stage before" : "skip from the stage before", worker,
                                  s, one, slots, std::min(saved, slots)));
      wire_slots_.push_back(slots);
      if (!first) {
        // The gradient of this wire lies with the stage that receives it: the one before.
        int const back = slack(s) + over_phases([&](phase_table const& ph) {
                           auto const& f = ph.facts.stage[s - 1];
                           return e.gradient_last == until::W ? f.gradient_kept : f.gradient_transit;
                         });
        planned_[s - 1].gradients.push_back(
            plan_ring("gradients from the stage after", worker_of_stage(s - 1), s - 1, e.gradient ? one : 0, back, 0));
        gradient_slots_.push_back(back);
      }
    }
    if (s + 1 == stages_.size()) {
      auto const& loss = t.tensors[static_cast<std::size_t>(t.loss_gradient_tensor)];
      loss_slots_ = over_phases([&](phase_table const& ph) {
        auto const& f = ph.facts.stage[s];
        return loss.last == until::W ? f.gradient_kept : f.gradient_transit;
      });
      p.gradients.push_back(plan_ring("gradient of the loss", worker, s, tensor_bytes(loss), loss_slots_, 0));
    }
  }

  /// A ring whose first `saved` slots count as saved activations and the rest as wires; one piece of memory.
  std::size_t plan_ring(char const* what, int worker, std::size_t stage, std::size_t one, int slots, int saved) {
    std::size_t const padded = (one + alignment - 1) / alignment * alignment;
    int const number = static_cast<int>(stage);
    std::size_t const id = plan_.add(what, category::saved, worker, number, static_cast<std::size_t>(saved) * padded);
    plan_.add(what, category::wires, worker, number, static_cast<std::size_t>(slots - saved) * padded);
    return id;
  }

  void plan_kept(std::size_t s, stage_plan& p, int worker) {
    lower::stage_table const& t = tables_.stages[s];
    p.kept.assign(t.tensors.size(), 0);
    for (std::size_t x = 0; x < t.tensors.size(); ++x) {
      if (t.tensors[x].where != lower::place::kept) continue;
      std::size_t const padded = (tensor_bytes(t.tensors[x]) + alignment - 1) / alignment * alignment;
      p.kept[x] = plan_.add("saved activations", category::saved, worker, static_cast<int>(s),
                            padded * static_cast<std::size_t>(kept_slots(s, t.tensors[x])));
    }
  }
  int kept_slots(std::size_t s, lower::tensor const& x) const {
    return over_phases([&](phase_table const& ph) {
      auto const& f = ph.facts.stage[s];
      return x.last == until::W ? f.saved_peak : f.saved_peak_b;
    });
  }

  /// Scratch tensors of F share the region with those of B: a worker runs one op at a time.
  std::size_t pack_scratch(lower::stage_table const& t, std::vector<std::size_t>& place) const {
    place.assign(t.tensors.size(), 0);
    std::size_t region = 0;
    for (bool backward : {false, true}) {
      std::vector<interval_buffer> buffers;
      std::vector<std::size_t> which, offset;
      for (std::size_t x = 0; x < t.tensors.size(); ++x) {
        lower::tensor const& y = t.tensors[x];
        if (y.where != lower::place::scratch || y.backward != backward || y.first_step < 0) continue;
        buffers.push_back({tensor_bytes(y), y.first_step, y.last_step});
        which.push_back(x);
      }
      region = std::max(region, pack_intervals(buffers, offset));
      for (std::size_t i = 0; i < which.size(); ++i) place[which[i]] = offset[i];
    }
    return region;
  }

  void allocate() {
    for (int w = 0; w < values_.workers; ++w) {
      std::size_t const n = std::max<std::size_t>(plan_.arena_bytes(w), alignment);
      arenas_.push_back(tables_.device.allocate(n));
      allocated_ += plan_.arena_bytes(w);
      devices_.push_back(nullptr);
      devices_.back() = tables_.device.make(at(worker_workspace_[static_cast<std::size_t>(w)]));
      tables_.device.zero(devices_.back(), arenas_.back(), n);
    }
    if (!tables_.device.host_memory) {
      host_input_.resize(input_bytes() + alignment);
      host_targets_.resize(target_bytes() + alignment);
      host_staging_.resize(largest_input() + alignment);
    }
  }

  std::byte* at(std::size_t entry) const {
    plan_entry const& e = plan_[entry];
    return static_cast<std::byte*>(arenas_[static_cast<std::size_t>(e.worker)]) + e.offset;
  }
  static std::byte* aligned(std::vector<std::byte>& v) {
    void* p = v.data();
    std::size_t room = v.size();
    return static_cast<std::byte*>(std::align(alignment, 1, p, room));
  }

  void bind() {
    std::size_t const last = stages_.size() - 1;
    std::size_t wire_number = 0, gradient_number = 0;
    std::vector<std::vector<ring>> wires(stages_.size()), gradients(stages_.size());
    for (std::size_t s = 0; s <= last; ++s) {
      lower::stage_table const& t = tables_.stages[s];
      for (std::size_t e = 0; e < t.wire_in.size(); ++e) {
        std::size_t const one = bytes(static_cast<long long>(t.wire_in[e].extent.size()) * values_.microbatch_size);
        std::size_t const padded = (one + alignment - 1) / alignment * alignment;
        wires[s].push_back({at(planned_[s].wires[e]), padded, static_cast<std::uint32_t>(wire_slots_[wire_number++])});
        if (s > 0)
          gradients[s - 1].push_back(
              {at(planned_[s - 1].gradients[e]), padded, static_cast<std::uint32_t>(gradient_slots_[gradient_number++])});
      }
      if (s == last) {
        auto const& loss = t.tensors[static_cast<std::size_t>(t.loss_gradient_tensor)];
        std::size_t const padded = (tensor_bytes(loss) + alignment - 1) / alignment * alignment;
        gradients[s].push_back({at(planned_[s].gradients[0]), padded, static_cast<std::uint32_t>(loss_slots_)});
      }
    }
    for (std::size_t s = 0; s <= last; ++s) {
      bound_stage& b = stages_[s];
      stage_plan const& p = planned_[s];
      lower::stage_table const& t = tables_.stages[s];
      b.table = &t;
      b.number = static_cast<int>(s);
      b.rank = tables_.rank_of[s];
      b.worker = worker_of_stage(s);
      auto const w = static_cast<std::size_t>(b.worker);
      b.device = devices_[w];
      b.w = at(p.w);
      b.g = at(p.g);
      b.buffers = at(p.buffers);
      for (int k = 0; k < tables_.policies.optimizer_states; ++k) b.states[k] = at(p.states[k]);
      if (b.has_delay_states)
        for (int k = 0; k < tables_.policies.delay_states; ++k) b.delay_states[k] = at(p.delay_states[k]);
      b.forward_scratch = at(worker_predicted_[w]);
      b.backward_scratch = at(worker_extrapolated_[w]);
      if (p.history_slots > 0)
        b.history = {at(p.history), bytes(b.history_packed ? t.backward_elements : t.weight_elements),
                     static_cast<std::uint32_t>(p.history_slots)};
      bool const host = tables_.device.host_memory;
      if (s == 0) b.staging = host ? at(p.staging) : aligned(host_staging_);
      if (s == 0 && !host) b.host_input = aligned(host_input_);
      if (s == last) {
        b.targets = {at(p.targets), 0, 1};
        if (!host && s != 0) b.host_input = aligned(host_targets_);
      }
      if (s == last && !host) host_target_ = aligned(host_targets_);

      int const in_flight = over_phases([&](phase_table const& ph) { return ph.facts.stage[s].saved_peak; });
      int const slots = over_phases([&](phase_table const& ph) {
        auto const& f = ph.facts.stage[s];
        return std::max({f.saved_peak, f.wire_transit, f.wire_kept, f.gradient_transit, f.gradient_kept});
      });
      b.version_read.assign(static_cast<std::size_t>(in_flight), 0);
      if (has_lengths()) b.lengths.assign(static_cast<std::size_t>(in_flight), {});
      for (watermark* m : {&b.forwarded, &b.returned, &b.freed}) m->done.assign(static_cast<std::size_t>(slots), 0);

      std::byte* const scratch = at(worker_temporary_[w]);
      for (std::size_t x = 0; x < t.tensors.size(); ++x) {
        lower::tensor const& y = t.tensors[x];
        auto const e = static_cast<std::size_t>(y.wire);
        std::size_t const padded = (tensor_bytes(y) + alignment - 1) / alignment * alignment;
        switch (y.where) {
          case lower::place::wire_in:
            b.tensors.push_back(wires[s][e]);
            break;
          case lower::place::wire_out:
            b.tensors.push_back(wires[s + 1][e]);
            break;
          case lower::place::gradient_in:
            b.tensors.push_back(gradients[s][e]);
            break;
          case lower::place::gradient_out:
            b.tensors.push_back(gradients[s - 1][e]);
            break;
          case lower::place::kept:
            b.tensors.push_back({at(p.kept[x]), padded, static_cast<std::uint32_t>(kept_slots(s, y))});
            break;
          case lower::place::scratch:
            b.tensors.push_back({scratch + p.scratch[x], 0, 1});
            break;
        }
      }
    }
    for (std::size_t s = 0; s <= last; ++s)
      bind_lent(tables_, stages_, s, [&](std::size_t i) { return at(planned_[s].lent[i]); });
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
      a.wire_out.other = a.gradient_in.other = &bells_[static_cast<std::size_t>(b.worker)];
      b.wire_in.other = b.gradient_out.other = &bells_[static_cast<std::size_t>(a.worker)];
      if (!has_lengths()) continue;
      wire_lengths_[s + 1].resize(std::max(down.ring_transit, down.ring_kept));
      b.lengths_in = a.lengths_out = wire_lengths_[s + 1].data();
      b.length_slots_in = a.length_slots_out = static_cast<std::uint32_t>(wire_lengths_[s + 1].size());
    }
  }

 public:
  std::byte* host_targets() const { return host_target_; }

 private:
  run_tables const& tables_;
  run_values values_;
  std::vector<int> worker_of_;
  memory_plan plan_;
  std::vector<bound_stage> stages_;
  std::vector<transport::channel> forward_, gradient_;  ///< [s]: between s - 1 and s
  std::vector<transport::bell> bells_;
  std::vector<std::vector<lengths_of_axes>> wire_lengths_;  ///< [s]: between s - 1 and s
  std::vector<stage_plan> planned_;
  std::vector<int> wire_slots_, gradient_slots_;  ///< in the order of (stage, entry)
  int loss_slots_ = 1;
  std::vector<std::size_t> worker_temporary_, worker_workspace_, worker_predicted_, worker_extrapolated_;
  std::vector<void*> arenas_, devices_;
  std::vector<std::byte> host_input_, host_targets_, host_staging_;
  std::byte* host_target_ = nullptr;
  std::size_t allocated_ = 0;
};

}  // namespace foal::executor
