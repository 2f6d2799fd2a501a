#include "watch.hpp"

#include <cstdint>
#include <cstring>
#include <sstream>
#include <vector>

#include "cuda/cuda_runtime.h"
#include "fibre.hpp"
#include "flaws.hpp"
#include "grid.hpp"
#include "memory.hpp"

// Of the linker: the program's own code and data.
extern "C" char const __executable_start, _end;

namespace foal::test::emulation {

namespace {

/// Who touched some bytes of a word, and when.
struct access {
  grid::clock when;
  std::uint8_t bytes = 0;  // a bit each
  bool atomic = false;
};

/// A word of four bytes: its last write and the last reads of two different threads.
struct word {
  std::uintptr_t at = 0;
  unsigned launch = 0;  // of another one's: a free place
  access wrote, read, read_before;
};

/// The words that the kernel has touched, by address: open addressing.
class words {
 public:
  word& operator[](std::uintptr_t at) {
    if (2 * used_ >= table_.size()) grow();
    word& w = place(table_, at);
    if (w.launch != launch_) {
      w = {at, launch_, {}, {}, {}};
      ++used_;
    }
    return w;
  }
  /// Forgets all: what was touched is another kernel's. Launches are counted from 1.
  void begin(unsigned launch) {
    launch_ = launch;
    used_ = 0;
  }

 private:
  word& place(std::vector<word>& table, std::uintptr_t at) const {
    std::size_t i = (at >> 2U) * 0x9e3779b97f4a7c15U >> 20U;
    for (;; ++i) {
      word& w = table[i & (table.size() - 1)];
      if (w.at == at || w.launch != launch_) return w;
    }
  }
  void grow() {
    std::vector<word> larger(table_.size() * 2);
    for (word const& w : table_)
      if (w.launch == launch_) place(larger, w.at) = w;
    table_.swap(larger);
  }

  std::vector<word> table_ = std::vector<word>(std::size_t{1} << 12U);
  std::size_t used_ = 0;
  unsigned launch_ = 0;
};

words touched_words;
unsigned of_launch = 0;
block last_block;

bool in_order(grid::clock const& a, grid::clock const& b, bool shared) {
  if (a.launch != b.launch || (shared && a.block != b.block)) return true;
  if (a.block != b.block) return false;
  if (a.thread == b.thread || a.interval < b.interval) return true;
  return a.thread / 32 == b.thread / 32 && a.warp_interval < b.warp_interval;
}

bool conflict(access const& before, access const& now, bool shared) {
  return (before.bytes & now.bytes) != 0 && !(before.atomic && now.atomic) && !in_order(before.when, now.when, shared);
}

void race(void const* p, access const& before, bool wrote, bool writes) {
  std::ostringstream out;
  out << "a race: thread " << before.when.thread << " of block " << before.when.block << (wrote ? " wrote" : " read")
      << " and " << whereabouts() << (writes ? " writes" : " reads") << " with no barrier between, at " << described(p);
  report(out.str());
}

void watch_word(std::uintptr_t at, std::uint8_t bytes, bool writes, bool atomic, bool shared) {
  grid::clock const when = grid::now();
  if (of_launch != when.launch) {
    touched_words.begin(when.launch);
    of_launch = when.launch;
  }
  word& w = touched_words[at];
  access const now{when, bytes, atomic};
  auto const* const p = reinterpret_cast<void const*>(at);
  if (conflict(w.wrote, now, shared)) race(p, w.wrote, true, writes);
  if (!writes) {
    if (w.read.when.thread != when.thread || w.read.when.block != when.block) w.read_before = w.read;
    w.read = now;
    return;
  }
  if (conflict(w.read, now, shared))
    race(p, w.read, false, true);
  else if (conflict(w.read_before, now, shared))
    race(p, w.read_before, false, true);
  w.wrote = now;
}

void bad_address(void const* p, std::size_t bytes, bool writes) {
  std::ostringstream out;
  out << whereabouts() << (writes ? " writes " : " reads ") << bytes << " bytes that its device does not have, at "
      << described(p);
  report(out.str());
  grid::stop();
}

void watch(void const* p, std::size_t bytes, bool writes, bool atomic) {
  auto const* const at = static_cast<char const*>(p);
  auto const* const byte = static_cast<std::byte const*>(p);
  if (byte >= fibre::stack_begin() && byte < fibre::stack_end()) return;
  bool shared = false;
  if (is_device_memory(p)) {
    if (!last_block.has(p, bytes)) {
      last_block = find(p);
      if (!last_block.has(p, bytes)) return bad_address(p, bytes, writes);
    }
    if (last_block.where == place::device && !reaches(grid::device(), last_block.device))
      return bad_address(p, bytes, writes);
  } else if (at >= &__executable_start && at < &_end) {
    auto const in = [at](auto const& global) {
      return at >= reinterpret_cast<char const*>(&global) && at < reinterpret_cast<char const*>(&global + 1);
    };
    if (in(threadIdx) || in(blockIdx) || in(blockDim) || in(gridDim)) return;
    shared = true;
  } else if (grid::is_dynamic_shared(p)) {
    shared = true;
  } else {
    return bad_address(p, bytes, writes);
  }
  auto const begin = reinterpret_cast<std::uintptr_t>(p);
  for (std::uintptr_t a = begin; a < begin + bytes;) {
    std::uintptr_t const w = a & ~std::uintptr_t{3};
    std::uint8_t mask = 0;
    for (; a < begin + bytes && (a & ~std::uintptr_t{3}) == w; ++a) mask = static_cast<std::uint8_t>(mask | 1U << (a & 3U));
    watch_word(w, mask, writes, atomic, shared);
  }
}

}  // namespace

void touched(void const* p, std::size_t bytes, bool writes, bool atomic) {
  if (in_kernel) {
    pause_watch const paused;
    // A block may be freed between two kernels.
    if (of_launch != grid::now().launch) last_block = {};
    watch(p, bytes, writes, atomic);
  } else if (is_device_memory(p) && find(p).where != place::pinned) {
    std::ostringstream out;
    out << "the host " << (writes ? "writes" : "reads") << " memory of a device itself, at " << described(p);
    report(out.str());
  }
}

}  // namespace foal::test::emulation

using foal::test::emulation::touched;

// What g++ and clang call. The atomics of host code are done as they are.
extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_read1(void* p) { touched(p, 1, false); }
void __tsan_read2(void* p) { touched(p, 2, false); }
void __tsan_read4(void* p) { touched(p, 4, false); }
void __tsan_read8(void* p) { touched(p, 8, false); }
void __tsan_read16(void* p) { touched(p, 16, false); }
void __tsan_write1(void* p) { touched(p, 1, true); }
void __tsan_write2(void* p) { touched(p, 2, true); }
void __tsan_write4(void* p) { touched(p, 4, true); }
void __tsan_write8(void* p) { touched(p, 8, true); }
void __tsan_write16(void* p) { touched(p, 16, true); }
void __tsan_unaligned_read2(void* p) { touched(p, 2, false); }
void __tsan_unaligned_read4(void* p) { touched(p, 4, false); }
void __tsan_unaligned_read8(void* p) { touched(p, 8, false); }
void __tsan_unaligned_read16(void* p) { touched(p, 16, false); }
void __tsan_unaligned_write2(void* p) { touched(p, 2, true); }
void __tsan_unaligned_write4(void* p) { touched(p, 4, true); }
void __tsan_unaligned_write8(void* p) { touched(p, 8, true); }
void __tsan_unaligned_write16(void* p) { touched(p, 16, true); }
void __tsan_volatile_read1(void* p) { touched(p, 1, false); }
void __tsan_volatile_read4(void* p) { touched(p, 4, false); }
void __tsan_volatile_read8(void* p) { touched(p, 8, false); }
void __tsan_volatile_write1(void* p) { touched(p, 1, true); }
void __tsan_volatile_write4(void* p) { touched(p, 4, true); }
void __tsan_volatile_write8(void* p) { touched(p, 8, true); }
void __tsan_read_range(void* p, unsigned long n) { touched(p, n, false); }
void __tsan_write_range(void* p, unsigned long n) { touched(p, n, true); }
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

#define FOAL_EMULATED_ATOMICS(BITS, TYPE)                                                                                  \
  TYPE __tsan_atomic##BITS##_load(TYPE const volatile* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }            \
  void __tsan_atomic##BITS##_store(TYPE volatile* p, TYPE v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }            \
  TYPE __tsan_atomic##BITS##_exchange(TYPE volatile* p, TYPE v, int) {                                                     \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                                    \
  }                                                                                                                        \
  TYPE __tsan_atomic##BITS##_fetch_add(TYPE volatile* p, TYPE v, int) {                                                    \
    return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                                                     \
  }                                                                                                                        \
  TYPE __tsan_atomic##BITS##_fetch_sub(TYPE volatile* p, TYPE v, int) {                                                    \
    return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                                                     \
  }                                                                                                                        \
  TYPE __tsan_atomic##BITS##_fetch_or(TYPE volatile* p, TYPE v, int) { return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST); } \
  TYPE __tsan_atomic##BITS##_fetch_and(TYPE volatile* p, TYPE v, int) {                                                    \
    return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);                                                                     \
  }                                                                                                                        \
  int __tsan_atomic##BITS##_compare_exchange_strong(TYPE volatile* p, TYPE* expected, TYPE v, int, int) {                  \
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                         \
  }                                                                                                                        \
  int __tsan_atomic##BITS##_compare_exchange_weak(TYPE volatile* p, TYPE* expected, TYPE v, int, int) {                    \
    return __atomic_compare_exchange_n(p, expected, v, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                          \
  }
FOAL_EMULATED_ATOMICS(8, unsigned char)
FOAL_EMULATED_ATOMICS(16, unsigned short)
FOAL_EMULATED_ATOMICS(32, unsigned)
FOAL_EMULATED_ATOMICS(64, unsigned long)
#undef FOAL_EMULATED_ATOMICS
}
