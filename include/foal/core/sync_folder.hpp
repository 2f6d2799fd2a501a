// Brings the entries of a folder to the disk: names that were given in it, or taken out of it.
#pragma once

#include <foal/core/config.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace foal::detail {

/// folder: empty for the one that one is in. False, with errno, where the disk fails. A file system that cannot be asked to,
/// or a folder that may not be opened, is none of that.
inline bool sync_folder(std::string const& folder) {
  int const handle = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) return true;
  int result = 0;
  do result = ::fsync(handle);
  while (result != 0 && errno == EINTR);
  int const reason = errno;
  static_cast<void>(::close(handle));
  errno = reason;
  return result == 0 || (reason != EIO && reason != ENOSPC && reason != EDQUOT);
}

}  // namespace foal::detail
