// The parts that several processes write are one checkpoint when all marks are there, and none where one is missing, of
// another update, or names what is not there.
#include <foal/checkpoint/shared_save.hpp>

#include <catch2/catch.hpp>
#include <thread>

#include "tests/support/checkpoints.hpp"

using namespace foal;
using Catch::Contains;
using checkpoint::share_names;
using foal_test::listed;
using foal_test::temporary_directory;

namespace {

/// Writes a process's two files; gives what its mark says.
checkpoint::manifest written_share(std::string const& folder, int process, std::uint64_t update) {
  checkpoint::manifest m = foal_test::checkpoint_manifest(update);
  share_names const name(process);
  for (std::string const& file : {name.run, name.weights})
    m.parts.push_back(
        {file, checkpoint::write_safetensors_file(folder + "/" + file, foal_test::checkpoint_content(update, file))});
  return m;
}

}  // namespace

TEST_CASE("files of a process have its number, of three digits or more") {
  CHECK(share_names(0).weights == "weights-000.safetensors");
  CHECK(share_names(42).run == "run-042.safetensors");
  CHECK(share_names(1234).mark == "process-1234.json");
}

TEST_CASE("shares become one checkpoint, whose marks are gone") {
  temporary_directory const folder;
  std::string const step = checkpoint::begin_checkpoint(folder.path(), 5);
  checkpoint::others_marks const marks;
  for (int p : {2, 1}) checkpoint::write_mark(step, p, written_share(step, p, 5));
  checkpoint::finish_shared(step, written_share(step, 0, 5), 3, marks);
  CHECK(listed(step).size() == 7);
  auto const found = checkpoint::newest_whole(folder.path());
  REQUIRE(found.newest);
  CHECK(found.newest->is.parts.size() == 6);
}

TEST_CASE("a mark that names another's files, files that are not there, or nothing that can be read, makes no checkpoint") {
  temporary_directory const folder;
  std::string const step = checkpoint::begin_checkpoint(folder.path(), 5);
  checkpoint::others_marks const marks;
  auto const refused = [&](std::string const& why) {
    auto const own = written_share(step, 0, 5);
    CHECK_THAT(foal_test::complaint([&] { checkpoint::finish_shared(step, own, 2, marks); }), Contains(why));
    CHECK_FALSE(checkpoint::newest_whole(folder.path()).newest);
  };
  checkpoint::manifest m = written_share(step, 0, 5);
  checkpoint::write_mark(step, 1, m);
  refused("run-000.safetensors");  // twice
  m = written_share(step, 1, 5);
  m.parts[0].mark.digest[0] = m.parts[0].mark.digest[0] == '0' ? '1' : '0';
  checkpoint::write_mark(step, 1, m);
  refused("run-001.safetensors");
  m = written_share(step, 1, 5);
  std::filesystem::remove(step + "/weights-001.safetensors");
  checkpoint::write_mark(step, 1, m);
  refused("weights-001.safetensors");
  m = written_share(step, 1, 6);
  checkpoint::write_mark(step, 1, m);
  refused("process-001.json is of update 6 where 5 is expected");
  foal_test::write(step + "/process-001.json", {});
  refused("process-001.json");
  checkpoint::write_mark(step, 1, written_share(step, 1, 5));
  checkpoint::finish_shared(step, written_share(step, 0, 5), 2, marks);
  CHECK(checkpoint::newest_whole(folder.path()).newest);
}

TEST_CASE("marks of other processes are waited for, and no longer where one of them cannot write") {
  temporary_directory const folder;
  std::string const step = folder / checkpoint::step_folder(7);
  std::filesystem::create_directory(step);
  checkpoint::others_marks marks;
  marks.give_up();
  CHECK_THROWS_WITH(marks.parts_of(1, step, 7), Contains("cannot finish " + step + ", because process 1"));
  marks.reset();
  auto m = foal_test::checkpoint_manifest(7);
  m.parts = {{"weights-001.safetensors", {3, "0123456789abcdef"}}};
  std::thread other([&] { checkpoint::write_mark(step, 1, m); });
  CHECK(marks.parts_of(1, step, 7) == m.parts);
  other.join();
  CHECK_THROWS_WITH(marks.parts_of(1, step, 8), Contains("process-001.json is of update 7 where 8 is expected"));
  foal_test::save_checkpoint(folder.path(), 9);
  checkpoint::keep_newest(folder.path(), 1);
  CHECK_FALSE(std::filesystem::exists(step));  // a mark is foal's own
}
