// A device whose ops take given times instead of computing, so that more workers can be run and measured than there are
// cores.
#pragma once

#include <cerrno>
#include <ctime>
#include <string>
#include <vector>

#include <foal/device/host.hpp>

#if defined(__linux__)
#include <sys/prctl.h>
#endif

namespace foal::device {

/// The host, with every F, B, W, BW and U replaced by a wait on the clock. All else is real: program, executor, threads,
/// rings and hand-off, the planned arenas. No sample is read, no number computed, so a run has no losses and its weights
/// stay as they were. A sleeping worker needs no core: 107 workers run on two.
class timed : public host {
 public:
  /// How long ops last, in milliseconds; BW lasts backward_ms + weight_ms. Made for `waits` in lower/wait.hpp.
  struct times {
    double forward_ms = 3, backward_ms = 6, weight_ms = 0, update_ms = 0;
    std::vector<double> stage_factor{};  ///< empty, or per stage what its times are multiplied by

    template <class F>
    constexpr void numbers(F&& f) const {
      f("forward_ms", forward_ms);
      f("backward_ms", backward_ms);
      f("weight_ms", weight_ms);
      f("update_ms", update_ms);
      f("stage_factor", stage_factor);
    }
    /// Throws foal::error unless these times can be those of a model of so many stages.
    void check(int stages) const {
      for (double const ms : {forward_ms, backward_ms, weight_ms, update_ms})
        require(ms >= 0 && ms <= 1e6, "cannot wait ", ms,
                " ms for an op, because times lie between 0 and 1000000 ms; "
                "change .device");
      require(stage_factor.empty() || static_cast<int>(stage_factor.size()) == stages, "cannot give times to ", stages,
              " stages, because .device.stage_factor has ", stage_factor.size(), " entries; give one per stage or none");
      for (double const f : stage_factor)
        require(f >= 0 && f <= 1e3, "cannot multiply a stage's times by ", f,
                ", because factors lie between 0 and 1000; change .device.stage_factor");
    }
  };

  static constexpr std::size_t workspace_bytes = 0;  ///< no op computes

  explicit timed(void* workspace) : host(workspace) {}

  using host::wait;  // for an event

  /// Returns `ms` milliseconds after the call, never before. The deadline is absolute, so a thread that is late to fall
  /// asleep does not wake up later for it. Measured with 107 threads that
  /// wait 3 and 6 ms on 2 cores busy with other work: half of the waits at most 0.04 ms late, nine of ten at most 0.3 ms.
  static void wait(double ms) {
    if (ms <= 0) return;
    timespec deadline{};
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    precise_timers();
    constexpr long second = 1'000'000'000;
    auto const nanoseconds = static_cast<long long>(ms * 1e6) + deadline.tv_nsec;
    deadline.tv_sec += static_cast<std::time_t>(nanoseconds / second);
    deadline.tv_nsec = static_cast<long>(nanoseconds % second);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
    }
  }

 private:
  /// Linux lets timers of a thread run up to 50 us late unless it asks otherwise.
  static void precise_timers() {
#if defined(__linux__)
    thread_local bool const asked = prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL) == 0;
    static_cast<void>(asked);
#endif
  }
};

}  // namespace foal::device
