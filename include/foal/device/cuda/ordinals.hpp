// The GPUs of a process, by number, and that they reach each other's memory.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <mutex>

#include <foal/device/cuda/stream.hpp>

namespace foal::device::cuda_ops {

/// How many GPUs the process sees (CUDA_VISIBLE_DEVICES chooses). Throws foal::error where there is none.
inline int count_of_devices() {
  int count = 0;
  check(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  return count;
}

/// From here on the calling thread's calls are of this GPU, and this one and all that were joined before reach each other's
/// memory. Throws foal::error where two of them cannot. Any thread; locks.
inline void join(int ordinal) {
  static std::mutex guard;
  static std::uint64_t joined = 0;
  use(ordinal);
  std::lock_guard<std::mutex> const lock(guard);
  auto const bit = [](int i) { return std::uint64_t{1} << static_cast<unsigned>(i); };
  if (ordinal >= 64 || (joined & bit(ordinal)) != 0) return;
  auto const open = [](int of, int to) {
    int can = 0;
    check(cudaDeviceCanAccessPeer(&can, of, to), "cudaDeviceCanAccessPeer");
    require(can != 0, "cannot train on GPUs ", of, " and ", to, " of one process, because neither PCI nor NVLink lets GPU ",
            of, " reach the memory of GPU ", to, "; choose others by .ordinals or CUDA_VISIBLE_DEVICES, or use one");
    use(of);
    cudaError_t const status = cudaDeviceEnablePeerAccess(to, 0);
    if (status == cudaErrorPeerAccessAlreadyEnabled)
      cudaGetLastError();  // another library's doing: no failure
    else
      check(status, "cudaDeviceEnablePeerAccess from GPU ", of, " to ", to);
  };
  for (int other = 0; other < 64; ++other)
    if ((joined & bit(other)) != 0) open(ordinal, other), open(other, ordinal);
  use(ordinal);
  joined |= bit(ordinal);
}

}  // namespace foal::device::cuda_ops
