// Runs a program of foal as a user does: from a shell, in a folder of its own.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

namespace foal::test {

struct program_result {
  int status = -1;   ///< 0: success
  std::string text;  ///< all that it printed, errors too
};

/// A fresh folder below program_test_files in the test's working directory, in which programs run.
class work_folder {
 public:
  explicit work_folder(std::string const& name) : path_(std::filesystem::absolute("program_test_files") / name) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  /// Of a file in it, whose folder is there.
  std::string path(std::string const& file) const {
    std::filesystem::create_directories((path_ / file).parent_path());
    return (path_ / file).string();
  }
  void write(std::string const& file, std::string const& text) const { std::ofstream(path(file)) << text; }

  /// arguments: as in a shell.
  program_result run(std::string const& program, std::string const& arguments) const {
    std::string const command = "cd '" + path_.string() + "' && '" + program + "' " + arguments + " 2>&1";
    program_result r;
    std::FILE* const pipe = popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 4096> part;
    while (std::size_t const n = std::fread(part.data(), 1, part.size(), pipe)) r.text.append(part.data(), n);
    int const status = pclose(pipe);
    r.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return r;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace foal::test
