// Arrays of floats for benchmarks of the host's ops.
#pragma once

#include <cstddef>

#include <foal/device/host.hpp>
#include <foal/tensor/plan.hpp>

namespace bench {

/// A device, and arrays of n floats each, one behind the other in one block, as a run's are: not a power of two apart.
struct host_arrays {
  using device = foal::device::host;

  host_arrays(std::size_t elements, int count)
      : n(elements),
        workspace(device::allocate(device::workspace_bytes)),
        block(static_cast<std::byte*>(device::allocate(static_cast<std::size_t>(count) * stride()))),
        host(workspace) {}
  host_arrays(host_arrays const&) = delete;
  host_arrays& operator=(host_arrays const&) = delete;
  ~host_arrays() {
    device::release(block);
    device::release(workspace);
  }
  float* at(int which) { return reinterpret_cast<float*>(block + static_cast<std::size_t>(which) * stride()); }
  std::size_t stride() const { return foal::padded(n * sizeof(float)); }

  std::size_t n;
  void* workspace;
  std::byte* block;
  device host;
};

}  // namespace bench
