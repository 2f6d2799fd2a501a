// Writes a whole file so that a reader, or a run that is killed, never sees half of it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include <foal/core/error.hpp>
#include <foal/report/open.hpp>

namespace foal::report {

namespace detail {

inline void write_stream(std::FILE* file, std::string_view content, std::string const& path) {
  bool const written = std::fwrite(content.data(), 1, content.size(), file) == content.size() && std::fflush(file) == 0;
  int const reason = errno;
  // fsync is refused by pipes and devices, which have nothing to keep; a full disk shows in fflush
  fsync(fileno(file));
  std::fclose(file);
  require(written, "cannot write '", path, "', because ", std::strerror(reason), "; free space or name another file");
}

}  // namespace detail

/// Makes `path` a file with this content: written beside it, then renamed over it. A symbolic link is followed; a pipe or
/// device (/dev/stdout) is written to as it is. Throws foal::error with the path and the reason.
inline void write_file(std::string const& path, std::string_view content) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  auto const status = fs::status(path, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    detail::write_stream(detail::open_for_writing(path, "wb"), content, path);
    return;
  }
  std::string const target =
      fs::is_symlink(fs::symlink_status(path, ignored)) && fs::exists(status) ? fs::canonical(path, ignored).string() : path;
  std::string const part = target + ".part" + std::to_string(getpid());
  std::FILE* const file = std::fopen(part.c_str(), "wb");
  require(file != nullptr, "cannot write '", path, "', because ", std::strerror(errno),
          "; name a file in a directory that exists and may be written to");
  try {
    detail::write_stream(file, content, path);
  } catch (error const&) {
    std::remove(part.c_str());
    throw;
  }
  if (std::rename(part.c_str(), target.c_str()) != 0) {
    int const reason = errno;
    std::remove(part.c_str());
    throw error(sentence("cannot write '", path, "', because ", std::strerror(reason), "; name another file"));
  }
}

/// Makes the directory and those above it; it may exist.
inline void make_directory(std::string const& path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  require(std::filesystem::is_directory(path), "cannot make the directory '", path, "', because ",
          code ? code.message() : std::string("a file of that name exists"), "; name another directory");
}

}  // namespace foal::report
