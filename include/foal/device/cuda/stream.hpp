// A queue of work on a GPU, and points in it that others wait for.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <utility>

#include <foal/device/cuda/error.hpp>

namespace foal::device::cuda_ops {

/// From here on the calling thread's calls are of this GPU. Throws foal::error where there is none of this number.
inline void use(int ordinal) {
  int now = -1;
  check(cudaGetDevice(&now), "cudaGetDevice");
  if (now != ordinal) check(cudaSetDevice(ordinal), "cudaSetDevice of GPU ", ordinal);
}

/// A stream of one GPU. Work of two streams is done in any order, or side by side, unless an event says which comes first.
class stream {
 public:
  /// Throws foal::error where there is no such GPU.
  explicit stream(int ordinal) : ordinal_(ordinal) {
    use(ordinal);
    cudaStream_t made = nullptr;
    check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    handle_.reset(made);
  }

  cudaStream_t get() const { return handle_.get(); }
  int ordinal() const { return ordinal_; }

 private:
  struct destroy {
    void operator()(cudaStream_t s) const { cudaStreamDestroy(s); }
  };
  int ordinal_;
  std::unique_ptr<CUstream_st, destroy> handle_;
};

/// A point in a stream. One that was never recorded is done.
class event {
 public:
  event() = default;
  /// It stands for what has been put into the stream so far. Needs the stream's GPU to be in use().
  void record(stream const& in) {
    if (handle_ == nullptr || ordinal_ != in.ordinal()) {
      cudaEvent_t made = nullptr;
      check(cudaEventCreateWithFlags(&made, flags_), "cudaEventCreateWithFlags");
      handle_.reset(made);
      ordinal_ = in.ordinal();
    }
    check(cudaEventRecord(handle_.get(), in.get()), "cudaEventRecord");
  }
  /// What is put into the stream from now on is done after it.
  void before(stream const& in) const {
    if (handle_ != nullptr) check(cudaStreamWaitEvent(in.get(), handle_.get(), 0), "cudaStreamWaitEvent");
  }
  bool done() const {
    if (handle_ == nullptr) return true;
    cudaError_t const status = cudaEventQuery(handle_.get());
    if (status != cudaErrorNotReady) check(status, "cudaEventQuery");
    return status == cudaSuccess;
  }
  void finish() const {
    if (handle_ != nullptr) check(cudaEventSynchronize(handle_.get()), "cudaEventSynchronize");
  }

 protected:
  explicit event(unsigned flags) : flags_(flags) {}
  cudaEvent_t get() const { return handle_.get(); }

 private:
  struct destroy {
    void operator()(cudaEvent_t e) const { cudaEventDestroy(e); }
  };
  std::unique_ptr<CUevent_st, destroy> handle_;
  int ordinal_ = -1;
  unsigned flags_ = cudaEventDisableTiming;
};

/// One that knows when it was done, which costs a GPU more.
class timed_event : public event {
 public:
  timed_event() : event(cudaEventDefault) {}

  /// From one to the other; both are done, and of one GPU.
  static double milliseconds(timed_event const& from, timed_event const& to) {
    float ms = 0;
    check(cudaEventElapsedTime(&ms, from.get(), to.get()), "cudaEventElapsedTime");
    return static_cast<double>(ms);
  }
};

}  // namespace foal::device::cuda_ops
