// GPU memory and the stream of a device object: blocks, copies, zeros, events, recordings.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include <foal/device/cuda/copy_queue.hpp>
#include <foal/device/cuda/graph.hpp>
#include <foal/device/cuda/ordinals.hpp>
#include <foal/device/cuda/staging.hpp>
#include <foal/device/cuda/stream.hpp>

namespace foal::device::cuda_ops {

/// Allocation, copies and events; sizes in bytes. Calls enqueue in the object's stream and return, unless they say that they
/// wait. They leave the object's GPU in use() of the calling thread.
class memory {
 public:
  static constexpr bool asynchronous = true;
  static constexpr bool host_memory = false;  ///< the host cannot read what allocate() gives
  using event = cuda_ops::event;
  using timed_event = cuda_ops::timed_event;
  using graph = cuda_ops::graph;
  /// A stream of its own beside an object's.
  struct copy_queue : copy_stream {
    explicit copy_queue(memory& of) : copy_stream(of.ordinal()) {}
  };

  static int count() { return count_of_devices(); }

  /// Gives a block aligned to 256 bytes. Throws foal::error when the GPU has none left, or there is no such GPU.
  static void* allocate(std::size_t bytes, int ordinal = 0) {
    join(ordinal);
    void* block = nullptr;
    if (bytes != 0) check(cudaMalloc(&block, bytes), "cudaMalloc of ", bytes, " bytes");
    return block;
  }
  /// Waits until no work uses the block. A failure of work before it is not reported here: destructors call this.
  static void release(void* block) { cudaFree(block); }
  /// Pinned host memory, for copy_back. Throws foal::error when there is none left.
  static void* allocate_host(std::size_t bytes) { return allocate_pinned(bytes); }
  static void release_host(void* block) { cudaFreeHost(block); }

  void copy(void* to, void const* from, std::size_t bytes) const {
    if (bytes != 0)
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, get()), "cudaMemcpyAsync on the device");
  }
  /// The caller may write to `from` again when it returns.
  void copy_in(void* to, void const* from, std::size_t bytes) {
    use(stream_.ordinal());
    graph::refuse(stream_, "copy_in");
    staging_.copy(stream_, to, from, bytes);
  }
  /// Waits: `to` holds the result when it returns.
  void copy_out(void* to, void const* from, std::size_t bytes) const {
    if (bytes == 0) return;
    copy_back(to, from, bytes);
    synchronise();
  }
  /// `to`, of allocate_host(), holds the result once an event that is recorded afterwards is done.
  void copy_back(void* to, void const* from, std::size_t bytes) const {
    if (bytes != 0)
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, get()), "cudaMemcpyAsync from the device");
  }
  void zero(void* to, std::size_t bytes) const {
    if (bytes != 0) check(cudaMemsetAsync(to, 0, bytes, get()), "cudaMemsetAsync");
  }
  void synchronise() const { check(cudaStreamSynchronize(get()), "cudaStreamSynchronize"); }

  void record(event& e) const {
    use(stream_.ordinal());
    e.record(stream_);
  }
  void wait(event const& e) const { e.before(stream_); }
  static bool done(event const& e) { return e.done(); }
  static void finish(event const& e) { e.finish(); }
  static double milliseconds(timed_event const& from, timed_event const& to) { return timed_event::milliseconds(from, to); }

  // Recording: see graph. copy_in, and whatever waits, is refused meanwhile.
  void begin_recording() const {
    use(stream_.ordinal());
    graph::begin(stream_);
  }
  graph end_recording() const { return graph::end(stream_); }
  void launch(graph const& recorded) const {
    use(stream_.ordinal());
    recorded.launch(stream_);
  }

  memory(memory const&) = delete;
  memory& operator=(memory const&) = delete;

 protected:
  explicit memory(int ordinal) : stream_((join(ordinal), ordinal)) {}
  /// Waits, because what is enqueued still reads what the object stages. A failure is not reported here.
  ~memory() { cudaStreamSynchronize(stream_.get()); }

  int ordinal() const { return stream_.ordinal(); }
  /// The stream, with its GPU in use().
  cudaStream_t get() const {
    use(stream_.ordinal());
    return stream_.get();
  }

 private:
  staging staging_;
  stream stream_;
};

}  // namespace foal::device::cuda_ops
