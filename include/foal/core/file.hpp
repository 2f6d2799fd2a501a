// What lies under a name, before it is opened: what exists is not always what can be read.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include <foal/core/error.hpp>

namespace foal {

enum class under_name {
  nothing,  ///< the system is sure of it
  file,     ///< a regular one; whether it may be read, opening it shows
  folder,
  other,        ///< a pipe, a device, a socket
  unreachable,  ///< a link to nothing, a loop of links, a folder on the way that may not be searched
};

/// Follows links. Leaves errno as the system set it where nothing can be reached.
inline under_name what_is(std::string const& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0)
    return S_ISREG(found.st_mode) ? under_name::file : S_ISDIR(found.st_mode) ? under_name::folder : under_name::other;
  int const reason = errno;
  bool const absent = (reason == ENOENT || reason == ENOTDIR) && ::lstat(path.c_str(), &found) != 0;
  errno = reason;
  return absent ? under_name::nothing : under_name::unreachable;
}

/// Throws foal::error for an empty name, which a sentence could not show. what: "write".
inline void require_name(std::string const& path, char const* what) {
  require(!path.empty(), "cannot ", what, " a file or folder, because its name is empty; give it a name");
}

/// Throws foal::error, each with a sentence of its own, where `path` is nothing, a folder or out of reach.
inline void require_file(std::string const& path) {
  require_name(path, "read");
  under_name const found = what_is(path);
  int const reason = errno;
  require(found != under_name::nothing, "cannot open ", path, ", because no such file is there; check the name");
  require(found != under_name::folder, "cannot read ", path,
          ", because it is a folder, not a regular file; give the name of a file");
  require(found != under_name::unreachable || reason != ENOENT, "cannot open ", path,
          ", because it is a link to what is not there; mend the link, or remove it");
  require(found != under_name::unreachable, "cannot open ", path, ", because the system says: ", std::strerror(reason),
          "; check the folders and links on the way to it");
}

/// Throws foal::error, with what is wrong with it, unless `path` is a folder. what: "the binary version of CIFAR-10".
inline void require_folder(std::string const& path, char const* what) {
  under_name const found = what_is(path.empty() ? "." : path);
  int const reason = errno;
  if (found == under_name::folder) return;
  throw error(sentence("cannot load ", what, " from ", path, ", because ",
                       found == under_name::nothing       ? std::string("no such folder is there")
                       : found == under_name::unreachable ? sentence("the system says: ", std::strerror(reason))
                                                          : std::string("it is no folder"),
                       "; give the folder that holds its files"));
}

}  // namespace foal
