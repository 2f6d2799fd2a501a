// Runs a kernel on the CPU: blocks one after another, the threads of a block as fibres that change places at barriers.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace foal::test::emulation {

struct extent3 {
  unsigned x = 1, y = 1, z = 1;
};

struct grid_shape {
  extent3 grid, block;
  std::size_t shared_bytes = 0;  ///< dynamic shared memory
};

/// A kernel with its arguments.
struct kernel_call {
  grid_shape shape;
  int device = 0;
  std::string name;
  std::function<void()> body;  ///< calls it, on the fibre of every thread, with in_kernel set meanwhile
};

/// Runs it to its end. False where it was stopped, at an address that is no memory or where its threads wait for each other
/// for ever; the reason is reported.
bool run(kernel_call const& call);

/// Where a thread of a kernel is, for reports: "thread 3 of block 2 of softmax_kernel".
std::string whereabouts();

// What a thread of a kernel calls.
enum class vote { none, any, all, count };
/// __syncthreads(), and those that give what all threads of the block say together.
int block_barrier(vote kind, int value);
/// Waits for the lanes in `lanes`; gives those whose value is not 0.
unsigned warp_vote(unsigned lanes, bool value);
/// Waits for the lanes; `out` gets the `bytes` bytes (16 at most) that lane `from` gave as `in`.
void warp_exchange(unsigned lanes, int from, void const* in, void* out, std::size_t bytes);
/// Dynamic shared memory of the block.
void* dynamic_shared();
/// Reads and writes a word, watched as an atomic.
void begin_atomic(void* p, void* value, std::size_t bytes);
void end_atomic(void* p, void const* value, std::size_t bytes);

namespace grid {

/// What the thread that runs has been ordered by: accesses are in order where a barrier lies between them.
struct clock {
  unsigned launch = 0, block = 0, thread = 0, interval = 0, warp_interval = 0;
};
clock now();
int device();
/// Whether an address is dynamic shared memory.
bool is_dynamic_shared(void const* p);
/// Ends the kernel from one of its threads; does not return.
[[noreturn]] void stop();

}  // namespace grid

/// This OS thread runs code of a kernel, and none of the emulation's own.
extern thread_local bool in_kernel;
void set_in_kernel(bool value);  ///< for code that is watched itself

/// Of the emulation's own code that a kernel calls. What both are compiled from, std::string perhaps, is watched too.
struct pause_watch {
  pause_watch() { in_kernel = false; }
  pause_watch(pause_watch const&) = delete;
  ~pause_watch() { in_kernel = true; }
};

}  // namespace foal::test::emulation
