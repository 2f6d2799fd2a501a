// Binds threads to CPUs, where the system knows how.
#pragma once

#include <algorithm>
#include <thread>

#include <foal/core/config.hpp>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace foal::executor {

/// Of those that there are; where the system does not say how many, of one.
inline unsigned cpu_of(int number, unsigned cpus) { return static_cast<unsigned>(number) % std::max(1U, cpus); }

/// Binds the calling thread to one CPU. Gives false where the system refuses, or has no way to.
inline bool pin_to_cpu([[maybe_unused]] int cpu) {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu_of(cpu, std::thread::hardware_concurrency()), &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
#else
  return false;
#endif
}

/// The calling thread on one CPU, and then on those that it had before: for a thread that is the user's.
class pinned {
 public:
  explicit pinned(int cpu) {
#if defined(__linux__)
    known_ = pthread_getaffinity_np(pthread_self(), sizeof before_, &before_) == 0;
#endif
    pin_to_cpu(cpu);
  }
  pinned(pinned const&) = delete;
  pinned& operator=(pinned const&) = delete;
  ~pinned() {
#if defined(__linux__)
    if (known_) pthread_setaffinity_np(pthread_self(), sizeof before_, &before_);
#endif
  }

 private:
#if defined(__linux__)
  cpu_set_t before_{};
  bool known_ = false;
#endif
};

}  // namespace foal::executor
