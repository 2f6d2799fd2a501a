// What the workers of one phase share: its program's numbers, where losses and evaluations go, and where it ends.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <vector>

#include <foal/core/config.hpp>
#include <foal/executor/gradient_norm.hpp>
#include <foal/executor/op_order.hpp>
#include <foal/executor/ops.hpp>
#include <foal/executor/queue_order.hpp>
#include <foal/executor/run_losses.hpp>
#include <foal/executor/whereabouts.hpp>
#include <foal/schedule/op.hpp>

namespace foal::executor {

/// Called after each U of replica 0, by the stage's worker; weights are the stage's, in the layout of its parameters. Must
/// not block.
struct observer {
  void* self = nullptr;
  void (*after_update)(void* self, bound_stage const& stage) = nullptr;
  /// Weight versions that F and B of a microbatch read (of one that runs through replica 0).
  void (*versions)(void* self, int stage, long long microbatch, long long forward, long long backward) = nullptr;
};

/// What the workers of one phase share.
struct phase_state : op_order {
  explicit phase_state(schedule::program_view v) : op_order(v) {}

  /// The units as they begin the phase, or go on with it. Needs tables.
  template <class Memory>
  void serve(Memory& memory, bool global_norm) {
    std::vector<bound_stage>& units = memory.stages();
    stages = &units;
    bells = &memory.bells();
    queues = memory.queues().order();
    for (bound_stage const& b : units)
      if (b.worker >= 0) last_hosted = std::max(last_hosted, b.number);
    for (bound_stage const& b : units)
      if (b.worker >= 0 && b.number == last_hosted) shares_hosted += b.facts.share;
    if (global_norm) norm.begin(units, tables->stages.size());
    gives = global_norm || tables->replicas > 1;
  }

  table::run_tables const* tables = nullptr;
  stage_ops const* ops = nullptr;
  queue_order queues;  ///< between the units of an asynchronous device
  std::vector<bound_stage>* stages = nullptr;
  flat_table<transport::bell>* bells = nullptr;
  int last_hosted = -1;            ///< stage whose F counts for progress: the last one but where other processes have it
  long long shares_hosted = 0;     ///< losses of a minibatch that it adds here
  int microbatches = 1;            ///< N
  long long minibatches = 0;       ///< of this phase
  long long periods = 0;           ///< minibatches + what drains
  long long first_microbatch = 0;  ///< global number of the phase's microbatch 0
  run_losses* losses = nullptr;
  observer watch{};
  gradient_norm norm;  ///< of the whole model, where that clips
  bool gives = false;  ///< a gradient that is complete is for other units as well

  /// Evaluations: when minibatch evaluate_from + evaluate_every, + 2 evaluate_every, ... has had its last U, at each stage
  /// (0: none).
  long long evaluate_every = 0, evaluate_from = 0;
  void (*copy_for_evaluation)(void* self, bound_stage& stage, long long minibatches) = nullptr;
  void* evaluation_self = nullptr;
  std::atomic<long long>* evaluations_done = nullptr;  ///< how many evaluations have been run since the run began
  std::atomic<long long>* copies_made = nullptr;       ///< stage copies since the run began

  // A phase can be cut after any minibatch that the first stage has not begun: the others are trained to their end.
  static constexpr long long no_limit = std::numeric_limits<long long>::max();
  // What every op reads lies apart from what one worker writes again and again.
  alignas(alignment) std::atomic<long long> cut{no_limit};  ///< minibatches after which the phase ends
  std::atomic<long long> admitted{no_limit};                ///< microbatches that may be begun
  std::atomic<long long> held{no_limit};                    ///< the same, while processes agree on a place
  long long most_begun = no_limit / 2;                      ///< in period p none from p + this on has been

  long long from_key = 0;  ///< ops before it have been done before a pause
  /// Key of the first op that failed, or of the place where the run pauses.
  std::atomic<long long> stop_at{no_limit};
  std::atomic<long long> failed_at{no_limit};  ///< the former, in this process

  /// Other processes host ranks too: what is wished for is agreed with them (agreement).
  bool alone = true;
  enum wish { wish_end, wish_pause, wish_cut };
  std::array<std::atomic<bool>, 3> asks{};
  bool pauses_by_wish = false;  ///< all have agreed on a pause; of the calling thread
  /// Minibatches that have been begun, or whose first op asks whether it may; see begin().
  alignas(alignment) std::atomic<long long> begun{0};
  alignas(alignment) std::atomic<long long> microbatches_done{0};  ///< at last_hosted, of the replicas that are here
  /// Of all replicas, where the others are as far.
  long long progress() const {
    long long const done = microbatches_done.load(std::memory_order_relaxed);
    return shares_hosted > 0 ? done * microbatches / shares_hosted : done;
  }

  whereabouts where;
  std::atomic<bool> given_up{false};  ///< it stands still: nothing is waited for any more

  /// F of the last stage here is through with its unit's microbatch m.
  void forwarded(bound_stage const& b, std::uint32_t m) {
    if (b.positions.empty())
      microbatches_done.store(static_cast<long long>(m) + 1, std::memory_order_relaxed);
    else
      microbatches_done.fetch_add(1, std::memory_order_relaxed);
  }
  void stop(long long at) { reduce(stop_at, at); }
  void fail(long long at) {
    reduce(failed_at, at);
    stop(at);
  }
  void give_up() {
    given_up = true;
    stop(0);
  }
  /// Says that a minibatch is about to be begun, the `count`-th of the phase at most. Replicas do so at the same time.
  void begin(long long count) {
    long long before = begun.load(std::memory_order_relaxed);
    while (before < count && !begun.compare_exchange_weak(before, count)) {
    }
  }

  /// Minibatches of the phase, as far as is known.
  long long through() const { return std::min(minibatches, cut.load()); }
  /// Keeps what comes after minibatch `count` from being trained. Needs that none of it has been begun.
  void cut_after(long long count) { reduce(cut, count); }
  /// Lets nothing in from here on. Gives how many minibatches have been begun: whoever asks later is not admitted.
  long long hold() {
    held = 0;
    return begun.load();
  }
  void let_in() {
    held = no_limit;
    ring();
  }
  /// No op at or behind it is of the first `count` minibatches.
  long long key_behind(long long count) const { return (count + periods - minibatches) * keys_of_period(); }

  /// Ends the phase as early as can be, which is a matter of the clock.
  void end_soon() {
    if (!alone) return ask(wish_end);
    cut_after(hold());
    let_in();
  }
  /// The same for a pause; no more than a wish where the phase is over before.
  void pause_soon() {
    if (!alone) return ask(wish_pause);
    stop(key_behind(hold()));
    let_in();
  }
  /// The same for a copy of a run that goes on. False: nothing has been begun since it stopped before, or it is not known
  /// yet whether something has; to be asked again.
  bool stop_soon() {
    if (!alone) {
      ask(wish_cut);
      return false;
    }
    bool const later = stop_behind(hold());
    let_in();
    return later;
  }
  /// Stops behind `count` minibatches, but not at or behind its end. False, and does not: nothing has been begun since it
  /// stopped before.
  bool stop_behind(long long count) {
    long long const at = key_behind(count);
    if (at <= from_key) return false;
    if (at < periods * keys_of_period()) stop(at);
    return true;
  }
  void ring() {
    for (auto& b : *bells) b.ring();
  }

 private:
  void ask(wish what) { asks[static_cast<std::size_t>(what)] = true; }
  void reduce(std::atomic<long long>& limit, long long to) {
    long long before = limit.load();
    while (to < before && !limit.compare_exchange_weak(before, to)) {
    }
    ring();
  }
};

}  // namespace foal::executor
