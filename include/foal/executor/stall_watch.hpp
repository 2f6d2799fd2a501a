// Notices that a run stands still. It looks at the clock, and nothing of the run depends on it.
#pragma once

#include <chrono>

#include <foal/core/config.hpp>

namespace foal::executor {

class stall_watch {
 public:
  explicit stall_watch(double patience) : patience_(patience) {}

  /// Gives, at most ten times a second, for how many seconds `done` has been the same, once these are more than the
  /// patience; else 0. now: seconds.
  double seconds(long long done, double now = clock()) {
    double const still = standing(done, now);
    if (still == 0 || now - told_ < 0.1) return 0;
    told_ = now;
    return still;
  }
  /// The same, as often as it is asked.
  double standing(long long done, double now) {
    if (done != done_ || since_ < 0) {
      done_ = done;
      since_ = now;
      told_ = now;
    }
    return now - since_ < patience_ ? 0 : now - since_;
  }
  /// What has just been done took its time, and was told.
  void restart() { since_ = -1; }

 private:
  static double clock() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  double patience_, since_ = -1, told_ = 0;
  long long done_ = -1;
};

}  // namespace foal::executor
