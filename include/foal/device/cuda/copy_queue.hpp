// A stream of copies between a GPU and pinned host memory, beside those of its ops.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include <foal/device/cuda/stream.hpp>

namespace foal::device::cuda_ops {

/// Copies in the order of the calls, on one GPU. Sizes in bytes; calls enqueue and return, with the GPU in use() of the
/// calling thread. Host memory is that of allocate_pinned(), and is not touched until an event recorded afterwards is done.
class copy_stream {
 public:
  /// Throws foal::error where there is no such GPU.
  explicit copy_stream(int ordinal) : stream_(ordinal) {}
  copy_stream(copy_stream const&) = delete;
  copy_stream& operator=(copy_stream const&) = delete;
  /// Waits, because what is enqueued uses memory that may go next. A failure is not reported here.
  ~copy_stream() { cudaStreamSynchronize(stream_.get()); }

  void copy_back(void* host_to, void const* from, std::size_t bytes) const {
    if (bytes != 0)
      check(cudaMemcpyAsync(host_to, from, bytes, cudaMemcpyDeviceToHost, get()), "cudaMemcpyAsync from the device");
  }
  void copy_ahead(void* to, void const* host_from, std::size_t bytes) const {
    if (bytes != 0)
      check(cudaMemcpyAsync(to, host_from, bytes, cudaMemcpyHostToDevice, get()), "cudaMemcpyAsync to the device");
  }
  void record(event& e) const {
    use(stream_.ordinal());
    e.record(stream_);
  }
  void wait(event const& e) const {
    use(stream_.ordinal());
    e.before(stream_);
  }

 private:
  cudaStream_t get() const {
    use(stream_.ordinal());
    return stream_.get();
  }

  stream stream_;
};

}  // namespace foal::device::cuda_ops
