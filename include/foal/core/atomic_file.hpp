// Writes a file whole or not at all: whoever opens the name sees the old content or the new, after a power cut too.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <foal/core/error.hpp>

namespace foal {

/// Writes beside PATH, and commit() brings that to the disk and then under its name. Without a commit it goes away, and what
/// was there before stays. A symbolic link is followed, a file's permissions are kept; a pipe or device (/dev/stdout) is
/// written to as it is. Every fault is a foal::error with the path and what the system says. For one thread.
class atomic_file {
 public:
  explicit atomic_file(std::string path) : path_(std::move(path)) {
    struct stat before {};
    bool const exists = ::stat(path_.c_str(), &before) == 0;
    if (exists && !S_ISREG(before.st_mode)) {
      handle_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    } else {
      target_ = exists ? behind_links(path_) : path_;
      // Two processes that write one name write two files, and the last to commit wins whole.
      partial_ = target_ + ".partial" + std::to_string(::getpid());
      handle_ = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    if (handle_ < 0) fail("name a file in a directory that exists and may be written to");
    if (!target_.empty() && exists) static_cast<void>(::fchmod(handle_, before.st_mode & 07777U));
  }
  atomic_file(atomic_file const&) = delete;
  atomic_file& operator=(atomic_file const&) = delete;
  ~atomic_file() {
    if (handle_ >= 0) static_cast<void>(::close(handle_));
    if (!partial_.empty()) static_cast<void>(::unlink(partial_.c_str()));
  }

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

  /// Once, after the last write.
  void commit() {
    if (::fsync(handle_) != 0 && !partial_.empty()) fail("check the disk");  // pipes and devices keep nothing
    int const handle = std::exchange(handle_, -1);
    if (::close(handle) != 0) fail("check the disk");
    if (partial_.empty()) return;
    if (std::rename(partial_.c_str(), target_.c_str()) != 0) fail("name another file");
    partial_.clear();
    // The new name is an entry of the directory, which reaches the disk on its own. Not every file system can be asked to.
    std::size_t const slash = target_.rfind('/');
    std::string const folder = slash == std::string::npos ? "." : slash == 0 ? "/" : target_.substr(0, slash);
    if (int const directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); directory >= 0) {
      static_cast<void>(::fsync(directory));
      static_cast<void>(::close(directory));
    }
  }

 private:
  static std::string behind_links(std::string const& path) {
    struct release {
      void operator()(char* p) const { std::free(p); }
    };
    std::unique_ptr<char, release> const real(::realpath(path.c_str(), nullptr));
    return real ? real.get() : path;
  }

  [[noreturn]] void fail(char const* advice) const {
    int const reason = errno;
    throw error(sentence("cannot write ", path_, ", because the system says: ", std::strerror(reason), "; ", advice));
  }

  std::string path_, target_, partial_;  // the name given; the file behind it and the one beside it: empty for a device
  int handle_ = -1;
};

/// Makes `path` a file with this content, as atomic_file does.
inline void write_file(std::string const& path, std::string_view content) {
  atomic_file to(path);
  to.write(content.data(), content.size());
  to.commit();
}

}  // namespace foal
