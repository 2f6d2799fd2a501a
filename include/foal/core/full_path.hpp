// One spelling for the paths of one file.
#pragma once

#include <unistd.h>

#include <string>

#include <foal/core/config.hpp>

namespace foal {

/// The path from the root, without "." and "..", as its spelling says: links are not followed. Where the system does not say
/// what the current folder is, as if that were the root.
inline std::string full_path(std::string const& path) {
  std::string given = path, full;
  char folder[4096];
  if (path.compare(0, 1, "/") != 0 && ::getcwd(folder, sizeof folder) != nullptr) given = std::string(folder) + "/" + path;
  for (std::size_t begin = 0; begin < given.size();) {
    std::size_t const end = given.find('/', begin);
    std::string const name = given.substr(begin, end - begin);
    if (name == "..")
      full.erase(full.empty() ? 0 : full.rfind('/'));
    else if (!name.empty() && name != ".")
      full += "/" + name;
    begin = end == std::string::npos ? given.size() : end + 1;
  }
  return full.empty() ? "/" : full;
}

}  // namespace foal
