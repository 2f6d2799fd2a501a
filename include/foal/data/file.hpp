// Reading a file of a format with known sizes: nothing is believed, and nothing is allocated, before the file has shown it.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/checked.hpp>
#include <foal/core/error.hpp>
#include <foal/core/file.hpp>

namespace foal::data {

/// A file read from front to back, as it lies on disk.
class file {
 public:
  static constexpr bool exact = true;  ///< most() is the size, not just a bound

  /// Throws foal::error, with the reason, if there is no such file, it is a folder, or it may not be read. What is no
  /// regular file (a device, a pipe that nobody writes to) is refused without waiting for it.
  explicit file(std::string path) : path_(std::move(path)) {
    require_file(path_);
    int const handle = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    require(handle >= 0, "cannot open ", path_, ", because the system says: ", std::strerror(errno),
            "; check the permissions of the file");
    handle_.reset(::fdopen(handle, "rb"));
    if (!handle_) static_cast<void>(::close(handle));
    struct stat what {};
    require(handle_ && ::fstat(handle, &what) == 0 && S_ISREG(what.st_mode), "cannot read ", path_,
            ", because it is not a regular file; give the name of a file");
    size_ = static_cast<std::uint64_t>(what.st_size);
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

/// Throws foal::error: the size of `from` is `found` (words and numbers) where `layout` says in words what is expected.
template <class File, class... Found>
[[noreturn]] void refuse_size(File const& from, std::string const& layout, Found const&... found) {
  throw error(sentence("cannot read ", from.path(), ", because its size is ", found..., " bytes where ", layout,
                       " are expected; fetch the file again, or check that it is of this format"));
}

/// Throws foal::error unless `n` bytes may come after a header of `header` bytes and be the last of the file.
template <class File>
void check_rest(File const& from, std::uint64_t header, std::uint64_t n, std::string const& layout) {
  if (n > from.most() || header > from.most() - n) {
    if constexpr (File::exact)
      refuse_size(from, layout, from.most());
    else
      refuse_size(from, layout, "at most ", from.most());
  }
  if constexpr (File::exact)
    if (header + n != from.most()) refuse_size(from, layout, from.most());
}

/// Reads the `n` bytes that come after a header of `header` bytes and must be the last of the file. `layout` says in words
/// why so many are expected. Memory grows with what really arrives, never with what a header claims.
template <class File>
std::vector<std::uint8_t> read_rest(File& from, std::uint64_t header, std::uint64_t n, std::string const& layout) {
  check_rest(from, header, n, layout);
  std::vector<std::uint8_t> bytes;
  std::uint64_t have = 0;
  while (have < n) {
    std::uint64_t const next = File::exact ? n : std::min<std::uint64_t>(n, std::max<std::uint64_t>(2 * have, 1U << 20U));
    bytes.resize(next);
    std::uint64_t const got = from.read(bytes.data() + have, next - have);
    have += got;
    if (have < next) refuse_size(from, layout, header + have);
  }
  std::uint8_t beyond = 0;
  if (from.read(&beyond, 1) != 0) refuse_size(from, layout, "more than ", header + n);
  return bytes;
}

}  // namespace foal::data
