// Plans the memory of a run: every buffer of every stage and worker, and how many slots each ring has.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include <foal/plan/check_sizes.hpp>
#include <foal/plan/elsewhere.hpp>
#include <foal/plan/forms.hpp>
#include <foal/plan/inputs.hpp>
#include <foal/plan/kept.hpp>
#include <foal/plan/lent.hpp>
#include <foal/plan/not_recorded.hpp>
#include <foal/plan/offloads.hpp>
#include <foal/plan/rank_pools.hpp>
#include <foal/plan/recordable_slots.hpp>
#include <foal/plan/segments.hpp>
#include <foal/plan/shared_wires.hpp>
#include <foal/plan/step_block.hpp>
#include <foal/plan/temporaries.hpp>
#include <foal/plan/trial.hpp>
#include <foal/plan/unit_plan.hpp>

namespace foal::executor {

/// The plan of a run, and the sizes that go with it. Allocates nothing.
class run_plan {
 public:
  /// worker_of: of each rank, 0 to values.workers - 1, ascending; hosted_by() of those that another process hosts.
  run_plan(table::run_tables const& tables, table::run_values const& values, std::vector<int> worker_of)
      : tables_(tables),
        values_(values),
        worker_of_(std::move(worker_of)),
        plan_(values.workers),
        shared_(tables_, worker_of_, values.workers, values.microbatches) {
    check_sizes(tables_, values_.microbatch_size, slots_at_once(tables_, values_), ".microbatch_size or .microbatches");
    make_plan();
  }

  memory_plan const& memory() const { return plan_; }
  unit_plan const& unit(std::size_t u) const { return unit_[u]; }
  int worker_of_rank(int rank) const { return worker_of_[static_cast<std::size_t>(rank)]; }
  /// Whether the unit's memory is here.
  bool hosts(std::size_t u) const { return worker_of_unit(u) >= 0; }
  int worker_of_unit(std::size_t u) const { return worker_of_[static_cast<std::size_t>(tables_.rank_of[u])]; }
  template <class F>
  int over_phases(F f) const {
    int most = 0;
    for (auto const& p : tables_.phases) most = std::max(most, f(p));
    return most;
  }
  /// Whether the lengths of inputs may differ from microbatch to microbatch.
  bool lengths_differ() const { return longest_of(tables_) != lengths_of_axes{}; }
  /// Of one array of a delay policy that has arrays.
  std::size_t delay_state_bytes(std::size_t s) const {
    return bytes_of(tables_.types.delay,
                    unit_[s].delay_packed ? tables_.of_unit(s).backward_elements : tables_.of_unit(s).trained_elements);
  }
  /// Of one slot of a unit's gradients.
  std::size_t gradient_bytes(std::size_t s) const {
    std::size_t const one = bytes_of(tables_.types.gradients, tables_.of_unit(s).gradient_elements);
    return sum_slots(tables_) > 1 ? padded(one) : one;
  }
  std::size_t weight_bytes(long long elements) const { return bytes_of(tables_.types.weights, elements); }
  std::size_t tensor_bytes(table::tensor const& x) const { return x.bytes(values_.microbatch_size); }
  std::size_t wire_bytes(table::wire_entry const& e) const { return e.bytes(values_.microbatch_size); }
  std::size_t input_bytes() const { return largest_input() * static_cast<std::size_t>(values_.microbatch_size); }
  std::size_t largest_input() const { return executor::largest_input(tables_); }
  std::size_t target_bytes() const { return executor::target_bytes(tables_, values_); }
  rank_pools const& pools() const { return pools_; }
  run_evictions const& evictions() const { return evictions_; }
  run_offloads const& offloads() const { return offloads_; }
  /// Of a ring of its own.
  int kept_slots(std::size_t s, table::tensor const& x) const {
    if (offload_slots const* const o = offloads_.of(s)) return o->device;
    return over_phases([&](table::phase_table const& ph) {
      auto const& f = ph.facts.stage[s];
      return slots_until(s, x.last, x.last == until::W ? f.saved_peak : f.saved_peak_b);
    });
  }
  /// Where W takes a minibatch at once, the slots of its microbatches must be neighbours.
  int slots_until(std::size_t s, until last, int needed) const {
    int const n = tables_.phases.back().facts.stage[s].share;
    if (records_) return recordable_slots(n, needed);  // then nothing is thick
    return tables_.thick && last == until::W ? (needed + n - 1) / n * n : needed;
  }

  /// The entry of a ring, and where in it the ring begins.
  std::pair<std::size_t, std::size_t> found(planned_ring const& p) const {
    if (!p.shares) return {p.entry, p.offset};
    return {wires_[static_cast<std::size_t>(shared_.worker(p.number))], shared_.offset(p.number)};
  }

  /// Queues of ops: what is done in one is done in its order. One for each worker, or, where ops are done later than they
  /// return, for each unit.
  std::size_t queues() const { return asynchronous() ? tables_.units() : static_cast<std::size_t>(values_.workers); }
  std::size_t queue_of_unit(std::size_t u) const { return asynchronous() ? u : static_cast<std::size_t>(worker_of_unit(u)); }
  /// The worker that calls a queue; negative: it is not here.
  int worker_of_queue(std::size_t q) const { return asynchronous() ? worker_of_unit(q) : static_cast<int>(q); }

  // Of each queue.
  std::size_t temporary(std::size_t queue) const { return temporary_[queue]; }
  std::size_t workspace(std::size_t queue) const { return workspace_[queue]; }
  std::size_t predicted(std::size_t queue) const { return predicted_[queue]; }
  std::size_t extrapolated(std::size_t queue) const { return extrapolated_[queue]; }
  std::size_t microbatch(std::size_t queue) const { return microbatch_[queue]; }
  /// Of the queue of messages, with worker 0: where ops are done later than they return and another process hosts a unit.
  std::optional<std::size_t> message_workspace() const { return messages_; }

 private:
  bool asynchronous() const { return tables_.device.asynchronous; }

  void make_plan() {
    unit_ = flat_table<unit_plan>(tables_.units());
    offloads_.plan(tables_);
    evictions_.plan(tables_, worker_of_, [this](std::size_t s) { return slack(s) > 0; });
    plan_pools();
    std::vector<std::size_t> temporary(queues(), 0), predicted(temporary), extrapolated(temporary), microbatch(temporary);
    for (std::size_t s = 0; s < unit_.size(); ++s) {
      table::stage_table const& t = tables_.of_unit(s);
      unit_plan& p = unit_[s];
      if (!hosts(s)) {
        plan_wires(s, p);
        p.lent = plan_lent(tables_, plan_, s, [this](std::size_t u) { return worker_of_unit(u); });
        continue;
      }
      int const worker = worker_of_unit(s), number = static_cast<int>(tables_.stage_of(s));
      std::size_t const i = queue_of_unit(s);
      auto const add = [&](char const* what, category c, element type, long long n) {
        return plan_.add(what, c, worker, number, bytes_of(type, n), type);
      };
      table::element_types const& types = tables_.types;

      p.w = add("weights", category::weights, types.weights, t.weight_elements);
      p.forms = plan_device_form(tables_, plan_, tables_.stage_of(s), worker);
      bool const trains = !tables_.phases.back().inference;
      // In as many slots as a sum may come after its update.
      p.g = plan_.add("gradients", category::gradients, worker, number, trains ? sum_slots(tables_) * gradient_bytes(s) : 0,
                      types.gradients);
      p.buffers = add("statistics", category::statistics, types.statistics, t.buffer_elements);
      for (int k = 0; trains && k < tables_.policies.optimizer_states; ++k)
        p.states[k] = add("optimizer state", category::optimizer, types.optimizer, state_elements(tables_, s, k));

      if (asynchronous())
        p.block = plan_.add("numbers of ops", category::temporaries, worker, number,
                            block_of(tables_, tables_.stage_of(s), values_.microbatches).bytes);

      auto const& last = tables_.phases.back().facts.stage[s];
      bool const recomputed = last.head >= 0;
      bool const packed = !tables_.policies.delay_on_all && !recomputed;  // R reads every parameter
      p.delay_packed = packed;
      p.delay_acts = delay_acts(tables_, tables_.stage_of(s));
      p.has_delay_states = tables_.policies.delay_states > 0 && p.delay_acts && delay_state_bytes(s) > 0;
      for (int k = 0; k < tables_.policies.delay_states; ++k)
        p.delay_states[k] = plan_.add("delay state", category::delta, worker, number,
                                      p.has_delay_states ? delay_state_bytes(s) : 0, types.delay);
      for (table::form const& f : forms_of(tables_, tables_.stage_of(s))) {
        std::size_t& room = (f.what == table::form::kind::predicted ? predicted : extrapolated)[i];
        room = std::max(room, f.bytes());
      }

      bool const then = tables_.policies.microbatch_gradient != nullptr;  // it reads every weight that F has read
      if (then) microbatch[i] = std::max(microbatch[i], bytes_of(types.gradients, t.gradient_elements));
      // Of B's old versions only what it reads is kept; F and R read everything.
      p.history_packed = !then;
      p.history_slots = over_phases([&](table::phase_table const& ph) {
        schedule::kept_versions const& kept = ph.reads.kept[tables_.stage_of(s)];
        p.history_packed = p.history_packed && !kept.forward && !kept.recompute;
        return kept.copies_of(then);
      });
      p.history = add("old weight versions", category::stash, types.weights,
                      p.history_slots * (p.history_packed ? t.backward_elements : t.weight_elements));

      if (evicted_slots const* const x = evictions_.of(s))
        p.away = plan_away(t, values_.microbatch_size, plan_, worker_of_rank(x->to), number, x->away);
      plan_wires(s, p);
      if (tables_.is_last(s)) plan_loss(s, p, worker);
      plan_kept(
          tables_, values_.microbatch_size, plan_, s, worker, evictions_.of(s), p,
          [&](std::size_t x) {
            pool_place const at = pools_.tensor(t.tensors[x], s, x);
            return at.pool < 0 ? planned_ring{} : in_pool(at);
          },
          [&](table::tensor const& x) { return kept_slots(s, x); });
      plan_offloaded(tables_, values_.microbatch_size, plan_, s, worker, offloads_.of(s), p);
      p.lent = plan_lent(tables_, plan_, s, [this](std::size_t u) { return worker_of_unit(u); });
      if (trains) p.sums = plan_sums(tables_, plan_, s, worker, [this](std::size_t u) { return hosts(u); });
      if (trains && tables_.replica.of_weights()) p.reference = plan_reference(tables_, plan_, s, worker);
      if (tables_.is_last(s)) {
        int const slots = tables_.device.host_memory ? target_slots(tables_, values_) : 1;
        p.targets = plan_.add("targets", category::wires, worker, number, target_bytes() * static_cast<std::size_t>(slots));
      }
      p.segments = plan_segments(tables_, values_, plan_, s, worker, target_bytes());
      if (tables_.is_first(s))
        p.staging = plan_.add("one input sample", category::temporaries, worker, number, largest_input(), types.activations);
      std::size_t const placed = place_temporaries(tables_, values_.microbatch_size, s, p.temporary, p.transient);
      temporary[i] = std::max({temporary[i], placed, trains ? update_bytes(tables_, t) : std::size_t{0}});
    }
    for (std::size_t i = 0; i < queues(); ++i) {
      int const w = worker_of_queue(i), s = asynchronous() ? static_cast<int>(tables_.stage_of(i)) : -1;
      auto const add = [&](char const* what, category c, std::size_t bytes, element type) {
        return w < 0 ? 0 : plan_.add(what, c, w, s, bytes, type);
      };
      temporary_.push_back(add("temporaries of ops", category::temporaries, temporary[i], element::bytes));
      workspace_.push_back(add("library workspace", category::temporaries, tables_.device.workspace_bytes, element::bytes));
      predicted_.push_back(add(name(table::form::kind::predicted), category::forms, predicted[i], tables_.types.weights));
      microbatch_.push_back(add("gradient of a microbatch", category::gradients, microbatch[i], tables_.types.gradients));
      if (!asynchronous())
        wires_.push_back(add("wires within the worker", category::wires, shared_.place(w), element::bytes));
      extrapolated_.push_back(
          add(name(table::form::kind::extrapolated), category::forms, extrapolated[i], tables_.types.weights));
    }
    if (asynchronous() && std::any_of(worker_of_.begin(), worker_of_.end(), [](int w) { return w < 0; }))
      messages_ = plan_.add("workspace of messages", category::temporaries, 0, -1, tables_.device.workspace_bytes);
  }

  void plan_pools() {
    if (asynchronous()) return;
    auto const& facts = tables_.phases.back().facts.stage;
    pools_.plan(
        tables_, worker_of_, plan_,
        [this](std::size_t s) { return evictions_.of(s) != nullptr || offloads_.of(s) != nullptr; },
        [&](std::size_t s, std::size_t e) {
          std::size_t const one = wire_bytes(tables_.of_unit(s).wire_in[e]);
          int const slots = slack(s) + facts[s].wire_kept;
          return pooled_array{s, e, one, slots, std::min(facts[s].saved_peak, slots), until::W, slack(s) > 0};
        },
        [&](std::size_t s, std::size_t e) {
          bool const last = tables_.is_last(s);
          table::stage_table const& t = tables_.of_unit(s);
          int const slots = facts[s].gradient_kept + (last ? 0 : slack(s + 1));
          std::size_t const one = last ? tensor_bytes(t.tensors[static_cast<std::size_t>(t.loss_gradient_tensor)])
                                       : wire_bytes(tables_.of_unit(s + 1).wire_in[e]);
          return pooled_array{s, e, one, slots, 0, until::W, !last && slack(s + 1) > 0};
        },
        [&](std::size_t s, std::size_t x) {
          table::tensor const& y = tables_.of_unit(s).tensors[x];
          int const slots = kept_slots(s, y);
          return pooled_array{s, x, tensor_bytes(y), slots, slots, y.last == until::W ? until::W : until::B, false};
        });
  }
  planned_ring in_pool(pool_place const& at) const {
    rank_pool const& p = pools_.all()[static_cast<std::size_t>(at.pool)];
    return {p.entry, false, 0, at.offset, p.slots.of[static_cast<std::size_t>(at.block)].place};
  }

  /// Slots that the wire into a stage has beyond what the program needs. The program counts in slots of equal length; in
  /// time a backward lasts longer than the forward beside it, and with not one slot to spare between two workers each waits
  /// in every period for the other to give its slot back. Segments give theirs back together, with the last one.
  int slack(std::size_t s) const { return !tables_.is_first(s) && !same_queue(s - 1, s) ? tables_.segments : 0; }
  bool same_queue(std::size_t s, std::size_t t) const { return !asynchronous() && worker_of_unit(s) == worker_of_unit(t); }

  /// The worker in whose memory a wire into stage `to` lies: the receiver's, or, where another process hosts that, the
  /// sender's, which keeps there what is to be sent. -1: it does not pass here.
  int worker_of_wire(std::size_t to, std::size_t from) const {
    return hosts(to) ? worker_of_unit(to) : worker_of_unit(from);
  }

  /// Slots of a ring at the receiver, or, where another process hosts that, at the sender: there one is on its way while the
  /// next is written, and only those that leave out of their order have to wait for each other.
  int slots_at(std::size_t to, std::size_t from, schedule::op_kind sends, int needed) const {
    return hosts(to) || over_phases([&](table::phase_table const& ph) {
                          schedule::program program = ph.program;
                          return in_order(program.view(), static_cast<int>(from), sends) ? 0 : 1;
                        }) > 0
               ? needed
               : 2;
  }

  // What B or W needs of a wire is a saved activation of the receiving stage; the slot in which it travels is the wire's.
  void plan_wires(std::size_t s, unit_plan& p) {
    using schedule::op_kind;
    bool const first = tables_.is_first(s);
    int const unit = static_cast<int>(s), number = static_cast<int>(tables_.stage_of(s)),
              worker = worker_of_wire(s, first ? s : s - 1);
    if (worker < 0) return;
    for (table::wire_entry const& e : tables_.of_unit(s).wire_in) {
      std::size_t const one = wire_bytes(e);
      offload_slots const* const offloaded = offloads_.of(s);
      bool const kept = e.last != until::forward && offloaded == nullptr;
      int const needed = slack(s) + over_phases([&](table::phase_table const& ph) {
                           auto const& f = ph.facts.stage[s];
                           return kept ? f.wire_kept : std::max(f.wire_transit, f.wire_recompute);
                         });
      int const slots =
          first && offloaded != nullptr ? offloaded->device : slots_at(s, s - 1, op_kind::F, slots_until(s, e.last, needed));
      int const saved = !hosts(s) ? 0 : over_phases([&](table::phase_table const& ph) {
        auto const& f = ph.facts.stage[s];
        if (f.head == number) return kept ? f.in_flight : f.wire_recompute;
        return kept && f.head < 0 ? f.saved_peak : 0;
      });
      if (pool_place const at = pools_.place(pooled::activations, s, p.wires.size()); at.pool >= 0) {
        add_pooled(p, in_pool(at));
        if (!first) plan_gradient(s, e);
        continue;
      }
      char const* const what = e.entry == 0 ? "activations from the stage before" : "skip from the stage before";
      if (evicted_slots const* const x = evictions_.of(s); x != nullptr && kept) {
        add_pooled(p, plan_ring(what, worker, s, {one, x->wire, std::min(x->here, x->wire), stored_as(tables_, e)}));
        p.evicted_wires.resize(p.wires.size());
        p.evicted_wires.back() = evict(p.wires.back(), p.away, *x, true, one);
        p.wire_slots.back() = static_cast<int>(x->evicted.size());
        if (!first) plan_gradient(s, e);
        continue;
      }
      p.wires.push_back(!first && !kept && saved == 0 && within(s, slots)
                            ? share(worker, {op_kind::F, unit - 1}, {op_kind::F, unit}, one)
                            : plan_ring(what, worker, s, {one, slots, std::min(saved, slots), stored_as(tables_, e)}));
      p.wire_slots.push_back(slots);
      int const messages = over_phases([&](table::phase_table const& ph) {
        auto const& f = ph.facts.stage[s];
        return kept ? f.recompute_kept : f.recompute_transit;
      });
      int const saved_again = kept && hosts(s) ? over_phases([&](table::phase_table const& ph) {
        return ph.facts.stage[s].recompute_kept > 0 ? ph.facts.stage[s].saved_peak : 0;
      })
                                               : 0;
      int const rebuilt_slots =
          messages > 0 ? slots_at(s, s - 1, op_kind::R, slots_until(s, e.last, messages + slack(s))) : 0;
      p.rebuilt.push_back(
          !kept && within(s, rebuilt_slots)
              ? share(worker, {op_kind::R, unit - 1}, {op_kind::R, unit}, one)
              : plan_ring("activations recomputed by the stage before", worker, s,
                          {one, rebuilt_slots, std::min(saved_again, rebuilt_slots), stored_as(tables_, e)}));
      p.rebuilt_slots.push_back(rebuilt_slots);
      if (!first) plan_gradient(s, e);
    }
  }

  /// The gradient of an entry of the wire into a stage lies with the stage that receives it: the one before.
  void plan_gradient(std::size_t s, table::wire_entry const& e) {
    using schedule::op_kind;
    int const unit = static_cast<int>(s), worker = worker_of_wire(s - 1, s);
    unit_plan& below = unit_[s - 1];
    if (pool_place const at = pools_.place(pooled::gradients, s - 1, below.gradients.size()); at.pool >= 0)
      return add_pooled_gradient(below, in_pool(at));
    std::size_t const one = wire_bytes(e);
    int const needed = slack(s) + over_phases([&](table::phase_table const& ph) {
                         auto const& f = ph.facts.stage[s - 1];
                         return e.gradient_last == until::W ? f.gradient_kept : f.gradient_transit;
                       });
    int const back = slots_at(s - 1, s, op_kind::B, slots_until(s - 1, e.gradient_last, needed));
    below.gradients.push_back(e.gradient && e.gradient_last != until::W && within(s, back)
                                  ? share(worker, {op_kind::B, unit}, {op_kind::B, unit - 1}, one)
                                  : plan_ring("gradients from the stage after", worker, s - 1,
                                              {e.gradient ? one : 0, back, 0, stored_as(tables_, e)}));
    below.gradient_slots.push_back(back);
  }

  void plan_loss(std::size_t s, unit_plan& p, int worker) {
    using schedule::op_kind;
    int const unit = static_cast<int>(s);
    table::stage_table const& t = tables_.of_unit(s);
    if (pool_place const at = pools_.place(pooled::gradients, s, 0); at.pool >= 0)
      return add_pooled_gradient(p, in_pool(at));
    auto const& loss = t.tensors[static_cast<std::size_t>(t.loss_gradient_tensor)];
    int const slots = slots_until(s, loss.last, over_phases([&](table::phase_table const& ph) {
                                    auto const& f = ph.facts.stage[s];
                                    return loss.last == until::W ? f.gradient_kept : f.gradient_transit;
                                  }));
    p.gradients.push_back(
        loss.last != until::W && slots == 1 && !asynchronous()
            ? share(worker, {op_kind::F, unit}, {op_kind::B, unit}, tensor_bytes(loss))
            : plan_ring("gradient of the loss", worker, s, {tensor_bytes(loss), slots, 0, stored_as(tables_, loss)}));
    p.gradient_slots.push_back(slots);
  }

  /// The wire into a stage holds one microbatch, and one queue writes and reads it.
  bool within(std::size_t s, int slots) const { return slots == 1 && !tables_.is_first(s) && same_queue(s - 1, s); }
  planned_ring share(int worker, shared_wires::end from, shared_wires::end to, std::size_t bytes) {
    return {0, true, shared_.add(worker, from, to, bytes), 0, {}};
  }

  planned_ring plan_ring(char const* what, int worker, std::size_t unit, ring_size const& r) {
    int const number = static_cast<int>(tables_.stage_of(unit));
    auto const add = [&](category c, int slots) {
      return plan_.add(what, c, worker, number, static_cast<std::size_t>(slots) * padded(r.one), r.type);
    };
    std::size_t const id = add(category::saved, r.saved);
    add(category::wires, r.slots - r.saved);
    return {id, false, 0, 0, {}};
  }

  table::run_tables const& tables_;
  table::run_values values_;
  std::vector<int> worker_of_;
  bool records_ = may_record(tables_, values_, worker_of_);
  memory_plan plan_;
  shared_wires shared_;
  flat_table<unit_plan> unit_;
  rank_pools pools_;
  run_evictions evictions_;
  run_offloads offloads_;
  std::vector<std::size_t> temporary_, workspace_, predicted_, extrapolated_, microbatch_, wires_;
  std::optional<std::size_t> messages_{};
};

}  // namespace foal::executor
