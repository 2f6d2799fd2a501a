// Writes a file whole or not at all: whoever opens the name sees the old content or the new, after a power cut too.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <foal/core/error.hpp>
#include <foal/core/partial_file.hpp>
#include <foal/core/sync_folder.hpp>

namespace foal {

/// Writes beside PATH, and commit() brings that to the disk and then under its name. Without a commit it goes away, and what
/// was there before stays. Any number of threads and processes may write one path: each writes a file of its own, and the
/// last to commit wins whole. What killed writers of this path have left is removed. A symbolic link is followed, a file's
/// permissions are kept; a pipe or device (/dev/stdout) is written to as it is, a pipe without a reader is refused. Every
/// fault is a foal::error with the path and what the system says. An atomic_file is for one thread.
class atomic_file {
 public:
  explicit atomic_file(std::string path) : path_(std::move(path)) {
    require(!path_.empty(), "cannot write a file, because its name is empty; give a name");
    struct stat before {};
    bool const exists = ::stat(path_.c_str(), &before) == 0;
    target_ = behind_links(path_);
    if (target_.empty() || (exists && !S_ISREG(before.st_mode))) {
      target_.clear();
      handle_ = open_as_it_is(path_);
    } else {
      detail::remove_dead_partials(target_);
      auto made = detail::make_partial(target_);
      handle_ = made.handle;
      if (handle_ >= 0) partial_ = std::move(made.path);
    }
    if (handle_ < 0) fail("name a file in a directory that exists and may be written to");
    if (!partial_.empty() && exists) static_cast<void>(::fchmod(handle_, before.st_mode & 07777U));
  }
  atomic_file(atomic_file const&) = delete;
  atomic_file& operator=(atomic_file const&) = delete;
  ~atomic_file() {
    if (!partial_.empty()) static_cast<void>(::unlink(partial_.c_str()));
    if (handle_ >= 0) static_cast<void>(::close(handle_));
  }

  /// Before the first write of a large file that nobody reads soon: what follows goes to the disk past the system's cache of
  /// files, in blocks. That takes a fifth of the processor time, and leaves the cache to others. False, and all stays as it
  /// was, where the file system knows no such way.
  bool past_cache() {
    if (partial_.empty() || !direct(true)) return false;
    block_.reset(static_cast<char*>(::operator new(block_size, std::align_val_t{alignment})));
    return true;
  }

  void write(void const* from, std::size_t bytes) {
    auto const* at = static_cast<char const*>(from);
    while (block_ && bytes > 0) {
      std::size_t const n = std::min(bytes, block_size - filled_);
      std::memcpy(block_.get() + filled_, at, n);
      at += n;
      bytes -= n;
      filled_ += n;
      if (filled_ == block_size) write_now(block_.get(), std::exchange(filled_, 0));
    }
    write_now(at, bytes);
  }

  /// After the last write to a file for which past_cache() was true: what it begins with, anew.
  void write_over_begin(std::string_view with) {
    write_rest();
    if (::lseek(handle_, 0, SEEK_SET) != 0) fail("check the disk");
    write_now(with.data(), with.size());
  }

  /// Once, after the last write.
  void commit() {
    write_rest();
    int synced = 0;
    do synced = ::fsync(handle_);
    while (synced != 0 && errno == EINTR);
    if (synced != 0 && !partial_.empty()) fail("check the disk");  // pipes and devices keep nothing
    // Locked until it has its name: unlocked under the other one it would be a dead writer's.
    if (!partial_.empty() && std::rename(partial_.c_str(), target_.c_str()) != 0) fail("name another file");
    bool const named = !std::exchange(partial_, std::string()).empty();
    // A handle is gone after a close that was interrupted, too, and what it wrote is on the disk.
    if (::close(std::exchange(handle_, -1)) != 0 && errno != EINTR) fail("check the disk");
    // The new name is an entry of the directory, which reaches the disk on its own.
    if (named && !detail::sync_folder(detail::folder_of(target_))) fail("check the disk");
  }

 private:
  /// Where links lead, whether there is a file or not yet; empty for the name of an open file (/dev/stdout, /dev/fd/1),
  /// which has what was written before and keeps it.
  static std::string behind_links(std::string path) {
    for (int links = 0; links < 40; ++links) {
      if (path.rfind("/proc/", 0) == 0) return "";
      char to[4096];
      ssize_t const n = ::readlink(path.c_str(), to, sizeof to);
      if (n < 0) return path;
      std::string const next(to, static_cast<std::size_t>(n));
      path = next[0] == '/' ? next : detail::folder_of(path) + next;
    }
    return "";  // a circle, which cannot be opened
  }

  /// The last block, which is no whole number of sectors.
  void write_rest() {
    if (!block_) return;
    direct(false);
    write_now(block_.get(), std::exchange(filled_, 0));
    block_.reset();
  }

  void write_now(char const* at, std::size_t bytes) {
    while (bytes > 0) {
      ssize_t const n = partial_.empty() ? write_to_pipe(at, bytes) : ::write(handle_, at, bytes);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EINVAL && block_ && direct(false)) continue;  // sectors are larger, or a write was cut short
      if (n < 0) fail("make room on the disk, or name another file");
      at += n;
      bytes -= static_cast<std::size_t>(n);
    }
  }

  /// Whether writes go past the cache from here on. False: the system does not change that, or it is so already.
  bool direct([[maybe_unused]] bool on) const {
#if defined(O_DIRECT)
    int const flags = ::fcntl(handle_, F_GETFL);
    return flags >= 0 && ((flags & O_DIRECT) != 0) != on && ::fcntl(handle_, F_SETFL, flags ^ O_DIRECT) == 0;
#else
    return false;
#endif
  }

  /// A pipe without a reader is an error, not a wait.
  static int open_as_it_is(std::string const& path) {
    int const handle = ::open(path.c_str(), O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (handle >= 0) static_cast<void>(::fcntl(handle, F_SETFL, ::fcntl(handle, F_GETFL) & ~O_NONBLOCK));
    return handle;
  }

  /// A reader that has gone is an error too, not the end of the process.
  ssize_t write_to_pipe(char const* from, std::size_t bytes) const {
    sigset_t broken, before, pending;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    ssize_t const n = ::write(handle_, from, bytes);
    int const reason = errno;
    timespec const now{};
    if (n < 0 && reason == EPIPE && sigismember(&pending, SIGPIPE) == 0) sigtimedwait(&broken, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = reason;
    return n;
  }

  [[noreturn]] void fail(char const* advice) const {
    int const reason = errno;
    throw error(sentence("cannot write ", path_, ", because the system says: ", std::strerror(reason),
                         reason == ENXIO ? " (nobody reads this pipe)" : "", "; ", advice));
  }

  static constexpr std::size_t block_size = std::size_t{1} << 20U, alignment = 4096;
  struct aligned_delete {
    void operator()(char* block) const { ::operator delete(block, std::align_val_t{alignment}); }
  };

  std::string path_, target_, partial_;  // the name given; the file behind it and the one beside it: empty for a device
  int handle_ = -1;
  std::unique_ptr<char, aligned_delete> block_;  // of a file that goes past the cache: what is not written yet
  std::size_t filled_ = 0;
};

/// Makes `path` a file with this content, as atomic_file does.
inline void write_file(std::string const& path, std::string_view content) {
  atomic_file to(path);
  to.write(content.data(), content.size());
  to.commit();
}

}  // namespace foal
