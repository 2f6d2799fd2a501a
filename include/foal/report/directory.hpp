// Makes the directory of a report.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include <foal/core/error.hpp>
#include <foal/core/file.hpp>

namespace foal::report {

/// Makes the directory and those above it; it may exist. Throws foal::error with the path and the reason.
inline void make_directory(std::string const& path) {
  require_name(path, "make");
  std::error_code code;
  std::filesystem::create_directories(path, code);
  require(what_is(path) == under_name::folder, "cannot make the directory ", path, ", because ",
          code ? sentence("the system says: ", code.message()) : std::string("a file of that name exists"),
          "; name another directory");
}

}  // namespace foal::report
