// A record of what every worker really did and when, written without locks or allocation while it trains.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include <foal/core/config.hpp>
#include <foal/core/flat_table.hpp>

namespace foal::report {

/// One op on one worker, or in a queue of a device. Times in nanoseconds of one clock for all workers.
struct span {
  int worker = 0, rank = 0, stage = 0;
  int lane = 0;           ///< ops of different lanes of a rank may overlap; on a device its unit, whose ops do not
  char const* kind = "";  ///< the op's name; must outlive the trace (schedule::name gives such)
  long long microbatch = 0;
  long long begin_ns = 0, end_ns = 0;
  long long version = 0;  ///< the weight version that the op read (or, for U, made)
  int device = -1;        ///< what its queue did, as the device of this number tells; -1: the worker's calls
};

/// The spans of one worker, in storage of fixed size. One thread adds; any thread may read size, dropped and what lies below
/// size meanwhile. When full, further spans are counted and left out.
class alignas(alignment) trace_buffer {
 public:
  trace_buffer() = default;
  explicit trace_buffer(std::size_t capacity) : spans_(capacity) {}

  void add(span const& s) noexcept {
    std::size_t const at = size_.load(std::memory_order_relaxed);
    if (at == spans_.size()) {
      return drop();
    }
    spans_[at] = s;
    size_.store(at + 1, std::memory_order_release);
  }

  /// One more that is left out. By the thread that adds: a plain add would do, the atomic is for the readers.
  void drop() noexcept { dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }

  std::size_t size() const noexcept { return size_.load(std::memory_order_acquire); }
  long long dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }
  std::span<span const> spans() const noexcept { return {spans_.data(), size()}; }

  /// Forgets everything. Not while another thread adds.
  void clear() noexcept {
    size_.store(0, std::memory_order_relaxed);
    dropped_.store(0, std::memory_order_relaxed);
  }

 private:
  friend class trace;
  std::vector<span> spans_;
  std::atomic<std::size_t> size_ = 0;
  std::atomic<long long> dropped_ = 0;
};

/// A buffer for every worker of a run, and one for what the queues of its device did, where that tells.
class trace {
 public:
  trace(int workers, std::size_t capacity_per_worker)
      : capacity_(capacity_per_worker),
        buffers_(static_cast<std::size_t>(std::max(workers, 0))),
        devices_(static_cast<std::size_t>(std::max(workers, 0))) {
    for (trace_buffer& buffer : buffers_) buffer.spans_.resize(capacity_per_worker);
  }

  int workers() const { return static_cast<int>(buffers_.size()); }
  std::size_t capacity() const { return capacity_; }  ///< of each buffer
  trace_buffer& operator[](int worker) { return buffers_[static_cast<std::size_t>(worker)]; }
  /// The buffer of the queues of a worker's units; the first call allocates. Not while another thread uses the trace.
  trace_buffer& device_lanes(int worker) {
    trace_buffer& buffer = devices_[static_cast<std::size_t>(worker)];
    buffer.spans_.resize(capacity_);
    return buffer;
  }

  long long dropped() const {
    long long sum = 0;
    for (auto const* all : {&buffers_, &devices_})
      for (auto const& buffer : *all) sum += buffer.dropped();
    return sum;
  }

  /// All workers' spans by (worker, begin, end, rank, lane).
  std::vector<span> spans() const { return spans_of(buffers_); }
  /// What the queues of units did, in the same order: on an asynchronous device the workers' spans are the calls alone.
  std::vector<span> device_spans() const { return spans_of(devices_); }
  /// Both, for trace_json().
  std::vector<span> all_spans() const {
    std::vector<span> all = spans(), more = device_spans();
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

 private:
  static std::vector<span> spans_of(flat_table<trace_buffer> const& buffers) {
    std::vector<span> all;
    for (auto const& buffer : buffers) all.insert(all.end(), buffer.spans().begin(), buffer.spans().end());
    std::stable_sort(all.begin(), all.end(), [](span const& a, span const& b) {
      return std::tie(a.worker, a.begin_ns, a.end_ns, a.rank, a.lane) <
             std::tie(b.worker, b.begin_ns, b.end_ns, b.rank, b.lane);
    });
    return all;
  }

  std::size_t capacity_;
  flat_table<trace_buffer> buffers_, devices_;
};

/// The spans between the first backward of stage 0 and its last forward, where a pipeline is full: without a run's fill and
/// drain, which say nothing of a longer run. All of them where stage 0 has no backward.
inline std::vector<span> full_pipeline(std::vector<span> spans) {
  constexpr long long none = std::numeric_limits<long long>::max();
  long long begin = none, end = -none;
  for (span const& s : spans) {
    std::string_view const kind = s.kind;
    if (s.stage != 0) continue;
    if (kind == "B" || kind == "BW") begin = std::min(begin, s.begin_ns);
    if (kind == "F") end = std::max(end, s.end_ns);
  }
  if (begin != none) std::erase_if(spans, [&](span const& s) { return s.begin_ns < begin || s.end_ns > end; });
  return spans;
}

/// The part of the time from the first begin to the last end in which the workers were at work, 0 to 1; 0 for no spans.
/// Spans of one worker must not overlap.
inline double busy_share(std::span<span const> spans, int workers) {
  if (spans.empty() || workers < 1) return 0;
  long long first = spans[0].begin_ns, last = spans[0].end_ns, busy = 0;
  for (span const& s : spans) {
    first = std::min(first, s.begin_ns);
    last = std::max(last, s.end_ns);
    busy += s.end_ns - s.begin_ns;
  }
  return last > first ? static_cast<double>(busy) / (static_cast<double>(last - first) * workers) : 0.0;
}

}  // namespace foal::report
