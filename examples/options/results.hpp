// Writes what a program has made. What one file refuses costs neither the others nor itself: it is kept elsewhere.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include <foal/core/error.hpp>

namespace options {

/// results r("gpt"); r.write(o.json, [&](std::string const& path) { rows.write(path); }); return r.status();
class results {
 public:
  explicit results(std::string program) : program_(std::move(program)) {}

  /// Calls write(path); nothing for an empty path. Where it throws, says so on stderr, calls it with a path of the same name
  /// in a new folder for temporary files, and says where that is.
  template <class Write>
  void write(std::string const& path, Write write) {
    if (path.empty()) return;
    try {
      write(path);
      return;
    } catch (std::exception const& e) {
      complain(e.what());
    }
    try {
      std::string const other = elsewhere(path);
      write(other);
      complain("it is in " + other + " instead");
    } catch (std::exception const& e) {
      complain(e.what());
    }
  }

  /// Of the program: 1 where something is not where it should be.
  int status() const { return failed_ ? 1 : 0; }

 private:
  void complain(std::string const& what) {
    failed_ = true;
    std::fprintf(stderr, "%s: %s\n", program_.c_str(), what.c_str());
  }

  std::string elsewhere(std::string const& path) {
    if (folder_.empty()) {
      folder_ = (std::filesystem::temp_directory_path() / (program_ + "-XXXXXX")).string();
      bool const made = mkdtemp(folder_.data()) != nullptr;
      foal::require(made, "cannot keep ", path, " elsewhere, because no folder for temporary files can be made in ",
                    std::filesystem::temp_directory_path().string(), "; name one in TMPDIR");
    }
    return folder_ + "/" + std::filesystem::path(path).filename().string();
  }

  std::string program_, folder_;
  bool failed_ = false;
};

}  // namespace options
