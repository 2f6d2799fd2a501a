// The digest of a file's bytes: 64-bit FNV-1a, as hexadecimal digits.
#pragma once

#include <foal/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace foal::checkpoint {

/// Takes bytes in any pieces. It finds damage: every change of one byte, others but for one in 2^64. It is no protection
/// against who changes a file on purpose.
class byte_digest {
 public:
  void add(void const* from, std::size_t n) {
    auto const* const bytes = static_cast<std::uint8_t const*>(from);
    std::uint64_t hash = hash_;
    for (std::size_t i = 0; i < n; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3U;
    hash_ = hash;
  }

  std::string hexadecimal() const {
    std::string hex(16, '0');
    std::uint64_t h = hash_;
    for (std::size_t i = 16; i-- > 0; h >>= 4U) hex[i] = "0123456789abcdef"[h & 15U];
    return hex;
  }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

inline std::string digest_of(void const* from, std::size_t n) {
  byte_digest all;
  all.add(from, n);
  return all.hexadecimal();
}

}  // namespace foal::checkpoint
