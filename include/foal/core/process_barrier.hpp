// A memory barrier of all threads of the process at once: who waits for it pays, the others run on as they are.
#pragma once

#include <foal/core/config.hpp>

#if defined(__linux__) && __has_include(<linux/membarrier.h>)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace foal {

namespace detail {

#if defined(__NR_membarrier)
inline bool ask_for_barriers(int command) noexcept { return ::syscall(__NR_membarrier, command, 0, 0) == 0; }
inline bool register_for_barriers() noexcept { return ask_for_barriers(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED); }
inline bool pass_barriers() noexcept { return ask_for_barriers(MEMBARRIER_CMD_PRIVATE_EXPEDITED); }
#else
inline bool register_for_barriers() noexcept { return false; }
inline bool pass_barriers() noexcept { return false; }
#endif

}  // namespace detail

/// Whether the system has process_barrier(). The first call asks it (Linux: membarrier, from 4.14 on) and takes some
/// milliseconds where there are threads already. Any thread.
inline bool has_process_barrier() noexcept {
  static bool const has = detail::register_for_barriers() && detail::pass_barriers();
  return has;
}

/// When it returns true, every thread of the process has passed a full memory barrier since the call, between two of its
/// instructions. So of a thread that stores A and then loads B, in the program's order alone, and one that stores B, calls
/// this, and loads A, one sees what the other has stored. A system call and an interrupt of each processor that runs a
/// thread of the process: some microseconds. False, which nobody may build on: the system refused. Any thread.
inline bool process_barrier() noexcept {
  return detail::pass_barriers() || (detail::register_for_barriers() && detail::pass_barriers());
}

}  // namespace foal
