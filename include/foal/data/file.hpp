// Reading a file of a format with known sizes: nothing is believed, and nothing is allocated, before the file has shown it.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/core/file.hpp>

namespace foal::data {

/// A file read from front to back, as it lies on disk.
class file {
 public:
  static constexpr bool exact = true;  ///< most() is the size, not just a bound

  /// Throws foal::error, with the reason, if there is no such file, it is a folder, or it may not be read.
  explicit file(std::string path) : path_(std::move(path)) {
    require_file(path_);
    handle_.reset(std::fopen(path_.c_str(), "rb"));
    require(handle_ != nullptr, "cannot open ", path_, ", because the system says: ", std::strerror(errno),
            "; check the permissions of the file");
    // What is no regular file may open without complaint and claim an absurd size.
    bool readable = std::fgetc(handle_.get()) != EOF || std::ferror(handle_.get()) == 0;
    readable = readable && std::fseek(handle_.get(), 0, SEEK_END) == 0;
    long const end = readable ? std::ftell(handle_.get()) : -1L;
    require(end >= 0 && std::fseek(handle_.get(), 0, SEEK_SET) == 0, "cannot read ", path_,
            ", because it is not a regular file; give the name of a file");
    size_ = static_cast<std::uint64_t>(end);
  }

  std::string const& path() const { return path_; }
  std::uint64_t most() const { return size_; }

  /// Reads up to n bytes; less only at the end of the file.
  std::size_t read(void* to, std::size_t n) {
    std::size_t const got = std::fread(to, 1, n, handle_.get());
    require(got == n || std::ferror(handle_.get()) == 0, "cannot read ", path_,
            ", because the system says: ", std::strerror(errno), "; check the disk");
    return got;
  }

 private:
  struct close {
    void operator()(std::FILE* f) const { static_cast<void>(std::fclose(f)); }
  };
  using closing = std::unique_ptr<std::FILE, close>;

  std::string path_;
  closing handle_;
  std::uint64_t size_ = 0;
};

/// a * b, or the largest number if that does not fit.
constexpr std::uint64_t saturating_product(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  return b != 0 && a > most / b ? most : a * b;
}

/// Reads the `n` bytes that come after a header of `header` bytes and must be the last of the file. `layout` says in words
/// why so many are expected. Memory grows with what really arrives, never with what a header claims.
template <class File>
std::vector<std::uint8_t> read_rest(File& from, std::uint64_t header, std::uint64_t n, std::string const& layout) {
  auto const refuse = [&](auto const&... found) {
    throw error(sentence("cannot read ", from.path(), ", because its size is ", found..., " bytes where ", layout,
                         " are expected; fetch the file again, or check that it is of this format"));
  };
  if (n > from.most() || header > from.most() - n) {
    if constexpr (File::exact)
      refuse(from.most());
    else
      refuse("at most ", from.most());
  }
  if constexpr (File::exact)
    if (header + n != from.most()) refuse(from.most());
  std::vector<std::uint8_t> bytes;
  std::uint64_t have = 0;
  while (have < n) {
    std::uint64_t const next = File::exact ? n : std::min<std::uint64_t>(n, std::max<std::uint64_t>(2 * have, 1U << 20U));
    bytes.resize(next);
    std::uint64_t const got = from.read(bytes.data() + have, next - have);
    have += got;
    if (have < next) refuse(header + have);
  }
  std::uint8_t beyond = 0;
  if (from.read(&beyond, 1) != 0) refuse("more than ", header + n);
  return bytes;
}

}  // namespace foal::data
