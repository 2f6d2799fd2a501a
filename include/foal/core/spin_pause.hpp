// A hint to the processor that this thread spins.
#pragma once

#include <foal/core/config.hpp>

namespace foal {

inline void spin_pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace foal
