// The memory of emulated GPUs: blocks that are poisoned, found by address, and never used twice.
#pragma once

#include <cstddef>
#include <string>

namespace foal::test::emulation {

inline constexpr int most_devices = 8;

/// Where a block came from.
enum class place { nowhere, device, pinned };

/// A live block.
struct block {
  std::byte* begin = nullptr;
  std::size_t bytes = 0;
  int device = 0;
  place where = place::nowhere;

  bool has(void const* p, std::size_t n) const {
    auto const* const at = static_cast<std::byte const*>(p);
    return begin != nullptr && at >= begin && at <= begin + bytes && n <= static_cast<std::size_t>(begin + bytes - at);
  }
};

/// Null where the device has no `bytes` left. Its first and last MiB are filled with bytes 0xff, which are
/// NaN and -1.
void* allocate(std::size_t bytes, int device, place where);
/// False where there is no such block.
bool release(void* p, place where);
/// The live block around an address; one with `nowhere` where there is none.
block find(void const* p);
/// Whether an address is one that allocate() gave or could have given, live or not.
bool is_device_memory(void const* p);
/// Whether kernels and copies of a device reach the memory of another one, or of itself.
bool reaches(int device, int other);
void let_reach(int device, int other);
/// Live bytes of a device.
std::size_t in_use(int device);

/// Reports unless [p, p + n) is memory of the device, or pinned. what: "the source of a copy".
bool check_range(char const* what, void const* p, std::size_t n, int device);
/// An address and what is known of it, for sentences.
std::string described(void const* p);

}  // namespace foal::test::emulation
