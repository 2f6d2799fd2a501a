// Copies of parts in a folder of memory: what was kept is found with its mark, names that are none of foal's are passed
// over, and what is old goes.
#include <foal/checkpoint/memory_copies.hpp>

#include <catch2/catch.hpp>

#include "tests/support/checkpoints.hpp"

using namespace foal;
using Catch::Contains;
using checkpoint::found_copies;
using checkpoint::memory_copy;
using checkpoint::memory_folder;
using foal_test::listed;
using foal_test::temporary_directory;

namespace {

std::vector<memory_copy> sorted(std::vector<memory_copy> all) {
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

TEST_CASE("copies that are kept are found again, by update, part and who keeps them") {
  temporary_directory const memory;
  memory_folder const folder(memory.path(), "1-2");
  CHECK(folder.copies().empty());
  memory_copy const own{5, 3, 1, 1}, other{5, 3, 0, 1}, newer{8, 3, 1, 1};
  for (memory_copy const& c : {own, other, newer}) folder.keep(c, "weights", "run", "mark");
  CHECK(sorted(folder.copies()) == sorted({own, other, newer}));
  CHECK(checkpoint::bytes_of_file(folder.file(other, "run-000.safetensors")) == "run");
  CHECK(checkpoint::bytes_of_file(folder.file(newer, "process-001.json")) == "mark");

  std::filesystem::remove(folder.file(own, "process-001.json"));  // the mark is written last: without it there is no copy
  CHECK(sorted(folder.copies()) == sorted({other, newer}));
  folder.keep_only(1, 3, {8});
  CHECK(folder.copies() == std::vector<memory_copy>{newer});
  folder.clear(3);
  CHECK(folder.copies() == std::vector<memory_copy>{newer});
  folder.clear();
  CHECK(folder.copies().empty());
  CHECK(listed(memory.path()).empty());
}

TEST_CASE("a process alone keeps its part once") {
  temporary_directory const memory;
  memory_folder const folder(memory.path(), "1-2");
  folder.keep({3, 1, 0, 0}, "", "", "m");
  CHECK(folder.copies() == std::vector<memory_copy>{{3, 1, 0, 0}});
}

TEST_CASE("names that no process has are passed over, and left") {
  temporary_directory const memory;
  memory_folder const folder(memory.path(), "1-2");
  std::vector<std::string> const none = {"process-",
                                         "process-001",
                                         "process-001-of-",
                                         "process--01-of-002",
                                         "process-002-of-002",
                                         "process-000-of-000",
                                         "process-1-of-2",
                                         "process-0001-of-002",
                                         "process-001-of-002 ",
                                         "process-99999999999-of-99999999999",
                                         "other-000-of-001"};
  for (std::string const& name : none)
    for (char const* mark : {"process-000.json", "process-001.json"}) {
      std::string const path = memory / "foal-1-2/" + name + "/step-000000000004/";
      std::filesystem::create_directories(path);
      foal_test::write(path + mark, {1});
    }
  CHECK(folder.copies().empty());
  folder.clear();
  CHECK(listed(memory / "foal-1-2").size() == none.size());

  // The most processes that there could be: who is before the first is the last.
  std::string const most = memory / "foal-1-2/process-2147483646-of-2147483647/step-000000000004";
  std::filesystem::create_directories(most);
  foal_test::write(most + "/process-2147483645.json", {1});
  CHECK(folder.copies() == std::vector<memory_copy>{{4, 2147483647, 2147483645, 2147483646}});
}

TEST_CASE("a directory that is made anew has another identity, and what was of the old one is forgotten") {
  temporary_directory const memory, disk;
  std::string const run = disk / "run";
  auto const made = [&] {
    std::filesystem::remove_all(run);
    checkpoint::directory_lock const taken(run);
    return memory_folder::identity_of(run);
  };
  std::string const before = made();
  CHECK(memory_folder::identity_of(run + "/../run") == before);
  memory_folder(memory.path(), before).keep({1, 1, 0, 0}, "w", "r", "m");
  foal_test::write(memory / "foal-0123456789abcdef-0123456789abcdef", {1});  // of another directory
  memory_folder::forget_older(memory.path(), before);
  CHECK(listed(memory.path()).size() == 2);
  std::string after = made();
  while (after == before) after = made();  // clocks of files tick slowly
  CHECK(after.substr(0, 17) == before.substr(0, 17));
  memory_folder::forget_older(memory.path(), after);
  CHECK(listed(memory.path()) == std::vector<std::string>{"foal-0123456789abcdef-0123456789abcdef"});
  CHECK_THAT(foal_test::complaint([&] { memory_folder::identity_of(disk / "nowhere"); }), Contains("nowhere"));
}

TEST_CASE("the newest update of which every part is somewhere is found, and who has which") {
  memory_copy const a{7, 2, 0, 0}, a_too{7, 2, 0, 1}, b{7, 2, 1, 1}, b_too{7, 2, 1, 0}, newer{9, 2, 0, 0};
  CHECK(found_copies::newest({{a, newer}, {b}}, 7).parts.empty());
  CHECK(found_copies::newest({{a, newer}, {}}, 0).parts.empty());
  auto const both = found_copies::newest({{a, b_too, newer}, {a_too, b}}, 6);
  REQUIRE(both.parts.size() == 2);
  CHECK(both.parts[0].copy == a);
  CHECK(both.parts[0].by == 0);
  CHECK(both.parts[1].copy == b);
  CHECK(both.parts[1].by == 1);
  CHECK_FALSE(both.parts[1].all);
  auto const one = found_copies::newest({{a, b_too}, {a, b_too}}, 6);
  REQUIRE(one.parts.size() == 2);
  CHECK(one.parts[1].copy == b_too);
  CHECK(one.parts[1].all);
}

TEST_CASE("a folder of memory that is another user's is refused") {
  temporary_directory const memory;
  foal_test::write(memory / "foal-1234", {1});
  CHECK_THROWS_WITH(checkpoint::memory_folder(memory.path(), "1234"), Contains("because it is another user's"));
}
