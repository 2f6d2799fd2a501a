// GPU memory for a device object: blocks, copies, zeros, all in the order of its stream.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>

#include <foal/device/cuda/stream.hpp>

namespace foal::device::cuda_ops {

/// Allocation and copies; sizes in bytes. Calls enqueue and return, unless they say that they wait.
class memory {
 public:
  static constexpr bool host_memory = false;  ///< the host cannot read what allocate() gives

  /// Gives a block aligned to 256 bytes. Throws foal::error when the GPU has none left, or there is no GPU.
  static void* allocate(std::size_t bytes) {
    void* block = nullptr;
    if (bytes != 0) check(cudaMalloc(&block, bytes), "cudaMalloc of ", bytes, " bytes");
    return block;
  }
  /// Waits until no work uses the block. A failure of work before it is not reported here: destructors call this.
  static void release(void* block) { cudaFree(block); }

  void copy(void* to, void const* from, std::size_t bytes) const {
    if (bytes != 0)
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, get()), "cudaMemcpyAsync on the device");
  }
  /// Waits: the caller may write to `from` again when it returns.
  void copy_in(void* to, void const* from, std::size_t bytes) const {
    if (bytes == 0) return;
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, get()), "cudaMemcpyAsync to the device");
    synchronise();
  }
  /// Waits: `to` holds the result when it returns.
  void copy_out(void* to, void const* from, std::size_t bytes) const {
    if (bytes == 0) return;
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, get()), "cudaMemcpyAsync from the device");
    synchronise();
  }
  void zero(void* to, std::size_t bytes) const {
    if (bytes != 0) check(cudaMemsetAsync(to, 0, bytes, get()), "cudaMemsetAsync");
  }
  void synchronise() const { check(cudaStreamSynchronize(get()), "cudaStreamSynchronize"); }

 protected:
  cudaStream_t get() const { return stream_->get(); }

 private:
  std::shared_ptr<stream const> stream_ = stream::shared();
};

}  // namespace foal::device::cuda_ops
