// Opens a file for writing, or says why it cannot.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include <foal/core/error.hpp>

namespace foal::report::detail {

/// mode as for std::fopen. Throws foal::error with the path and the reason.
inline std::FILE* open_for_writing(std::string const& path, char const* mode) {
  std::FILE* const file = std::fopen(path.c_str(), mode);
  require(file != nullptr, "cannot write '", path, "', because ", std::strerror(errno),
          "; name a file in a directory that exists and may be written to");
  return file;
}

}  // namespace foal::report::detail
