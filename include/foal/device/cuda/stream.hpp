// The stream on which all device objects of a process put their work.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <mutex>

#include <foal/device/cuda/error.hpp>

namespace foal::device::cuda_ops {

/// One stream for all objects: what a worker enqueues before it hands a tensor on comes before all that the receiver
/// enqueues after it has seen the hand-off, so every executor is right without events. Workers on one GPU do not overlap.
class stream {
 public:
  /// The stream, made by the first caller and destroyed with its last holder. Throws foal::error where there is no GPU.
  static std::shared_ptr<stream const> shared() {
    static std::mutex guard;
    static std::weak_ptr<stream const> last;
    std::lock_guard<std::mutex> const lock(guard);
    if (auto present = last.lock()) return present;
    auto made = std::make_shared<stream const>();
    last = made;
    return made;
  }

  stream() { check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }
  stream(stream const&) = delete;
  stream& operator=(stream const&) = delete;
  ~stream() { cudaStreamDestroy(handle_); }

  cudaStream_t get() const { return handle_; }

 private:
  cudaStream_t handle_ = nullptr;
};

}  // namespace foal::device::cuda_ops
