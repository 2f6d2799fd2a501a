// The directory of a report is made with those above it, or it is said why not.
#include <filesystem>

#include <foal/core/atomic_file.hpp>
#include <foal/report/directory.hpp>

#include "tests/support/files.hpp"

TEST_CASE("a directory is made with those above it, and may be there", "[report]") {
  foal_test::temporary_directory const folder;
  std::string const deep = folder / "a/b/c";
  for (int i = 0; i < 2; ++i) {
    foal::report::make_directory(deep);
    CHECK(std::filesystem::is_directory(deep));
  }
  CHECK(foal_test::complaint([] { foal::report::make_directory(""); }).find("because its name is empty") !=
        std::string::npos);
  foal::write_file(folder / "plain", "x");
  CHECK(foal_test::complaint([&] { foal::report::make_directory(folder / "plain"); }).find("cannot make the directory") ==
        0);
  CHECK(foal_test::complaint([&] { foal::report::make_directory(folder / "plain/below"); }).find("Not a directory") !=
        std::string::npos);
  std::filesystem::create_symlink("loop", folder / "loop");
  CHECK_THAT(foal_test::complaint([&] { foal::report::make_directory(folder / "loop/below"); }),
             Catch::Contains("Too many levels of symbolic links"));
}
