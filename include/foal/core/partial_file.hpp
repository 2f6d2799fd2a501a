// Files that are not whole yet: each beside the one that it will become, locked for as long as its writer lives.
#pragma once

#include <foal/core/config.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace foal::detail {

/// The folder of a path, with the slash behind it; empty for the folder that one is in.
inline std::string folder_of(std::string const& path) {
  std::size_t const slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

inline constexpr std::size_t partial_digits = 16;

/// What the names of all partial files of a target begin with, without its folder; hexadecimal digits follow. A long name is
/// cut, because a file system takes 255 bytes.
inline std::string partial_prefix(std::string const& target) {
  constexpr std::string_view mark = ".partial-";
  return target.substr(folder_of(target).size()).substr(0, 255 - mark.size() - partial_digits).append(mark);
}

struct partial_file {
  std::string path;
  int handle = -1;  ///< -1: it could not be made, errno says why
};

/// Makes an empty file beside `target` under a name that nobody can know before, and that nobody has: never one that is
/// there, nor what a link points to. It is locked (flock) until its handle is closed or the process ends, however it ends.
inline partial_file make_partial(std::string const& target) {
  std::string const start = folder_of(target) + partial_prefix(target);
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::uint64_t random = 0;
    if (::getentropy(&random, sizeof random) != 0) return {};
    partial_file made{start, -1};
    for (std::size_t i = 0; i < partial_digits; ++i, random >>= 4U) made.path += "0123456789abcdef"[random & 15U];
    made.handle = ::open(made.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (made.handle < 0 && errno == EEXIST) continue;
    if (made.handle < 0) return made;
    // Before it is locked another writer may take it for one of the dead: then it is gone, and the next one is made. Where
    // the file system has no locks, nobody can take it for that.
    bool const taken = ::flock(made.handle, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    struct stat now {};
    if (!taken && ::fstat(made.handle, &now) == 0 && now.st_nlink > 0) return made;
    static_cast<void>(::unlink(made.path.c_str()));
    static_cast<void>(::close(made.handle));
  }
  errno = EEXIST;
  return {};
}

/// Removes the partial files of `target` whose writers were killed: those that nobody has locked. What cannot be removed, or
/// locked, stays.
inline void remove_dead_partials(std::string const& target) {
  struct close_directory {
    void operator()(DIR* d) const { static_cast<void>(::closedir(d)); }
  };
  std::string const folder = folder_of(target), prefix = partial_prefix(target);
  std::unique_ptr<DIR, close_directory> const all(::opendir(folder.empty() ? "." : folder.c_str()));
  while (all) {
    dirent const* const entry = ::readdir(all.get());
    if (entry == nullptr) return;
    std::string_view const name = entry->d_name;
    if (name.size() != prefix.size() + partial_digits || name.substr(0, prefix.size()) != prefix ||
        name.find_first_not_of("0123456789abcdef", prefix.size()) != std::string_view::npos)
      continue;
    std::string const path = folder + entry->d_name;
    struct stat there {
    }, locked{};
    if (::lstat(path.c_str(), &there) != 0 || !S_ISREG(there.st_mode)) continue;
    int const handle = ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (handle < 0) continue;
    // A writer that has just finished has given this file its name, and there is another one, or none, under the path.
    if (::flock(handle, LOCK_EX | LOCK_NB) == 0 && ::fstat(handle, &locked) == 0 && ::lstat(path.c_str(), &there) == 0 &&
        there.st_dev == locked.st_dev && there.st_ino == locked.st_ino)
      static_cast<void>(::unlink(path.c_str()));
    static_cast<void>(::close(handle));
  }
}

}  // namespace foal::detail
