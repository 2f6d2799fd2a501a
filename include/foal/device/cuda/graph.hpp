// Ops that are recorded once and done as often as they are launched.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

#include <foal/device/cuda/stream.hpp>

namespace foal::device::cuda_ops {

/// What streams were asked for while it was recorded. Sizes, addresses and numbers are those of then; what memory holds is
/// read anew each time.
class graph {
 public:
  graph() = default;

  /// From here on work that is put into the stream, and into those that wait for an event of it, is recorded and not done.
  /// Needs the stream's GPU to be in use(), and one thread that calls all of them. Throws foal::error where one is begun.
  static void begin(stream const& first) {
    check(cudaStreamBeginCapture(first.get(), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  }
  /// Needs the stream that began, and that it waits for the last event of all others that take part. Throws foal::error
  /// where it does not, or where something was called that cannot be recorded; then nothing is recorded any longer.
  static graph end(stream const& first) {
    cudaGraph_t ops = nullptr;
    check(cudaStreamEndCapture(first.get(), &ops), "cudaStreamEndCapture of what was recorded");
    struct destroy_ops {
      void operator()(cudaGraph_t g) const { cudaGraphDestroy(g); }
    };
    std::unique_ptr<CUgraph_st, destroy_ops> const owned(ops);
    cudaGraphExec_t made = nullptr;
    check(cudaGraphInstantiate(&made, ops, 0), "cudaGraphInstantiate");
    graph out;
    out.ready_.reset(made);
    return out;
  }
  /// Throws a sentence while the stream is recorded: what the host has cannot be part of a graph.
  static void refuse(stream const& in, char const* call) {
    cudaStreamCaptureStatus now = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(in.get(), &now), "cudaStreamIsCapturing");
    require(
        now == cudaStreamCaptureStatusNone, "cannot do ", call,
        " while ops are recorded, because a graph reads memory when it is launched, and the host's may be another's then; "
        "copy before the launch");
  }
  /// Enqueues all of it. One that was never recorded has nothing to do. The same graph is done once at a time.
  void launch(stream const& in) const {
    if (ready_ != nullptr) check(cudaGraphLaunch(ready_.get(), in.get()), "cudaGraphLaunch");
  }

 private:
  struct destroy {
    void operator()(cudaGraphExec_t g) const { cudaGraphExecDestroy(g); }
  };
  std::unique_ptr<CUgraphExec_st, destroy> ready_;
};

}  // namespace foal::device::cuda_ops
