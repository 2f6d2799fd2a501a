#include "grid.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <vector>

#include "cuda/cuda_runtime.h"
#include "fibre.hpp"
#include "flaws.hpp"
#include "watch.hpp"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace foal::test::emulation {

thread_local bool in_kernel = false;
void set_in_kernel(bool value) { in_kernel = value; }

namespace {

constexpr unsigned warp = 32;
constexpr unsigned most_threads = 1024;

enum class state { ready, at_block, at_warp, ended };

struct thread {
  fibre stack;
  uint3 index;
  state now = state::ready;
  unsigned lanes = 0;  // whom it waits for in its warp
  bool value = false;  // what it says in a vote
  unsigned asks = 0;   // of an exchange: the lane whose value it gets
  bool given = false;  // that lane takes part
  std::array<std::byte, 16> gives{}, gets{};
};

struct running {
  kernel_call const* call = nullptr;
  std::vector<thread> threads;
  std::vector<std::byte> shared;
  std::vector<unsigned> warp_intervals;
  std::vector<unsigned> votes;  // of a warp: lanes that said yes
  unsigned current = 0, interval = 0, launch = 0, block = 0;
  int said_any = 0, said_all = 1, said_count = 0;  // of the barrier that is being reached
  int got_any = 0, got_all = 1, got_count = 0;     // of the last one
  bool stopped = false;
};

running now_running;

unsigned size_of(extent3 const& e) { return e.x * e.y * e.z; }

void body() { now_running.call->body(); }

void say(std::string const& what) {
  std::ostringstream out;
  out << what << " (" << whereabouts() << ")";
  report(out.str());
}

/// Frees those who have reached what they wait for. False where nobody can go on.
bool release() {
  running& r = now_running;
  bool freed = false;
  unsigned at_block = 0, ended = 0;
  for (thread const& t : r.threads) at_block += t.now == state::at_block, ended += t.now == state::ended;
  if (at_block + ended == r.threads.size() && at_block > 0) {
    if (ended > 0)
      say("a barrier of the block is reached by some of its threads alone: " + std::to_string(ended) + " have ended");
    for (thread& t : r.threads)
      if (t.now == state::at_block) t.now = state::ready;
    ++r.interval;
    for (unsigned& w : r.warp_intervals) ++w;
    r.got_any = r.said_any, r.got_all = r.said_all, r.got_count = r.said_count;
    r.said_any = 0, r.said_all = 1, r.said_count = 0;
    return true;
  }
  for (unsigned first = 0; first < r.threads.size(); first += warp) {
    for (unsigned l = 0; l < warp && first + l < r.threads.size(); ++l) {
      thread const& asks = r.threads[first + l];
      if (asks.now != state::at_warp) continue;
      bool all_here = true;
      unsigned yes = 0;
      for (unsigned k = 0; k < warp; ++k) {
        if ((asks.lanes >> k & 1U) == 0) continue;
        bool const here = first + k < r.threads.size() && r.threads[first + k].now == state::at_warp &&
                          r.threads[first + k].lanes == asks.lanes;
        all_here = all_here && here;
        if (here && r.threads[first + k].value) yes |= 1U << k;
      }
      if (!all_here) continue;
      unsigned const lanes = asks.lanes;
      for (unsigned k = 0; k < warp; ++k) {
        if ((lanes >> k & 1U) == 0) continue;
        thread& t = r.threads[first + k];
        t.now = state::ready;
        // Now, for whoever goes on may give anew before all have read.
        t.given = (lanes >> t.asks & 1U) != 0;
        t.gets = r.threads[t.given ? first + t.asks : first + k].gives;
      }
      r.votes[first / warp] = yes;
      ++r.warp_intervals[first / warp];
      freed = true;
    }
  }
  return freed;
}

bool run_block() {
  running& r = now_running;
  auto const n = static_cast<unsigned>(r.threads.size());
  for (thread& t : r.threads) t.now = state::ready;
  std::memset(r.shared.data(), 0xff, r.shared.size());
  unsigned left = n;
  while (left > 0) {
    // From any thread on, up or down: what a kernel gives must not depend on it.
    auto const start = static_cast<unsigned>(random_below(n));
    bool const up = random_below(2) == 0;
    bool went = false;
    unsigned next = start;
    for (unsigned i = 0; i < n; ++i) {
      unsigned const at = next;
      if (up)
        next = at + 1 == n ? 0 : at + 1;
      else
        next = at == 0 ? n - 1 : at - 1;
      thread& t = r.threads[at];
      if (t.now != state::ready) continue;
      r.current = at;
      threadIdx = t.index;
      went = true;
      if (t.stack.enter(&body)) t.now = state::ended, --left;
      if (r.stopped) return false;
    }
    if (left > 0 && !release() && !went) {
      say("the threads of a block wait for each other for ever");
      return false;
    }
  }
  return true;
}

}  // namespace

bool run(kernel_call const& call) {
  running& r = now_running;
  r.call = &call;
  ++r.launch;
  r.stopped = false;
  unsigned const threads = size_of(call.shape.block);
  if (threads == 0 || threads > most_threads || size_of(call.shape.grid) == 0) {
    report("a kernel has blocks of " + std::to_string(threads) + " threads: " + call.name);
    return false;
  }
  r.threads = std::vector<thread>(threads);
  extent3 const& e = call.shape.block;
  for (unsigned t = 0; t < threads; ++t) r.threads[t].index = {t % e.x, t / e.x % e.y, t / (e.x * e.y)};
  r.shared.assign(call.shape.shared_bytes, std::byte{});
  r.warp_intervals.assign((threads + warp - 1) / warp, 0);
  r.votes.assign(r.warp_intervals.size(), 0);
  blockDim = {call.shape.block.x, call.shape.block.y, call.shape.block.z};
  gridDim = {call.shape.grid.x, call.shape.grid.y, call.shape.grid.z};
  unsigned const blocks = size_of(call.shape.grid);
  auto const start = static_cast<unsigned>(random_below(blocks));
  bool all = true;
  for (unsigned i = 0; i < blocks && all; ++i) {
    r.block = (start + i) % blocks;
    extent3 const& g = call.shape.grid;
    blockIdx = {r.block % g.x, r.block / g.x % g.y, r.block / (g.x * g.y)};
    ++r.interval;
    for (unsigned& w : r.warp_intervals) ++w;
    all = run_block();
  }
  for (thread& t : r.threads) t.stack.abandon();
  r.call = nullptr;
  return all;
}

std::string whereabouts() {
  running const& r = now_running;
  std::ostringstream out;
  out << "thread " << r.current << " of block " << r.block << " of " << (r.call == nullptr ? "no kernel" : r.call->name);
  return out.str();
}

int block_barrier(vote kind, int value) {
  pause_watch const paused;
  running& r = now_running;
  r.said_any |= value != 0;
  r.said_all &= value != 0;
  r.said_count += value != 0;
  r.threads[r.current].now = state::at_block;
  fibre::leave();
  switch (kind) {
    case vote::any:
      return r.got_any;
    case vote::all:
      return r.got_all;
    case vote::count:
      return r.got_count;
    case vote::none:
      break;
  }
  return 0;
}

namespace {

/// warp_vote() from inside.
unsigned meet(unsigned lanes, bool value) {
  running& r = now_running;
  thread& t = r.threads[r.current];
  if ((lanes >> r.current % warp & 1U) == 0) say("a thread waits for lanes of its warp that it is not one of");
  t.lanes = lanes;
  t.value = value;
  t.now = state::at_warp;
  fibre::leave();
  return r.votes[r.current / warp];
}

}  // namespace

unsigned warp_vote(unsigned lanes, bool value) {
  pause_watch const paused;
  return meet(lanes, value);
}

void warp_exchange(unsigned lanes, int from, void const* in, void* out, std::size_t bytes) {
  pause_watch const paused;
  thread& t = now_running.threads[now_running.current];
  std::memcpy(t.gives.data(), in, bytes);
  t.asks = static_cast<unsigned>(from) % warp;
  meet(lanes, false);
  if (!t.given) say("a thread reads a lane of its warp that does not take part");
  std::memcpy(out, t.gets.data(), bytes);
}

void begin_atomic(void* p, void* value, std::size_t bytes) {
  touched(p, bytes, true, true);
  std::memcpy(value, p, bytes);
}
void end_atomic(void* p, void const* value, std::size_t bytes) { std::memcpy(p, value, bytes); }

void* dynamic_shared() { return now_running.shared.data(); }

namespace grid {

clock now() {
  running const& r = now_running;
  return {r.launch, r.block, r.current, r.interval, r.warp_intervals[r.current / warp]};
}
int device() { return now_running.call->device; }

bool is_dynamic_shared(void const* p) {
  auto const& s = now_running.shared;
  auto const* const at = static_cast<std::byte const*>(p);
  return !s.empty() && at >= s.data() && at < s.data() + s.size();
}

void stop() {
  now_running.stopped = true;
  fibre::leave();
  std::abort();
}

}  // namespace grid

}  // namespace foal::test::emulation
