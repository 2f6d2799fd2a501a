// What cannot be written where it should be is kept elsewhere, and costs nothing else.
#include "examples/options/results.hpp"

#include <catch2/catch.hpp>

#include <foal/core/atomic_file.hpp>

#include "tests/support/files.hpp"

TEST_CASE("a file that refuses costs neither the others nor what it was to hold") {
  foal_test::temporary_directory const folder;
  char const* const before = std::getenv("TMPDIR");
  std::string const old = before == nullptr ? "" : before;
  setenv("TMPDIR", folder.path().c_str(), 1);
  options::results r("test");
  auto const write = [](std::string const& path) { foal::write_file(path, "content\n"); };
  r.write("", write);  // nothing was asked for
  CHECK(r.status() == 0);
  std::string const good = folder / "good.json";
  r.write(folder / "nowhere/lost.json", write);
  r.write(good, write);
  CHECK(r.status() == 1);
  CHECK(foal_test::text_of(good) == "content\n");
  std::string kept;
  for (auto const& entry : std::filesystem::recursive_directory_iterator(folder.path()))
    if (entry.path().filename() == "lost.json") kept = entry.path().string();
  CHECK(foal_test::text_of(kept) == "content\n");
  before == nullptr ? unsetenv("TMPDIR") : setenv("TMPDIR", old.c_str(), 1);
}
