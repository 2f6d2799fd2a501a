// What looks at a worker's ops as they run, and changes nothing of them: spans of the calls, spans of what an asynchronous
// device did, ranges that a profiler shows.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <foal/executor/bound_stage.hpp>
#include <foal/report/trace.hpp>
#include <foal/schedule/op.hpp>

namespace foal::executor {

/// Called around each op's calls by its worker, on the thread that runs it; both or none. microbatch: in the run. Must not
/// block and must not throw.
struct op_ranges {
  void* self = nullptr;
  void (*begin)(void* self, schedule::op_kind kind, int stage, int replica, long long microbatch) = nullptr;
  void (*end)(void* self) = nullptr;
};

/// Times of one trace, in nanoseconds.
inline long long trace_clock() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

/// A point in a queue of a device that tells when it was done, and when that was by trace_clock().
class device_origin {
 public:
  /// Waits for what has been called of `queue`, a device object.
  device_origin(table::device_functions const& d, void* queue) : event_(d.make_timed_event(), d.destroy_timed_event) {
    d.record(queue, event_.get());
    d.finish(event_.get());
    at_ns_ = trace_clock();
  }
  /// Of another event of the device's, which must be done. Devices count in float: 1e-7 of the time in between.
  long long time_of(table::device_functions const& d, void const* event) const {
    return at_ns_ + std::llround(1e6 * d.milliseconds(event_.get(), event));
  }

 private:
  std::unique_ptr<void, void (*)(void*)> event_;
  long long at_ns_ = 0;
};

/// The ops of one worker's units as their queues did them: an event before each and one behind it. They are read when their
/// place is needed again, and by hear(). Once made it waits for nothing and allocates nothing: an op that finds no event is
/// counted as dropped.
class device_lane {
 public:
  static constexpr std::size_t most_places = 8192;

  /// queue: a device object of the worker's device, and no other thread's meanwhile; to: takes the spans, by the unit's
  /// number as their lane; ordinal: of the device.
  device_lane(table::device_functions const& d, void* queue, device_origin const& origin, int ordinal,
              report::trace_buffer& to, std::size_t places)
      : d_(d), origin_(origin), ordinal_(ordinal), to_(to) {
    for (std::size_t i = 0; i < std::min(places, most_places); ++i) places_.push_back({make(queue), make(queue), {}});
  }

  /// Before the op's own calls, after what its queue waits for.
  void begin(bound_stage const& b) {
    open_ = !places_.empty() && (given_ - read_ < places_.size() || hear_one());
    if (open_) d_.record(b.device, place(given_).begin.get());
  }
  void end(bound_stage const& b, report::span s) {
    if (!std::exchange(open_, false)) return to_.drop();
    d_.record(b.device, place(given_).end.get());
    s.device = ordinal_;
    s.lane = b.unit;
    place(given_++).of = s;
  }
  /// Takes those that are done, the oldest first.
  void hear() {
    while (read_ != given_ && hear_one()) {
    }
  }

 private:
  using event = std::unique_ptr<void, void (*)(void*)>;
  struct one_op {
    event begin, end;
    report::span of;
  };
  /// Recorded once, because a device may make what is behind an event at its first record.
  event make(void* queue) const {
    event made(d_.make_timed_event(), d_.destroy_timed_event);
    d_.record(queue, made.get());
    return made;
  }
  one_op& place(std::size_t i) { return places_[i % places_.size()]; }
  bool hear_one() {
    one_op& next = place(read_);
    if (!d_.done(next.end.get())) return false;
    next.of.begin_ns = origin_.time_of(d_, next.begin.get());
    next.of.end_ns = origin_.time_of(d_, next.end.get());
    to_.add(next.of);
    ++read_;
    return true;
  }

  table::device_functions const& d_;
  device_origin const& origin_;
  int ordinal_;
  report::trace_buffer& to_;
  std::vector<one_op> places_;
  std::size_t given_ = 0, read_ = 0;
  bool open_ = false;  ///< begin() has found a place
};

/// What one worker's ops are looked at by.
struct op_watch {
  report::trace_buffer* trace = nullptr;
  device_lane* lane = nullptr;
  op_ranges ranges{};

  explicit operator bool() const { return trace != nullptr || lane != nullptr || ranges.begin != nullptr; }

  /// waits(): what the op's queue waits for before it. run(): its calls. s: all but the times.
  template <class Waits, class Run>
  void around(bound_stage const& b, schedule::op_kind kind, report::span s, Waits waits, Run run) const {
    range const open(ranges, kind, b, s.microbatch);
    s.begin_ns = trace_clock();
    waits();
    if (lane != nullptr) lane->begin(b);
    run();
    if (lane != nullptr) lane->end(b, s);
    s.end_ns = trace_clock();
    if (trace != nullptr) trace->add(s);
  }

 private:
  struct range {
    op_ranges const& of;
    range(op_ranges const& r, schedule::op_kind kind, bound_stage const& b, long long microbatch) : of(r) {
      if (of.begin != nullptr) of.begin(of.self, kind, b.number, b.replica, microbatch);
    }
    range(range const&) = delete;
    range& operator=(range const&) = delete;
    ~range() {
      if (of.begin != nullptr) of.end(of.self);
    }
  };
};

/// Those of a phase, by worker. Not copied or moved: workers point into it.
class op_watches {
 public:
  /// traces: null, or a buffer a worker; ordinal(worker): of its device.
  template <class Ordinal>
  op_watches(table::device_functions const& d, std::span<bound_stage const> units, int workers, report::trace* traces,
             op_ranges ranges, Ordinal ordinal)
      : all_(static_cast<std::size_t>(workers)) {
    for (op_watch& w : all_) w.ranges = ranges;
    if (traces == nullptr) return;
    for (int w = 0; w < workers; ++w) all_[static_cast<std::size_t>(w)].trace = &(*traces)[w];
    if (d.milliseconds == nullptr) return;
    std::vector<device_origin const*> of_ordinal;
    for (bound_stage const& b : units) {
      if (b.worker < 0 || all_[static_cast<std::size_t>(b.worker)].lane != nullptr) continue;
      auto const device = static_cast<std::size_t>(ordinal(b.worker));
      of_ordinal.resize(std::max(of_ordinal.size(), device + 1));
      device_origin const*& origin = of_ordinal[device];
      if (origin == nullptr) origin = origins_.emplace_back(std::make_unique<device_origin>(d, b.device)).get();
      report::trace_buffer& to = traces->device_lanes(b.worker);
      lanes_.push_back(
          std::make_unique<device_lane>(d, b.device, *origin, static_cast<int>(device), to, traces->capacity()));
      all_[static_cast<std::size_t>(b.worker)].lane = lanes_.back().get();
    }
  }
  op_watches(op_watches const&) = delete;
  op_watches& operator=(op_watches const&) = delete;

  /// Of a worker; null where nothing looks.
  op_watch const* of(int worker) const {
    op_watch const& w = all_[static_cast<std::size_t>(worker)];
    return w ? &w : nullptr;
  }
  /// The workers have ended, and their queues are done.
  void hear() const {
    for (auto const& l : lanes_) l->hear();
  }

 private:
  std::vector<op_watch> all_;
  std::vector<std::unique_ptr<device_origin>> origins_;
  std::vector<std::unique_ptr<device_lane>> lanes_;
};

}  // namespace foal::executor
