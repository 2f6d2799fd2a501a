// The periods of a run that are recorded once and done again: where their ops have numbers and data, and their launches.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <exception>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <foal/executor/lengths_in_flight.hpp>
#include <foal/executor/period_places.hpp>
#include <foal/executor/period_undo.hpp>

namespace foal::executor {

/// How a run has done its periods.
struct period_counts {
  long long called = 0, recorded = 0, again = 0;  ///< recorded: and launched
  long long refused = 0;  ///< of those called, for a loss divided by another number, or lengths, than what is recorded

  period_counts& operator+=(period_counts const& other) {
    called += other.called;
    recorded += other.recorded;
    again += other.again;
    refused += other.refused;
    return *this;
  }
};

/// Of the one worker of a run whose phase can be recorded (plan/not_recorded.hpp). A recording holds what the queues of all
/// units do in one period, and is launched in the first unit's, so launches come one after the other, and what is called
/// before and after them is ordered by one event. Every op of a period has a place for its numbers and its data; all places
/// lie together and come to the device in one copy before each launch. Losses and bounds of gradients come back within the
/// recording, and are heard before the next launch.
class recorded_periods {
 public:
  static constexpr int most_refusals = 8;

  /// body: the worker's ops. count: of recordings, one for each way in which addresses come. Throws foal::error where the
  /// device has no memory left.
  recorded_periods(phase_state& shared, run_memory& memory, std::span<worker_op const> body, int count, int ordinal)
      : shared_(shared),
        before_(memory, shared),
        d_(shared.tables->device),
        body_(body),
        graphs_(static_cast<std::size_t>(count)),
        begun_(make_event()),
        launched_(make_event()) {
    for (worker_op const& e : body_)
      if (std::find(units_.begin(), units_.end(), e.unit) == units_.end()) units_.push_back(e.unit);
    updates_.resize(body_.size());
    for (std::size_t i = 0; i < units_.size(); ++i) behind_.push_back(make_event());
    places_ = places_of(shared_, body_);
    for (worker_op const& e : body_) {
      lowest_ = std::min(lowest_, e.microbatch);
      highest_ = std::max(highest_, e.microbatch);
    }
    host_ = {d_.allocate_host(places_.bytes), d_.release_host};
    device_ = {d_.allocate(places_.bytes, ordinal), d_.release};
    places_.place(host_.get(), device_.get());
    find_steady();
    find_span();
  }
  recorded_periods(recorded_periods const&) = delete;
  recorded_periods& operator=(recorded_periods const&) = delete;

  period_counts const& counts() const { return counts_; }
  std::vector<bound_stage*> const& units() const { return units_; }
  /// Of the first period.
  int lowest() const { return lowest_; }
  int highest() const { return highest_; }
  /// Whether it does what all behind it do, and one like it has been called: then libraries have all that they make. None
  /// is once a recording has failed.
  bool steady(long long period) const { return period >= steady_from_ && called_ > 0 && failure_.empty(); }
  /// What was said as a period could not be recorded; empty: that has not been.
  std::string const& failure() const { return failure_; }

  /// A period begins that is called. Needs that the one before has been heard.
  void call(bool whole) {
    ++counts_.called;
    if (whole) ++called_;
    if (!ahead_) return;
    ahead_ = false;
    for (bound_stage* const b : units_) {
      if (b != units_.front()) d_.wait(b->device, launched_.get());
      if (d_.weights_changed != nullptr) d_.weights_changed(b->device);
    }
  }

  /// A period has been done, by calls or by a launch: the lengths of what it took in are known.
  void see_lengths(long long period) {
    if (in_flight_.empty()) return;
    for (std::size_t const i : entries_) {
      worker_op const& e = body_[i];
      in_flight_.see(period * shared_.microbatches + e.microbatch,
                     e.unit->lengths_of(static_cast<std::uint32_t>(period * e.unit->facts.share + e.own)));
    }
  }

  /// Brings the data of a period to the host's places. where(op): its position. False: a loss divides by another number, or
  /// sequences, of microbatches that came before it too, have other lengths than what has been recorded. After
  /// most_refusals of these in a row nothing is, and the next one's are taken.
  template <class Where>
  bool bring_data(long long period, Where const& where) {
    if (is_recorded(period, where)) return refusals_ = 0, true;
    ++counts_.refused;
    if (++refusals_ < most_refusals) return false;
    // The periods before this one have been called, so no launch is at work.
    for (owner& graph : graphs_) graph = owner(nullptr, [](void*) {});
    refusals_ = 0;
    holds_ = false;
    return false;
  }

  /// Does a steady period whose data is there. op(i): calls op i of the body. Gives what it has thrown: then nothing has
  /// been launched, all units are as before, and the period may be called. Itself it throws what the device does then.
  template <class Op>
  std::exception_ptr run(long long period, Op const& op) {
    owner& graph = graphs_[static_cast<std::size_t>(period % static_cast<long long>(graphs_.size()))];
    bool const again = graph != nullptr;
    void* const first = units_.front()->device;
    before_.keep();
    if (!std::exchange(ahead_, true)) gather(first);
    for (bound_stage* const b : units_) b->later->begin_period();
    try {
      if (again)
        call_ops(calling::again, -1, op);
      else
        graph = {record(first, op), d_.destroy_graph};
      d_.copy_in(first, device_.get(), host_.get(), places_.bytes);
      d_.launch(first, graph.get());
    } catch (...) {
      for (bound_stage* const b : units_) b->later->abandon_period();
      before_.restore();
      d_.record(first, launched_.get());  // for call(): behind all that has been called
      if (!again) give_up();
      return std::current_exception();
    }
    d_.record(first, launched_.get());
    ++(again ? counts_.again : counts_.recorded);
    holds_ = true;
    period_ = period;
    waits_ = true;
    return nullptr;
  }
  /// Waits for the launch whose losses and bounds have not been heard. False: there is none.
  bool finish() {
    if (waits_) d_.finish(launched_.get());
    return waits_;
  }
  /// The first op, after finish(), that has moved a statistic to what is not finite; else the number of ops.
  std::size_t refused() const {
    std::size_t i = 0;
    while (i < body_.size() && !(body_[i].kind == schedule::op_kind::F && shared_.ops->moves_statistics(*body_[i].unit) &&
                                 !std::isfinite(places_.of[i].statistics_bound())))
      ++i;
    return i;
  }
  /// Of the period that has been launched: its number, and the updates that an op's unit had had before it.
  long long launched() const { return period_; }
  long long updates_before(std::size_t op) const { return updates_[op]; }
  /// They have.
  void heard() {
    waits_ = false;
    for (bound_stage* const b : units_) b->later->end_period();
  }

 private:
  using owner = std::unique_ptr<void, void (*)(void*)>;
  struct graph_owner : owner {
    graph_owner() : owner(nullptr, [](void*) {}) {}
    using owner::operator=;
  };
  owner make_event() const { return {d_.make_event(), d_.destroy_event}; }

  /// From where on no op reads the version with which the phase began because there is none before it, nor does one of the
  /// period before.
  void find_steady() {
    for (worker_op const& e : body_) {
      version_reader const& read = e.unit->versions;
      auto const n = static_cast<long long>(read.offsets.size());
      if (read.updates == 0 || e.kind == schedule::op_kind::U) continue;
      long long const own = schedule::floor_mod(e.own, static_cast<int>(n)), minibatch = (e.own - own) / n;
      schedule::version_read const& at = read.offsets[static_cast<std::size_t>(own)];
      long long const least = std::min({at.forward, at.backward, at.recompute});
      steady_from_ = std::max(steady_from_, (-least + read.updates - 1) / read.updates - minibatch + 1);
    }
  }

  /// F of the first stage, and how far behind them other ops of the period are.
  void find_span() {
    for (std::size_t i = 0; i < body_.size(); ++i)
      if (body_[i].kind == schedule::op_kind::F && body_[i].unit->number == 0) entries_.push_back(i);
    if (entries_.empty() || body_[entries_.front()].unit->lengths.empty()) return;
    in_flight_ = {shared_.microbatches, body_[entries_.front()].microbatch - lowest_};
  }
  /// The place of the one that takes in the j-th microbatch of a period. There is one.
  op_place const& entry(int j) const {
    return places_.of[*std::find_if(entries_.begin(), entries_.end(), [&](std::size_t i) {
      return schedule::floor_mod(body_[i].microbatch, shared_.microbatches) == j;
    })];
  }
  long long first_entry_of(long long period) const {
    return entries_.empty() ? 0 : period * shared_.microbatches + body_[entries_.front()].microbatch;
  }

  /// What has been called in any queue is done before what comes in the first one.
  void gather(void* first) {
    for (std::size_t i = 1; i < units_.size(); ++i) {
      d_.record(units_[i]->device, behind_[i].get());
      d_.wait(first, behind_[i].get());
    }
  }
  template <class Where>
  bool is_recorded(long long period, Where const& where) {
    for (std::size_t i = 0; i < body_.size(); ++i) {
      bound_stage& b = *body_[i].unit;
      bool const reads = b.number == 0 || b.number + 1 == static_cast<int>(shared_.tables->stages.size());
      if (body_[i].kind != schedule::op_kind::F || !reads) continue;
      if (!shared_.ops->bring_data(b, where(body_[i]), places_.of[i], !holds_)) return false;
    }
    return in_flight_.same(first_entry_of(period), [this](int j) { return entry(j).lengths; });
  }
  /// Within a catch. Nothing is recorded from here on.
  void give_up() {
    failure_ = "a device has not recorded them";
    try {
      throw;
    } catch (std::exception const& e) {
      failure_ = e.what();
    } catch (...) {  // it says nothing
    }
  }
  template <class Op>
  void* record(void* first, Op const& op) {
    d_.begin_recording(first);
    try {
      d_.record(first, begun_.get());
      for (std::size_t i = 1; i < units_.size(); ++i) d_.wait(units_[i]->device, begun_.get());
      call_ops(calling::recorded, ++recordings_, op);
      gather(first);
    } catch (...) {
      try {
        d_.destroy_graph(d_.end_recording(first));
      } catch (error const&) {  // what has been thrown says more
      }
      throw;
    }
    return d_.end_recording(first);
  }
  template <class Op>
  void call_ops(calling how, long long recording, Op const& op) {
    struct of_order {
      long long& recording;
      ~of_order() { recording = 0; }
    } const reset{shared_.queues.recording};
    shared_.queues.recording = recording;
    for (std::size_t i = 0; i < body_.size(); ++i) {
      later& l = *body_[i].unit->later;
      updates_[i] = body_[i].unit->updates;
      l.enter(how, places_.of[i]);
      try {
        op(i);
      } catch (...) {
        l.leave();
        throw;
      }
      l.leave();
    }
  }

  inline static std::atomic<long long> recordings_{0};  ///< events know by it whose they are, whatever run is theirs

  phase_state& shared_;
  period_undo before_;
  table::device_functions const& d_;
  std::span<worker_op const> body_;
  period_places places_;
  std::vector<bound_stage*> units_;
  std::vector<long long> updates_;    ///< by op: of its unit, before it
  std::vector<std::size_t> entries_;  ///< numbers of the ops that take microbatches in
  lengths_in_flight in_flight_;
  long long period_ = 0;
  int lowest_ = std::numeric_limits<int>::max(), highest_ = std::numeric_limits<int>::min();
  long long steady_from_ = 1, called_ = 0;
  owner host_{nullptr, [](void*) {}}, device_{nullptr, [](void*) {}};
  std::vector<graph_owner> graphs_;
  owner begun_, launched_;
  std::vector<owner> behind_;  ///< by unit
  bool ahead_ = false, waits_ = false;
  bool holds_ = false;  ///< places have the lengths, and what losses divide by, of what is recorded
  int refusals_ = 0;    ///< in a row
  std::string failure_;
  period_counts counts_;
};

}  // namespace foal::executor
