// Numbers below the normal range as zero, for a while: on many processors they cost a hundred times as much.
#pragma once

#include <foal/core/config.hpp>

namespace foal {

/// While it lives, this thread takes denormal operands for 0 and gives 0 instead of denormal results (x86: FTZ and DAZ of
/// MXCSR; 64-bit ARM: FZ of FPCR; elsewhere it changes nothing). Its end restores what was before. For one thread.
class flushed_denormals {
 public:
  flushed_denormals() : before_(get()) { set(before_ | flush_); }
  ~flushed_denormals() { set(before_); }
  flushed_denormals(flushed_denormals const&) = delete;

 private:
#if defined(__SSE__)
  using word = unsigned;
  static constexpr word flush_ = 0x8040;
  static word get() { return __builtin_ia32_stmxcsr(); }
  static void set(word w) { __builtin_ia32_ldmxcsr(w); }
#elif defined(__aarch64__)
  using word = unsigned long;
  static constexpr word flush_ = 1UL << 24;
  static word get() {
    word w;
    asm volatile("mrs %0, fpcr" : "=r"(w));
    return w;
  }
  static void set(word w) { asm volatile("msr fpcr, %0" : : "r"(w)); }
#else
  using word = unsigned;
  static constexpr word flush_ = 0;
  static word get() { return 0; }
  static void set(word) {}
#endif

  word before_;
};

}  // namespace foal
