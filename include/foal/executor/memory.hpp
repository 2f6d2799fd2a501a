// Allocates the memory of a run (one arena per worker) as planned, and binds every unit to its place.
#pragma once

#include <algorithm>
#include <memory>
#include <span>

#include <foal/executor/arena.hpp>
#include <foal/executor/calls.hpp>
#include <foal/executor/minibatch_targets.hpp>
#include <foal/executor/ordinals.hpp>
#include <foal/executor/pool_gates.hpp>
#include <foal/executor/rings.hpp>
#include <foal/executor/sum_ends.hpp>
#include <foal/executor/tensor_places.hpp>
#include <foal/executor/tied.hpp>
#include <foal/executor/unit_queues.hpp>
#include <foal/plan/arrays.hpp>
#include <foal/plan/run_plan.hpp>
#include <foal/schedule/shares.hpp>
#include <foal/transport/open_end.hpp>

namespace foal::executor {

/// Everything a run allocates on its devices, and the units bound to it. Not copied or moved: units point into it.
class run_memory {
 public:
  /// worker_of: of each rank, 0 to values.workers - 1, ascending; hosted_by() of those that another process hosts.
  run_memory(table::run_tables const& tables, table::run_values const& values, std::vector<int> worker_of)
      : tables_(tables),
        values_(values),
        ordinals_(ordinals_of_workers(tables, values, worker_of)),
        plan_(tables, values, std::move(worker_of)),
        stages_(tables.units()),
        numbers_(tables.units()),
        wires_(tables.units()),
        sums_(tables.replicas > 1 ? tables.units() * static_cast<std::size_t>(tables.replicas) : 0),
        tied_(count_loans(tables)),
        lengths_(tables.units()),
        ahead_(static_cast<std::size_t>(tables.replicas)),
        tensor_rings_(tables.units()),
        bells_(static_cast<std::size_t>(values.workers)),
        gates_(tables.units()),
        queues_(tables) {
    with_memory("make this run", plan().bytes(), [this] {
      allocate();
      bind();
    });
  }
  run_memory(run_memory const&) = delete;
  run_memory& operator=(run_memory const&) = delete;

  table::run_tables const& tables() const { return tables_; }
  memory_plan const& plan() const { return plan_.memory(); }
  /// Of all units: first those of replica 0, which a stage's number names.
  std::vector<bound_stage>& stages() { return stages_; }
  std::vector<bound_stage> const& stages() const { return stages_; }
  flat_table<transport::bell>& bells() { return bells_; }
  unit_queues const& queues() const { return queues_; }
  int worker_of_rank(int rank) const { return plan_.worker_of_rank(rank); }
  /// Which of several devices a worker is on.
  int ordinal(int worker) const { return ordinals_[static_cast<std::size_t>(worker)]; }
  /// Whether all stages are hosted here.
  bool whole() const {
    return std::all_of(stages_.begin(), stages_.end(), [](bound_stage const& b) { return b.worker >= 0; });
  }
  /// Samples.
  int microbatch_size() const { return values_.microbatch_size; }
  std::size_t allocated_bytes() const { return allocated_; }
  std::byte* host_targets() const { return host_target_; }

  /// All arrays of the run that change, by id; see executor::array.
  std::vector<array> arrays(table::phase_table const& phase) const { return arrays_of(plan_, tables_, phase); }
  /// Whether it is memory of the host, whatever the device's is.
  bool on_host(planned_ring const& p) const { return plan()[plan_.found(p).first].on_host; }
  /// Where a planned place begins.
  std::byte* at(planned_ring const& p) const {
    auto const [entry, offset] = plan_.found(p);
    return at(entry) + offset;
  }
  /// Calls f(ring, bytes, on_host) for the entries of a wire, as they lie here, and for the lengths of its microbatches
  /// beside them, which are always in the host's memory.
  template <class F>
  void for_each_entry(transport::channel_id id, F f) const {
    std::size_t const s = static_cast<std::size_t>(id.replica) * tables_.stages.size() + static_cast<std::size_t>(id.wire);
    bool const back = id.kind == transport::channel_kind::gradient;
    auto const& rings = back                                          ? rings_.gradients[s - 1]
                        : id.kind == transport::channel_kind::rebuilt ? rings_.rebuilt[s]
                                                                      : rings_.activations[s];
    for (std::size_t e = 0; e < rings.size(); ++e)
      if (rings[e].count > 0 && (!back || tables_.of_unit(s).wire_in[e].gradient))
        f(rings[e], plan_.wire_bytes(tables_.of_unit(s).wire_in[e]), false);
    if (id.kind != transport::channel_kind::activation || lengths_[s].empty()) return;
    std::size_t const one = microbatch_lengths::size(values_.microbatch_size) * sizeof(int);
    auto* const base = reinterpret_cast<std::byte*>(stages_[s].lengths_in.numbers);
    f(ring{base, one, stages_[s].lengths_in.count}, one, true);
  }
  /// The numbers of a unit's state that are arrays; of a stage, what lies beside the wire into it.
  unit_numbers& numbers(std::size_t s) { return numbers_[s]; }
  lengths_ring lengths_beside(std::size_t s) { return stages_[s].lengths_in; }

  /// Whoever has written weights, no form is of what they were.
  void forget_forms() {
    for (std::size_t s = 0; s < stages_.size(); ++s)
      if (unit_plan const& p = plan_.unit(s); p.forms)
        tables_.device.keep_forms(stages_[s].device, stages_[s].w, plan_.weight_bytes(stages_[s].table->weight_elements),
                                  at(*p.forms), device_form(tables_, tables_.stage_of(s)).bytes());
  }

  /// Channels empty, no version read yet: the state in which a phase starts.
  void reset_phase(table::phase_table const& phase) {
    enter_phase(phase);
    forget_forms();
    for (bound_stage& b : stages_) {
      lend(tables_, stages_, b);
      b.begin_phase();  // of those elsewhere, too: what they have given is counted here (gradient_norm)
      if (b.worker < 0) continue;
      for (std::span<std::uint8_t> const d : b.done) std::fill(d.begin(), d.end(), std::uint8_t{0});
      if (b.results.count > 1)  // what the phase before has left is not used
        tables_.device.zero(b.device, b.results.base, b.results.count * b.results.stride);
      turn_gradients(b, 0);
    }
  }
  /// The units' part in a phase at whose start, or in whose midst, they are; channels are empty.
  void enter_phase(table::phase_table const& phase) {
    for (auto& c : wires_) c.reset();
    for (auto& c : sums_) c.part.reset(), c.sum.reset();
    gates_.reset();
    begin_sums(stages_);
    for (tied_ends& e : tied_) e.reset();
    share_out(phase);
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      bound_stage& b = stages_[s];
      for (transport::inbox* i : {&b.wire_in, &b.gradient_in, &b.rebuilt_in}) i->seen = 0;
      for (transport::outbox* o : {&b.wire_out, &b.gradient_out, &b.rebuilt_out}) o->seen_read = o->seen_released = 0;
      b.weighed = b.window_of = b.targets_of = b.refused = -1;
      b.facts = phase.facts.stage[s];
      b.summed = values_.microbatches;
      auto const stage = static_cast<std::size_t>(b.number);
      b.versions = {phase.reads.stage(b.number), phase.reads.updates[stage]};
      if (!own_reads_.empty()) b.versions.offsets = {own_reads_[s].data(), own_reads_[s].size()};
      if (tables_.replicas > 1) b.positions = positions_[s];
      b.kept = phase.reads.kept[stage];
      b.copies = b.kept.copies_of(tables_.policies.microbatch_gradient != nullptr);
      b.one_version = phase.reads.one_version;
      b.input_gradient_only = phase.wanted(b.number) == schedule::gradients::input;
      b.forward_only = phase.wanted(b.number) == schedule::gradients::none;
      bool const sends =
          !tables_.is_last(s) && phase.facts.stage[s + 1].head >= 0 && phase.facts.stage[s + 1].head <= b.number;
      b.rebuilt_in.through = b.continues_recompute_group() ? &wires_[s].rebuilt : nullptr;
      b.rebuilt_out.through = sends ? &wires_[s + 1].rebuilt : nullptr;
      place_tensors(b, tensor_rings_[s], sends);
      if (b.offload != nullptr) begin_offload(b, phase.program);
      lend_in_phase(stages_, b);
    }
  }
  /// Channels as the units' counts say: after these have been set.
  void restore_channels() {
    for (std::size_t s = 1; s < stages_.size(); ++s) {
      if (tables_.is_first(s)) continue;
      bound_stage const &below = stages_[s - 1], &above = stages_[s];
      auto const set = [](transport::channel& c, std::uint32_t sent, std::uint32_t read, std::uint32_t released) {
        c.produced.value = sent;
        c.read.value = read;
        c.released.value = released;
      };
      set(wires_[s].forward, below.messages.wire_out, above.passed(passage::forwarded),
          above.passed(above.reads_wire_once() ? passage::forwarded : passage::freed));
      set(wires_[s].gradient, above.messages.gradient_out, below.passed(passage::returned), below.passed(passage::freed));
      set(wires_[s].rebuilt, below.messages.rebuilt_out, above.passed(passage::rebuilt), above.passed(passage::freed));
    }
    gates_.restore(stages_);
    for (bound_stage& b : stages_)
      if (b.offload != nullptr) b.offload->go_on(b.passed(passage::freed));
    restore_sums(tables_, stages_);
    restore_tied(tables_, stages_);
    for (bound_stage& b : stages_) turn_gradients(b, b.messages.sums_in);
  }

 private:
  /// What each unit knows of its part of a minibatch.
  void share_out(table::phase_table const& phase) {
    if (tables_.replicas == 1 && tables_.segments == 1) return;
    schedule::program program = phase.program;
    schedule::shares const shares(program.view());
    positions_.resize(stages_.size());
    own_reads_ = flat_table<flat_table<schedule::version_read>>(stages_.size());
    for (std::size_t u = 0; u < stages_.size(); ++u) {
      positions_[u] = shares.positions(stages_[u].replica);
      auto const k = static_cast<std::size_t>(tables_.segments);
      own_reads_[u] = flat_table<schedule::version_read>(positions_[u].size() * k);
      for (std::size_t i = 0; i < positions_[u].size() * k; ++i)
        own_reads_[u][i] = phase.reads.at(stages_[u].number, positions_[u][i / k]);
    }
  }

  void allocate() {
    for (int w = 0; w < values_.workers; ++w) {
      std::size_t const n = std::max<std::size_t>(plan().arena_bytes(w), alignment);
      arenas_.push_back(allocate_block(tables_.device, n, ordinals_[static_cast<std::size_t>(w)]));
      allocated_ += plan().arena_bytes(w);
      std::size_t const on_host = plan().host_bytes(w);
      host_arenas_.push_back(on_host > 0 ? allocate_host_block(tables_.device, on_host)
                                         : owned(nullptr, tables_.device.release));
    }
    queues_.make(plan_, ordinals_, arenas_, [this](std::size_t entry) { return at(entry); });
    if (!tables_.device.host_memory) {
      auto const all = static_cast<std::size_t>(tables_.replicas);
      host_input_.resize(all * padded(plan_.input_bytes()) + alignment);
      host_targets_.resize(all * plan_.target_bytes() * static_cast<std::size_t>(target_slots(tables_, values_)) +
                           alignment);
      host_staging_.resize(all * padded(plan_.largest_input()) + alignment);
      host_windows_.resize(all * window_bytes(tables_, values_) + alignment);
      host_parts_.resize(all * padded(plan_.target_bytes()) + alignment);
    }
  }

  std::byte* at(std::size_t entry) const {
    plan_entry const& e = plan()[entry];
    std::vector<owned> const& in = e.on_host ? host_arenas_ : arenas_;
    return static_cast<std::byte*>(in[static_cast<std::size_t>(e.worker)].get()) + e.offset;
  }
  static std::byte* aligned(std::vector<std::byte>& v) {
    void* p = v.data();
    std::size_t room = v.size();
    return static_cast<std::byte*>(std::align(alignment, 1, p, room));
  }

  void bind() {
    rings_ = wire_rings(tables_, plan_, [this](planned_ring const& p) { return at(p); });
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      bound_stage& b = stages_[s];
      b.table = &tables_.of_unit(s);
      b.unit = static_cast<int>(s);
      b.number = static_cast<int>(tables_.stage_of(s));
      b.replica = static_cast<int>(s / tables_.stages.size());
      b.rank = tables_.rank_of[s];
      b.worker = plan_.worker_of_unit(s);
      b.offloads = plan_.offloads().of(s) != nullptr;
      if (!plan_.hosts(s)) continue;
      b.device = queues_.of(plan_.queue_of_unit(s));
      bind_arrays(b);
      bind_rooms(b);
      queues_.give_later(b, values_.microbatches, at(plan_.unit(s).block));
      bind_numbers(b);
      tensor_rings_[s] = tensor_rings(b, plan_, rings_, [this](auto const& place) { return at(place); });
      bind_evicted(b);
      if (b.offloads)
        queues_.give_offload(b, plan_.offloads().of(s)->device, tensor_rings_[s].plain, tensor_rings_[s].again,
                             tensor_rings_[s].away, [&](std::size_t x) { return plan_.tensor_bytes(b.table->tensors[x]); });
      prepare_calls(b, tables_, values_);
    }
    bind_lent(
        tables_, plan_, stages_, tied_, [this](std::size_t entry) { return at(entry); },
        [this](bound_stage const& b) -> transport::bell& { return bell_of(b); });
    for (std::size_t s = 0; s < stages_.size(); ++s)
      if (plan_.hosts(s)) stages_[s].borrowed_version = numbers_[s].borrowed();
    gates_.bind(plan_.pools(), stages_, [this](bound_stage const& b) -> transport::bell& { return bell_of(b); });
    gates_.bind(plan_.evictions(), stages_, [this](bound_stage const& b) -> transport::bell& { return bell_of(b); });
    for (std::size_t s = 1; s < stages_.size(); ++s) {
      if (tables_.is_first(s)) continue;
      bound_stage &below = stages_[s - 1], &above = stages_[s];
      if (!plan_.hosts(s - 1) && !plan_.hosts(s)) continue;
      connect(rings_, below, above, wires_[s], bell_of(below), bell_of(above));
      queues_.give_events(wires_[s], below, above);
      if (!plan_.lengths_differ()) continue;
      std::uint32_t slots = 0;
      for (ring const& r : rings_.activations[s]) slots = std::max(slots, r.count);
      lengths_[s].assign(slots * microbatch_lengths::size(values_.microbatch_size), 0);
      above.lengths_in = below.lengths_out = {lengths_[s].data(), values_.microbatch_size, slots};
    }
    bind_sums(
        tables_, plan_, stages_, sums_, [this](std::size_t entry) { return at(entry); },
        [this](bound_stage const& b) -> transport::bell& { return bell_of(b); });
    for (sum_channels& c : sums_)
      for (transport::channel* way : {&c.part, &c.sum}) queues_.give_events(*way, sum_slots(tables_));
  }

  transport::bell& bell_of(bound_stage const& b) {
    return b.worker < 0 ? elsewhere_ : bells_[static_cast<std::size_t>(b.worker)];
  }

  /// What a unit has for the whole run.
  void bind_arrays(bound_stage& b) const {
    unit_plan const& p = plan_.unit(static_cast<std::size_t>(b.unit));
    b.w = at(p.w);
    b.g = at(p.g);
    b.buffers = at(p.buffers);
    for (int k = 0; k < tables_.policies.optimizer_states; ++k) b.states[k] = at(p.states[k]);
    b.delay_packed = p.delay_packed;
    b.delay_acts = p.delay_acts;
    b.has_delay_states = p.has_delay_states;
    b.history_packed = p.history_packed;
    if (b.has_delay_states)
      for (int k = 0; k < tables_.policies.delay_states; ++k) b.delay_states[k] = at(p.delay_states[k]);
    if (p.history_slots > 0)
      b.history = {at(p.history),
                   plan_.weight_bytes(b.history_packed ? b.table->backward_elements : b.table->weight_elements),
                   static_cast<std::uint32_t>(p.history_slots)};
  }

  /// What the worker's units take turns in, and what comes from the source.
  void bind_rooms(bound_stage& b) {
    auto const u = static_cast<std::size_t>(b.unit), replica = static_cast<std::size_t>(b.replica);
    std::size_t const q = plan_.queue_of_unit(u);
    b.predicted = at(plan_.predicted(q));
    b.extrapolated = at(plan_.extrapolated(q));
    b.trial = at(plan_.temporary(q));
    if (tables_.policies.microbatch_gradient != nullptr) b.microbatch = at(plan_.microbatch(q));
    bool const host = tables_.device.host_memory, first = tables_.is_first(u), last = tables_.is_last(u);
    if (first)
      b.staging = host ? at(plan_.unit(u).staging) : aligned(host_staging_) + replica * padded(plan_.largest_input());
    if (first && !host) b.host_input = aligned(host_input_) + replica * padded(plan_.input_bytes());
    if (first && tables_.segments > 1)
      b.window =
          host ? at(plan_.unit(u).segments.window) : aligned(host_windows_) + replica * window_bytes(tables_, values_);
    if (!last) return;
    if (tables_.segments > 1)
      b.segment_targets =
          host ? at(plan_.unit(u).segments.part) : aligned(host_parts_) + replica * padded(plan_.target_bytes());
    b.targets = {at(plan_.unit(u).targets), 0, 1};
    if (!host) host_target_ = aligned(host_targets_);
  }

  static void begin_offload(bound_stage& b, schedule::program program) {
    schedule::program_view const v = program.view();
    b.offload->begin(schedule::order_of(v, *schedule::offload_of(v, b.number)));
  }
  /// What it evicts, and the slots of the other rank.
  void bind_evicted(bound_stage& b) {
    auto const s = static_cast<std::size_t>(b.unit);
    evicted_slots const* const x = plan_.evictions().of(s);
    if (x == nullptr) return;
    b.evicted.is = x->evicted;
    for (std::size_t i = 0; i < b.table->tensors.size(); ++i)
      if (ring const& away = tensor_rings_[s].away[i]; away.base != nullptr)
        b.evicted.arrays.push_back({i, plan_.tensor_bytes(b.table->tensors[i]), away});
  }

  std::size_t in_flight(std::size_t s) const {
    return static_cast<std::size_t>(
        plan_.over_phases([&](table::phase_table const& ph) { return ph.facts.stage[s].in_flight; }));
  }

  /// What a unit counts.
  void bind_numbers(bound_stage& b) {
    auto const s = static_cast<std::size_t>(b.unit);
    unit_numbers::sizes n;
    n.in_flight = in_flight(s);
    n.window = static_cast<std::size_t>(plan_.over_phases([&](table::phase_table const& ph) {
      auto const& f = ph.facts.stage[s];
      return std::max({f.in_flight, f.wire_transit, f.wire_kept, f.wire_recompute, f.gradient_transit, f.gradient_kept,
                       f.recompute_transit, f.recompute_kept});
    }));
    for (table::parameter_row const& p : b.table->parameters) n.borrowed += p.kind == table::ownership::borrowed ? 1 : 0;
    n.lengths = plan_.lengths_differ() ? microbatch_lengths::size(values_.microbatch_size) : 0;
    numbers_[s] = unit_numbers(n);
    for (passage const p : {passage::forwarded, passage::returned, passage::freed, passage::rebuilt})
      b.done[static_cast<std::size_t>(p)] = numbers_[s].done(p);
    if (!plan_.lengths_differ()) return;
    b.lengths = {numbers_[s].lengths().data(), values_.microbatch_size, static_cast<std::uint32_t>(n.in_flight)};
    if (!tables_.is_last(s) || tables_.loss.count == nullptr) return;
    std::vector<int>& ahead = ahead_[static_cast<std::size_t>(b.replica)];
    ahead.assign(n.lengths, 0);
    b.ahead = {ahead.data(), values_.microbatch_size, 1};
  }

  table::run_tables const& tables_;
  table::run_values values_;
  std::vector<int> ordinals_;  ///< by worker
  run_plan plan_;
  std::vector<bound_stage> stages_;
  flat_table<unit_numbers> numbers_;
  flat_table<wire_channels> wires_;                           ///< [u]: between units u - 1 and u of one replica
  flat_table<sum_channels> sums_;                             ///< [u * replicas + k]: of gradients, from replica k to unit u
  flat_table<tied_ends> tied_;                                ///< by loan, unit after unit
  std::vector<std::vector<int>> lengths_;                     ///< [u]: beside the wire between u - 1 and u
  std::vector<std::vector<int>> ahead_;                       ///< by replica
  std::vector<std::vector<int>> positions_;                   ///< by unit, where there are replicas: of its microbatches
  flat_table<flat_table<schedule::version_read>> own_reads_;  ///< the same: what they read
  flat_table<tensor_rings> tensor_rings_;                     ///< by unit
  flat_table<transport::bell> bells_;                         ///< by worker
  pool_gates gates_;
  transport::bell elsewhere_;  ///< of who brings messages to other processes
  wire_rings rings_;
  std::vector<owned> arenas_, host_arenas_;  ///< by worker
  unit_queues queues_;
  std::vector<std::byte> host_input_, host_targets_, host_staging_, host_windows_, host_parts_;
  std::byte* host_target_ = nullptr;
  std::size_t allocated_ = 0;
};

}  // namespace foal::executor
