// One spelling for the paths of one file.
#include <foal/core/full_path.hpp>

#include <catch2/catch.hpp>

#include <filesystem>
#include <string>

TEST_CASE("a file has one full path, however its path is spelt") {
  std::string const here = std::filesystem::current_path().string();
  for (std::string const path : {"log.jsonl", "./log.jsonl", ".//log.jsonl", "runs/../log.jsonl", "./a/b/../../log.jsonl"})
    CHECK(foal::full_path(path) == here + "/log.jsonl");
  CHECK(foal::full_path(here + "/log.jsonl") == here + "/log.jsonl");
  CHECK(foal::full_path("../log.jsonl") == std::filesystem::path(here).parent_path().string() + "/log.jsonl");
}

TEST_CASE("a full path is what the standard library makes of it") {
  for (std::string const path :
       {"/a/b", "/a/./b/../c", "/../a", "//a///b", "/a/../../b/c.jsonl", "a..b/.c", "x/...", "/a/.."})
    CHECK(foal::full_path(path) == std::filesystem::absolute(path).lexically_normal().string());
}
