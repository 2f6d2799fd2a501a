// Whether a file can be written, asked before the work whose result it is to hold.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include <foal/core/atomic_file.hpp>
#include <foal/core/error.hpp>
#include <foal/core/file.hpp>

namespace foal {

/// Throws foal::error where atomic_file or write_file() could not write `path` now. Whatever is there stays as it is, and
/// nothing is left behind. A pipe or device is not opened, for its other end would notice.
inline void require_writable(std::string const& path) {
  require_name(path, "write");
  under_name const there = what_is(path);
  require(there != under_name::folder, "cannot write ", path,
          ", because a folder of that name exists; name a file in it, or another file");
  if (there != under_name::other) {
    atomic_file const trial(path);
    return;
  }
  require(::access(path.c_str(), W_OK) == 0, "cannot write ", path, ", because the system says: ", std::strerror(errno),
          "; name a file that may be written to");
}

}  // namespace foal
