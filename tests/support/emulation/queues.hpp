// Streams, events and graphs: queues whose ops are done when somebody waits, in an order that the seed chooses among those
// that the queues and their events allow.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cuda/cuda_runtime_api.h"

namespace foal::test::emulation {

/// A point in a queue: done when all before it is.
struct point {
  bool done = false;
  long long at = 0;  ///< how many ops of all queues had been done then: the emulation's time, a microsecond each
};

/// An op with the ops before it, of a graph that is being captured.
struct node {
  std::function<cudaError_t()> work;
  std::set<std::size_t> after;
};

/// Ops that were captured together.
struct capture {
  std::vector<node> nodes;
  bool broken = false;
  CUstream_st* origin = nullptr;
  std::set<CUstream_st*> streams;  ///< that take part
};

struct queued {
  std::function<cudaError_t()> work;             ///< may be empty
  std::shared_ptr<point const> waits = nullptr;  ///< is not begun before
  std::shared_ptr<point> sets = nullptr;
  std::shared_ptr<std::vector<node> const> graph = nullptr;  ///< in place of work
  std::set<std::size_t> graph_done = {};
};

/// A mutex that its holder may lock again, and leave to others for a moment however often it holds it.
class call_lock {
 public:
  void lock() {
    mutex_.lock();
    ++held_;
  }
  void unlock() {
    --held_;
    mutex_.unlock();
  }
  void pause();

 private:
  std::recursive_mutex mutex_;
  int held_ = 0;  ///< by its holder
};
inline constexpr int most_pauses = 100000;  ///< 10 seconds at least

/// Held by whoever calls; ops are done under it.
call_lock& calls();

/// Adds work to a stream, or to the graph that it is captured into. `device`: of the stream.
cudaError_t enqueue(cudaStream_t stream, std::function<cudaError_t()> work);
/// What comes after it in the stream waits for p.
void enqueue_wait(cudaStream_t stream, std::shared_ptr<point const> p);
/// How many ops of streams wait for other threads' calls.
int& open_meetings();
int device_of(cudaStream_t stream);
/// Refuses what must not be called while any stream is captured. what: its name.
bool captured_now();
bool is_capturing(cudaStream_t stream);

/// Does ops until the point is done; false where nothing can be done, which no program can bring about.
bool finish(point const& p);
/// Does everything that was enqueued.
void finish_all();
/// Does a few ops, perhaps none.
void go_on();

/// The first failure of an op, which every later call gives, as on a GPU; reset() takes it back.
cudaError_t sticky();
void fail(cudaError_t error);

}  // namespace foal::test::emulation

struct CUstream_st {
  int device = 0;
  std::deque<foal::test::emulation::queued> queue;
  std::shared_ptr<foal::test::emulation::capture> capturing;
  std::set<std::size_t> last;  ///< nodes that the next one comes after
};
struct CUevent_st {
  int device = 0;
  bool timed = true;
  std::shared_ptr<foal::test::emulation::point> recorded;     ///< null: never, which counts as done
  std::shared_ptr<foal::test::emulation::capture> capturing;  ///< recorded in a captured stream
  std::set<std::size_t> nodes;
};
struct CUgraph_st {
  std::vector<foal::test::emulation::node> nodes;
};
struct CUgraphExec_st {
  std::shared_ptr<std::vector<foal::test::emulation::node> const> nodes;
};
