// A file in memory with a name, for readers and writers that take a path.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tests/fuzz/must.hpp"

namespace foal_fuzz {

class file_of_bytes {
 public:
  file_of_bytes() : handle_(memfd_create("fuzz", MFD_CLOEXEC)) {
    if (handle_ < 0) std::abort();
    path_ = "/proc/self/fd/" + std::to_string(handle_);
  }
  file_of_bytes(file_of_bytes const&) = delete;
  file_of_bytes& operator=(file_of_bytes const&) = delete;
  ~file_of_bytes() { close(handle_); }

  std::string const& path() const { return path_; }

  void set(std::uint8_t const* data, std::size_t size) {
    clear();
    for (std::size_t done = 0; done < size;) {
      ssize_t const n = pwrite(handle_, data + done, size - done, static_cast<off_t>(done));
      if (n <= 0) std::abort();
      done += static_cast<std::size_t>(n);
    }
  }

  /// What is written to path() is appended.
  void clear() {
    if (ftruncate(handle_, 0) != 0) std::abort();
  }

 private:
  int handle_;
  std::string path_;
};

}  // namespace foal_fuzz
