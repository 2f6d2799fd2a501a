// A directory of checkpoints has one writer at a time.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include <foal/checkpoint/directory.hpp>

namespace foal::checkpoint {

inline constexpr char const* lock_name = "writer.lock";

/// Makes the directory, and is its writer until it goes or the process ends, however it ends. Throws foal::error where
/// another one writes there. File systems without locks have none.
class directory_lock {
 public:
  explicit directory_lock(std::string const& directory) {
    require_name(directory, "write");
    detail::make_folder(directory);
    std::string const path = directory + "/" + lock_name;
    handle_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (handle_ < 0) detail::fail_on("write", path);
    bool const taken = ::flock(handle_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (taken) static_cast<void>(::close(handle_));
    require(!taken, "cannot write checkpoints to ", directory, ", because another process that lives writes there; ",
            "wait until it ends, or name another directory");
  }
  directory_lock(directory_lock const&) = delete;
  directory_lock& operator=(directory_lock const&) = delete;
  ~directory_lock() { static_cast<void>(::close(handle_)); }

 private:
  int handle_ = -1;
};

}  // namespace foal::checkpoint
