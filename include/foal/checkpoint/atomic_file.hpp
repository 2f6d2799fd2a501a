// Writes a file whole or not at all: whoever opens the name sees the old content or the new, after a power cut too.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include <foal/core/error.hpp>

namespace foal::checkpoint {

/// Writes to PATH.partial, and commit() brings it to the disk and then under its name. Without a commit the partial file
/// goes away and what was there before stays. Every fault is a foal::error with the path and what the system says.
class atomic_file {
 public:
  explicit atomic_file(std::string path) : path_(std::move(path)), partial_(path_ + ".partial") {
    handle_ = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (handle_ < 0) fail("check that its directory exists and may be written to");
  }
  atomic_file(atomic_file const&) = delete;
  atomic_file& operator=(atomic_file const&) = delete;
  ~atomic_file() { discard(); }

  void write(void const* from, std::size_t bytes) {
    auto const* at = static_cast<char const*>(from);
    while (bytes > 0) {
      ssize_t const n = ::write(handle_, at, bytes);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("make room on the disk, or name another file");
      at += n;
      bytes -= static_cast<std::size_t>(n);
    }
  }

  void commit() {
    if (::fsync(handle_) != 0) fail("check the disk");
    int const handle = std::exchange(handle_, -1);
    if (::close(handle) != 0) fail("check the disk");
    if (std::rename(partial_.c_str(), path_.c_str()) != 0) fail("check that the name is not that of a directory");
    committed_ = true;
    // The new name is an entry of the directory, which reaches the disk on its own. Not every file system can be asked to.
    std::size_t const slash = path_.rfind('/');
    std::string const folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
    if (int const directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); directory >= 0) {
      static_cast<void>(::fsync(directory));
      static_cast<void>(::close(directory));
    }
  }

 private:
  [[noreturn]] void fail(char const* advice) const {
    int const reason = errno;
    throw error(sentence("cannot write ", path_, ", because the system says: ", std::strerror(reason), "; ", advice));
  }
  void discard() {
    if (handle_ >= 0) static_cast<void>(::close(handle_));
    if (!committed_) static_cast<void>(::unlink(partial_.c_str()));
  }

  std::string path_, partial_;
  int handle_ = -1;
  bool committed_ = false;
};

}  // namespace foal::checkpoint
