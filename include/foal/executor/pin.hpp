// Binds threads to CPUs, where the system knows how.
#pragma once

#include <foal/core/config.hpp>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>

#include <thread>
#endif

namespace foal::executor {

/// Binds the calling thread to one CPU. Gives false where the system refuses, or has no way to.
inline bool pin_to_cpu([[maybe_unused]] int cpu) {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu) % std::thread::hardware_concurrency(), &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
#else
  return false;
#endif
}

}  // namespace foal::executor
