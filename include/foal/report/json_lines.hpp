// A file of JSON lines: one object a line, handed to the system whole as soon as it is written.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <foal/core/error.hpp>
#include <foal/core/file.hpp>
#include <foal/report/json.hpp>

namespace foal::report {

/// json_lines log("log.jsonl"); log.write([](json_writer& json) { json.begin_object().key("update").value(40).end_object();
/// });
///
/// A row is one write behind the file's end: rows of several processes do not mix, and of a killed one half a row stays at
/// most, behind which the next row begins a line of its own. For one thread.
class json_lines {
 public:
  /// `append`: go on behind the lines of an earlier run. Throws foal::error with the path and the reason.
  explicit json_lines(std::string path, bool append = false) : path_(std::move(path)) {
    require_name(path_, "write");
    // Without waiting: a pipe that nobody reads is refused.
    int const how = O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC | (append ? 0 : O_TRUNC);
    to_.handle = ::open(path_.c_str(), how, 0666);
    if (to_.handle < 0) fail("cannot write ", "name a file in a directory that exists and may be written to");
    static_cast<void>(::fcntl(to_.handle, F_SETFL, O_WRONLY | O_APPEND));
    struct stat what {};
    if (::fstat(to_.handle, &what) == 0 && S_ISREG(what.st_mode)) end_.handle = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  }

  /// One line. Throws foal::error if the system does not take all of it, at a full disk for instance; the log may be used
  /// again after that.
  template <class Fill>
  void write(Fill const& fill) {
    line_.clear();
    json_writer json(line_);
    fill(json);
    put();
  }

  /// The same with a line that is there already.
  void write_line(std::string_view json) {
    line_ = json;
    put();
  }

 private:
  struct descriptor {
    int handle = -1;
    descriptor() = default;
    descriptor(descriptor&& other) noexcept : handle(std::exchange(other.handle, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
      std::swap(handle, other.handle);
      return *this;
    }
    ~descriptor() {
      if (handle >= 0) static_cast<void>(::close(handle));
    }
  };

  /// Whether the file ends in half a row: of a killed process, of a write for which there was no room, or of one that
  /// another process is at now.
  bool cut() const {
    struct stat now {};
    char last = '\n';
    return end_.handle >= 0 && ::fstat(end_.handle, &now) == 0 && now.st_size > 0 &&
           ::pread(end_.handle, &last, 1, now.st_size - 1) == 1 && last != '\n';
  }

  void put() {
    line_ += '\n';
    // What another process is writing is whole soon; half a row that stays so is ended. Should that be wrong, an empty line
    // comes between two rows.
    for (int milliseconds = 0; cut(); ++milliseconds) {
      if (milliseconds == 10) {
        line_.insert(0, 1, '\n');
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    char const* at = line_.data();
    for (std::size_t left = line_.size(); left > 0;) {
      ssize_t const n = ::write(to_.handle, at, left);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) fail("cannot write a line to ", "make room on the disk, or name another file");
      at += n;
      left -= static_cast<std::size_t>(n);
    }
  }

  [[noreturn]] void fail(char const* what, char const* advice) const {
    int const reason = errno;
    throw error(sentence(what, path_, ", because the system says: ", std::strerror(reason), "; ", advice));
  }

  std::string path_, line_;
  descriptor to_, end_;  // the second reads what the first wrote; none for a pipe or a device
};

}  // namespace foal::report
