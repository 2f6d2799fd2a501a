// Owners of device memory and devices: what a constructor has taken is given back when it cannot go on.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::executor {

/// A block of device memory, or a device. Destroy devices before the block in which their workspace lies.
using owned = std::unique_ptr<void, void (*)(void*)>;

/// Makes a T of the host's memory, which `to` then owns among others.
template <class T, class... Args>
T& keep(std::vector<owned>& to, Args&&... args) {
  T* const made = new T(std::forward<Args>(args)...);
  owned owner(made, [](void* p) { delete static_cast<T*>(p); });
  to.push_back(std::move(owner));
  return *made;
}

/// Throws what the device throws where it has none left.
inline owned allocate_block(table::device_functions const& d, std::size_t bytes, int ordinal = 0) {
  return {d.allocate(bytes, ordinal), d.release};
}
/// Host memory for copies beside ops, zeroed: the device's own kind where it has one.
inline owned allocate_host_block(table::device_functions const& d, std::size_t bytes) {
  void (*const release)(void*) = [](void* p) { ::operator delete(p, std::align_val_t(alignment)); };
  owned block = d.asynchronous ? owned(d.allocate_host(bytes), d.release_host)
                               : owned(::operator new(bytes, std::align_val_t(alignment)), release);
  std::memset(block.get(), 0, bytes);
  return block;
}
inline owned make_device(table::device_functions const& d, void* workspace, int ordinal = 0) {
  return {d.make(workspace, d.workspace_bytes, ordinal), d.destroy};
}

/// Calls f(), which allocates `bytes` bytes in order to do `what`; throws foal::error with both where the system has no
/// memory left.
template <class F>
void with_memory(std::string_view what, std::size_t bytes, F f) {
  try {
    f();
  } catch (std::bad_alloc const&) {
    throw error(sentence("cannot ", what, ", because the system has not enough memory left for the ", bytes,
                         " bytes that it takes; use a smaller microbatch, fewer microbatches or a smaller net"));
  }
}

}  // namespace foal::executor
