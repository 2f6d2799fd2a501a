// Host memory for a device object: aligned blocks, copies, zeros.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>

namespace foal::device::host_ops {

/// Allocation and copies; sizes in bytes. On the host every copy has happened when the call returns.
struct memory {
  /// Gives a block aligned to foal::alignment. Throws foal::error when the system has none left.
  static void* allocate(std::size_t bytes) {
    void* const block = ::operator new(bytes, std::align_val_t{alignment}, std::nothrow);
    require(block != nullptr, "cannot allocate ", bytes,
            " bytes of host memory, because the system refused; use a smaller microbatch or fewer stages per worker");
    return block;
  }
  static void release(void* block) { ::operator delete(block, std::align_val_t{alignment}); }

  static void copy(void* to, void const* from, std::size_t bytes) {
    if (bytes != 0) std::memcpy(to, from, bytes);
  }
  static void copy_in(void* to, void const* from, std::size_t bytes) { copy(to, from, bytes); }
  static void copy_out(void* to, void const* from, std::size_t bytes) { copy(to, from, bytes); }
  static void zero(void* to, std::size_t bytes) {
    if (bytes != 0) std::memset(to, 0, bytes);
  }
  static void synchronise() {}
};

}  // namespace foal::device::host_ops
