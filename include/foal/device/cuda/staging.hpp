// Pinned host memory through which copies to a GPU go, so that what they read is free again at once and nobody waits.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include <foal/device/cuda/stream.hpp>

namespace foal::device::cuda_ops {

/// Gives pinned host memory, which every GPU of the process reads and writes while the host goes on. Throws foal::error when
/// the system has none left.
inline void* allocate_pinned(std::size_t bytes) {
  void* block = nullptr;
  if (bytes != 0)
    check(cudaHostAlloc(&block, bytes, cudaHostAllocPortable), "cudaHostAlloc of ", bytes, " bytes of pinned memory");
  return block;
}

/// The pieces of one device object. Those of numbers are small and many, so that a worker can be far ahead of its GPU; those
/// of a microbatch's inputs are few, and as large as the largest copy so far, up to most_bytes: longer copies go in parts.
/// A copy allocates only where it is longer than all before it, and waits only where all pieces are still being read.
class staging {
 public:
  static constexpr std::size_t small_bytes = 4096, most_bytes = std::size_t{16} << 20U;

  /// Enqueues a copy. Needs the stream's GPU to be in use().
  void copy(stream const& in, void* to, void const* from, std::size_t bytes) {
    if (bytes <= small_bytes)
      copy(small_, small_bytes, in, to, from, bytes);
    else
      copy(large_, std::min(most_bytes, (bytes + small_bytes - 1) / small_bytes * small_bytes), in, to, from, bytes);
  }

 private:
  struct release {
    void operator()(void* block) const { cudaFreeHost(block); }
  };
  template <std::size_t Pieces>
  struct ring {
    std::unique_ptr<void, release> memory;
    std::size_t piece = 0, next = 0;
    std::array<event, Pieces> read;
  };

  template <std::size_t Pieces>
  static void copy(ring<Pieces>& r, std::size_t piece, stream const& in, void* to, void const* from, std::size_t bytes) {
    if (piece > r.piece) {
      for (event const& e : r.read) e.finish();
      r.piece = 0;
      r.memory.reset();
      r.memory.reset(allocate_pinned(piece * Pieces));
      r.piece = piece;
    }
    for (std::size_t done = 0; done < bytes; r.next = (r.next + 1) % Pieces) {
      std::size_t const n = std::min(bytes - done, r.piece);
      auto* const at = static_cast<std::byte*>(r.memory.get()) + r.next * r.piece;
      r.read[r.next].finish();
      std::memcpy(at, static_cast<std::byte const*>(from) + done, n);
      check(cudaMemcpyAsync(static_cast<std::byte*>(to) + done, at, n, cudaMemcpyHostToDevice, in.get()),
            "cudaMemcpyAsync to the device");
      r.read[r.next].record(in);
      done += n;
    }
  }

  ring<64> small_;
  ring<4> large_;
};

}  // namespace foal::device::cuda_ops
