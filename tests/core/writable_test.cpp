// What cannot be written is known before the work; asking changes nothing.
#include <sys/stat.h>

#include <foal/core/writable.hpp>

#include "tests/support/files.hpp"

namespace {

using foal_test::complaint;
using foal_test::temporary_directory;

TEST_CASE("a file that can be written is left as it is", "[core]") {
  temporary_directory const folder;
  std::string const there = folder / "there.json", new_one = folder / "new.json";
  foal::write_file(there, "old\n");
  foal::require_writable(there);
  foal::require_writable(new_one);
  CHECK(foal_test::text_of(there) == "old\n");
  auto const entries = std::filesystem::directory_iterator(folder.path());
  CHECK(std::distance(begin(entries), end(entries)) == 1);
}

TEST_CASE("a file that cannot be written is refused with its name", "[core]") {
  temporary_directory const folder;
  std::string const nowhere = folder / "nowhere/x.json";
  CHECK(complaint([&] { foal::require_writable(nowhere); }).find("cannot write " + nowhere) == 0);
  CHECK(complaint([&] { foal::require_writable(folder.path()); }).find("a folder of that name exists") != std::string::npos);
  CHECK(complaint([] { foal::require_writable(""); }).find("its name is empty") != std::string::npos);
}

TEST_CASE("a pipe without a reader is not waited for", "[core]") {
  temporary_directory const folder;
  std::string const pipe = folder / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  foal::require_writable(pipe);
  foal::require_writable("/dev/full");
}

}  // namespace
