// What lies under a name: nothing, a file, a folder, or what cannot be reached.
#include <foal/core/file.hpp>

#include <string>

#include "tests/support/files.hpp"

using foal::under_name;
using foal::what_is;
using foal_test::complaint;

namespace {

std::string said_of(std::string const& path) {
  return complaint([&] { foal::require_file(path); });
}

}  // namespace

TEST_CASE("what is under a name") {
  foal_test::temporary_directory const folder;
  foal_test::write(folder / "file", {1});
  std::filesystem::create_symlink("file", folder / "link");
  std::filesystem::create_symlink("nowhere", folder / "dangling");
  std::filesystem::create_symlink("loop", folder / "loop");
  CHECK(what_is(folder / "file") == under_name::file);
  CHECK(what_is(folder / "link") == under_name::file);
  CHECK(what_is(folder.path()) == under_name::folder);
  CHECK(what_is("/dev/null") == under_name::other);
  CHECK(what_is(folder / "none") == under_name::nothing);
  CHECK(what_is(folder / "none/none") == under_name::nothing);
  CHECK(what_is(folder / "file/none") == under_name::nothing);
  CHECK(what_is("") == under_name::nothing);
  CHECK(what_is(folder / "dangling") == under_name::unreachable);
  CHECK(what_is(folder / "loop") == under_name::unreachable);
}

TEST_CASE("each has a sentence of its own") {
  foal_test::temporary_directory const folder;
  foal_test::write(folder / "file", {1});
  std::filesystem::create_symlink("nowhere", folder / "dangling");
  std::filesystem::create_symlink("loop", folder / "loop");
  CHECK(said_of(folder / "file").empty());
  CHECK_THAT(said_of(folder / "none"), Catch::Contains("no such file is there"));
  CHECK_THAT(said_of(folder.path()), Catch::Contains("it is a folder, not a regular file"));
  CHECK_THAT(said_of(folder / "dangling"), Catch::Contains("it is a link to what is not there"));
  CHECK_THAT(said_of(folder / "loop"), Catch::Contains("Too many levels of symbolic links"));
}

TEST_CASE("a folder is asked for") {
  foal_test::temporary_directory const folder;
  foal_test::write(folder / "file", {1});
  auto const said = [](std::string const& path) { return complaint([&] { foal::require_folder(path, "a data set"); }); };
  CHECK(said(folder.path()).empty());
  CHECK(said("").empty());  // names in it are of the working directory
  CHECK_THAT(said(folder / "none"), Catch::Contains("cannot load a data set from") && Catch::Contains("no such folder"));
  CHECK_THAT(said(folder / "file"), Catch::Contains("it is no folder"));
}

TEST_CASE("an empty name is said to be empty") {
  CHECK_THROWS_WITH(foal::require_file(""), "cannot read a file or folder, because its name is empty; give it a name");
}
