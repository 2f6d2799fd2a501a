#include "queues.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "flaws.hpp"

namespace foal::test::emulation {

namespace {

struct all_queues {
  std::vector<CUstream_st*> streams;
  CUstream_st null_stream;
  CUstream_st* last = nullptr;  ///< looked for, never followed
  int captures = 0;
  cudaError_t failed = cudaSuccess;
  long long done = 0;  ///< ops, of all queues
};

all_queues& all() {
  static all_queues one;
  return one;
}

CUstream_st& queue_of(cudaStream_t stream) { return stream == nullptr ? all().null_stream : *stream; }

void do_work(std::function<cudaError_t()> const& work) {
  if (!work || sticky() != cudaSuccess) return;  // after a failure a GPU does nothing more
  if (cudaError_t const bad = work(); bad != cudaSuccess) fail(bad);
}

bool ready(queued const& q) { return q.waits == nullptr || q.waits->done; }

void do_node(queued& q) {
  std::vector<std::size_t> able;
  for (std::size_t i = 0; i < q.graph->size(); ++i) {
    auto const& after = (*q.graph)[i].after;
    bool const before_done =
        std::all_of(after.begin(), after.end(), [&q](std::size_t k) { return q.graph_done.count(k) != 0; });
    if (q.graph_done.count(i) == 0 && before_done) able.push_back(i);
  }
  std::size_t const i = able[random_below(able.size())];
  do_work((*q.graph)[i].work);
  q.graph_done.insert(i);
}

/// One op of a stream that has one that may go; false where none has.
bool step() {
  std::vector<CUstream_st*> able;
  auto const look = [&able](CUstream_st& s) {
    if (!s.queue.empty() && ready(s.queue.front())) able.push_back(&s);
  };
  look(all().null_stream);
  for (CUstream_st* s : all().streams) look(*s);
  if (able.empty()) return false;
  // Mostly the stream of the op before: one that runs far ahead of the others finds the event that is missing.
  bool const stays = std::find(able.begin(), able.end(), all().last) != able.end() && random_below(16) != 0;
  if (!stays) all().last = able[random_below(able.size())];
  CUstream_st& s = *all().last;
  queued& q = s.queue.front();
  ++all().done;
  if (q.graph != nullptr && q.graph_done.size() < q.graph->size()) {
    do_node(q);
    if (q.graph_done.size() < q.graph->size()) return true;
  } else {
    do_work(q.work);
  }
  if (q.sets != nullptr) *q.sets = {true, all().done};
  s.queue.pop_front();
  return true;
}

}  // namespace

void call_lock::pause() {
  int const held = held_;
  for (int i = 0; i < held; ++i) unlock();
  std::this_thread::sleep_for(std::chrono::microseconds(100));
  for (int i = 0; i < held; ++i) lock();
}
call_lock& calls() {
  static call_lock one;
  return one;
}

cudaError_t enqueue(cudaStream_t stream, std::function<cudaError_t()> work) {
  if (sticky() != cudaSuccess) return sticky();
  CUstream_st& s = queue_of(stream);
  if (s.capturing != nullptr) {
    capture& c = *s.capturing;
    if (c.broken) return cudaErrorStreamCaptureInvalidated;
    c.nodes.push_back({std::move(work), s.last});
    s.last = {c.nodes.size() - 1};
    return cudaSuccess;
  }
  s.queue.push_back({.work = std::move(work)});
  return cudaSuccess;
}

void enqueue_wait(cudaStream_t stream, std::shared_ptr<point const> p) {
  queue_of(stream).queue.push_back({.work = {}, .waits = std::move(p)});
}
int& open_meetings() {
  static int open = 0;
  return open;
}

int device_of(cudaStream_t stream) { return queue_of(stream).device; }
bool captured_now() { return all().captures > 0; }
bool is_capturing(cudaStream_t stream) { return queue_of(stream).capturing != nullptr; }

bool finish(point const& p) {
  int pauses = 0;
  while (!p.done) {
    if (step()) continue;
    if (open_meetings() == 0) return false;
    if (++pauses > most_pauses) {
      report("a stream waits for a message that nobody sends or receives");
      return false;
    }
    calls().pause();
  }
  return true;
}

void finish_all() {
  while (step()) {
  }
}

void go_on() {
  for (std::uint64_t n = random_below(3); n > 0 && step(); --n) {
  }
}

cudaError_t sticky() { return all().failed; }
void fail(cudaError_t error) {
  if (error == cudaSuccess || all().failed == cudaSuccess) all().failed = error;
}

}  // namespace foal::test::emulation

using namespace foal::test::emulation;

namespace {

using lock = std::lock_guard<call_lock>;

/// A call that waits, or touches what a capture must not: it ends the capture as a failure.
bool breaks_capture(CUstream_st& s) {
  if (s.capturing == nullptr) return false;
  s.capturing->broken = true;
  return true;
}

std::shared_ptr<point> mark(CUstream_st& s) {
  auto p = std::make_shared<point>();
  s.queue.push_back({.work = {}, .waits = nullptr, .sets = p});
  return p;
}

}  // namespace

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  lock const held(calls());
  *stream = new CUstream_st;
  cudaGetDevice(&(*stream)->device);
  all().streams.push_back(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  lock const held(calls());
  auto& streams = all().streams;
  auto const at = std::find(streams.begin(), streams.end(), stream);
  if (at == streams.end()) {
    report("a stream is destroyed that is none");
    return cudaErrorInvalidResourceHandle;
  }
  finish(*mark(*stream));  // what is in it is still done
  streams.erase(at);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  lock const held(calls());
  CUstream_st& s = queue_of(stream);
  if (breaks_capture(s)) return cudaErrorStreamCaptureUnsupported;
  finish(*mark(s));
  return sticky();
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  lock const held(calls());
  CUstream_st& s = queue_of(stream);
  if (breaks_capture(s)) return cudaErrorStreamCaptureUnsupported;
  go_on();
  if (sticky() != cudaSuccess) return sticky();
  return s.queue.empty() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaDeviceSynchronize() {
  lock const held(calls());
  if (captured_now()) return cudaErrorStreamCaptureUnsupported;
  finish_all();
  return sticky();
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  lock const held(calls());
  CUstream_st& s = queue_of(stream);
  if (event->capturing != nullptr) {
    if (s.capturing == nullptr) {  // joins
      s.capturing = event->capturing;
      s.last.clear();
      event->capturing->streams.insert(&s);
    } else if (s.capturing != event->capturing) {
      s.capturing->broken = event->capturing->broken = true;
      return cudaErrorStreamCaptureInvalidated;
    }
    s.last.insert(event->nodes.begin(), event->nodes.end());
    return cudaSuccess;
  }
  if (breaks_capture(s)) return cudaErrorStreamCaptureInvalidated;  // waits for what is not in the graph
  if (event->recorded != nullptr) s.queue.push_back({.work = {}, .waits = event->recorded});
  return sticky();
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  lock const held(calls());
  return enqueue(stream, [function, data] {
    function(data);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  *event = new CUevent_st;
  (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  cudaGetDevice(&(*event)->device);
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  lock const held(calls());
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  lock const held(calls());
  CUstream_st& s = queue_of(stream);
  if (event->device != s.device) return cudaErrorInvalidResourceHandle;
  if (s.capturing != nullptr) {
    event->capturing = s.capturing;
    event->nodes = s.last;
    return cudaSuccess;
  }
  event->capturing = nullptr;
  event->recorded = mark(s);
  return sticky();
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  lock const held(calls());
  if (event->capturing != nullptr) return cudaErrorStreamCaptureUnsupported;
  go_on();
  if (sticky() != cudaSuccess) return sticky();
  return event->recorded == nullptr || event->recorded->done ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  lock const held(calls());
  if (event->capturing != nullptr) return cudaErrorStreamCaptureUnsupported;
  if (event->recorded != nullptr) finish(*event->recorded);
  return sticky();
}

cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  lock const held(calls());
  if (sticky() != cudaSuccess) return sticky();
  for (cudaEvent_t e : {from, to})
    if (e == nullptr || !e->timed || e->recorded == nullptr || e->device != from->device)
      return cudaErrorInvalidResourceHandle;
  if (!from->recorded->done || !to->recorded->done) return cudaErrorNotReady;
  *ms = static_cast<float>(to->recorded->at - from->recorded->at) * 1e-3F;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  lock const held(calls());
  if (stream == nullptr) return cudaErrorStreamCaptureUnsupported;
  if (stream->capturing != nullptr) return cudaErrorInvalidValue;
  stream->capturing = std::make_shared<capture>();
  stream->capturing->origin = stream;
  stream->capturing->streams.insert(stream);
  stream->last.clear();
  ++all().captures;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  lock const held(calls());
  *graph = nullptr;
  if (stream == nullptr || stream->capturing == nullptr) return cudaErrorInvalidValue;
  auto const c = stream->capturing;
  if (c->origin != stream) return cudaErrorStreamCaptureUnmatched;
  // Every node must be one that the end of the origin comes after.
  std::set<std::size_t> reached;
  std::vector<std::size_t> open(stream->last.begin(), stream->last.end());
  while (!open.empty()) {
    std::size_t const i = open.back();
    open.pop_back();
    if (!reached.insert(i).second) continue;
    open.insert(open.end(), c->nodes[i].after.begin(), c->nodes[i].after.end());
  }
  for (CUstream_st* s : c->streams) {
    s->capturing = nullptr;
    s->last.clear();
  }
  --all().captures;
  if (c->broken) return cudaErrorStreamCaptureInvalidated;
  if (reached.size() != c->nodes.size()) return cudaErrorStreamCaptureUnjoined;
  *graph = new CUgraph_st{c->nodes};
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  lock const held(calls());
  CUstream_st& s = queue_of(stream);
  *status = s.capturing == nullptr ? cudaStreamCaptureStatusNone
            : s.capturing->broken  ? cudaStreamCaptureStatusInvalidated
                                   : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = new CUgraphExec_st{std::make_shared<std::vector<node> const>(graph->nodes)};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  lock const held(calls());
  CUstream_st& s = queue_of(stream);
  if (breaks_capture(s)) return cudaErrorStreamCaptureUnsupported;
  if (!exec->nodes->empty()) s.queue.push_back({.work = {}, .waits = nullptr, .sets = nullptr, .graph = exec->nodes});
  return sticky();
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
