// Which checkpoint of a directory is the newest whole one, whatever is damaged or missing, and which are removed.
#include <functional>

#include <foal/checkpoint/directory.hpp>

#include "tests/support/allocation.hpp"
#include "tests/support/checkpoints.hpp"
#include "tests/support/sanitized.hpp"

using namespace foal;
using Catch::Contains;
using checkpoint::keep_newest;
using checkpoint::newest_whole;
using foal_test::complaint;
using foal_test::listed;
using foal_test::newest_update;
using foal_test::save_checkpoint;
using foal_test::step;
using foal_test::temporary_directory;
namespace fs = std::filesystem;

namespace {

using names = std::vector<std::string>;

void reseal(std::string const& path, std::string const& piece, std::string const& other) {
  std::string text = foal_test::text_of(path);
  text.resize(text.size() - 21);
  text.replace(text.find(piece), piece.size(), other);
  write_file(path, text + "\"" + checkpoint::digest_of(text.data(), text.size()) + "\"\n}\n");
}

}  // namespace

TEST_CASE("the newest whole checkpoint is found, and each newer one is named with what is wrong") {
  temporary_directory const folder;
  std::string const directory = folder / "run";
  CHECK_FALSE(newest_whole(directory).newest);
  CHECK(newest_whole(directory).passed_over.empty());
  for (std::uint64_t const update : {9U, 10U, 1'000'000U, 20U, 30U, 40U, 50U, 60U}) save_checkpoint(directory, update);
  CHECK(newest_update(directory) == 1'000'000);
  CHECK(newest_whole(directory).passed_over.empty());

  fs::remove(step(directory, 1'000'000) + "/manifest.json");
  fs::remove(step(directory, 60) + "/run-000.safetensors");
  fs::resize_file(step(directory, 50) + "/run-000.safetensors", 100);
  auto bytes = foal_test::read(step(directory, 40) + "/weights-000.safetensors");
  bytes.back() ^= 4U;
  foal_test::write(step(directory, 40) + "/weights-000.safetensors", bytes);
  reseal(step(directory, 30) + "/manifest.json", "\"format\": 1", "\"format\": 2");
  reseal(step(directory, 20) + "/manifest.json", "\"update\": 20", "\"update\": 21");
  auto const found = newest_whole(directory);
  REQUIRE(found.newest);
  CHECK(found.newest->is.update == 10);
  REQUIRE(found.passed_over.size() == 6);
  char const* const why[] = {
      "because it has no manifest.json: nobody has finished it",
      "run-000.safetensors, because no such file is there",
      "run-000.safetensors, because it has 100 bytes where ",
      "because the digest of its tensor 'n' is ",
      "manifest.json, because it is of format 2 where at most 1 is expected",
      "because its manifest is of update 21 where 20 is expected",
  };
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(found.passed_over[i].find("cannot ") == 0);
    CHECK_THAT(found.passed_over[i], Contains(why[i]));
    CHECK_THAT(found.passed_over[i], Contains("; resume from " + step(directory, 10) + ", the newest whole one"));
  }
  // Headers alone do not show damage to numbers.
  CHECK(newest_whole(directory, {}, checkpoint::reading::headers).newest->is.update == 40);

  fs::remove(step(directory, 10) + "/manifest.json");
  fs::remove(step(directory, 9) + "/manifest.json");
  auto const none = newest_whole(directory);
  CHECK_FALSE(none.newest);
  REQUIRE(none.passed_over.size() == 8);
  CHECK_THAT(none.passed_over[7], Contains("; no older one is whole: begin anew, or name another directory"));
}

TEST_CASE("a checkpoint of another run is passed over, with the difference") {
  temporary_directory const folder;
  std::string const directory = folder.path();
  save_checkpoint(directory, 10);
  auto run = foal_test::checkpoint_manifest(0).run;
  CHECK(newest_whole(directory, checkpoint::of_run(run)).newest);
  run.items[1].second = "0.95";
  auto const found = newest_whole(directory, checkpoint::of_run(run));
  CHECK_FALSE(found.newest);
  REQUIRE(found.passed_over.size() == 1);
  CHECK_THAT(
      found.passed_over[0],
      Contains("because it is of another run: optimizer.beta1 is 0.95 in this run and 0.9 in that one; no older one"));
}

TEST_CASE("parts of other checkpoints, and files that are none, are not taken") {
  temporary_directory const folder;
  std::string const directory = folder.path();
  save_checkpoint(directory, 10);
  save_checkpoint(directory, 20);
  std::string const part = step(directory, 20) + "/weights-000.safetensors";
  auto const own = foal_test::read(part);
  fs::copy_file(step(directory, 10) + "/weights-000.safetensors", part, fs::copy_options::overwrite_existing);
  CHECK(newest_update(directory) == 10);
  CHECK_THAT(newest_whole(directory).passed_over[0], Contains("because the digest of its header is "));
  for (auto const& make : {std::function<void()>([&] { fs::create_directory(part); }),
                           std::function<void()>([&] { fs::create_symlink("nothing", part); }),
                           std::function<void()>([&] { foal_test::write(part, foal_test::bytes(own.size(), '{')); })}) {
    fs::remove_all(part);
    make();
    CHECK(newest_update(directory) == 10);
    CHECK(newest_whole(directory).passed_over.size() == 1);
  }
  fs::remove_all(part);
  foal_test::write(part, own);
  CHECK(newest_update(directory) == 20);
  // Neither of these is a checkpoint.
  fs::create_directory(folder / "step-30");
  fs::create_directory(folder / "step-99999999999999999999999999");
  fs::create_directory(folder / "step-000000000030x");
  foal_test::write(folder / "step-000000000040", {});
  CHECK(newest_update(directory) == 20);
  CHECK(newest_whole(directory).passed_over.empty());
  CHECK_THAT(complaint([&] { newest_whole(folder / "step-000000000040"); }), Contains("says: Not a directory; "));
  CHECK_THAT(complaint([&] { newest_whole(""); }), Contains("its name is empty"));
}

TEST_CASE("whatever is cut off or changed in a checkpoint, the one before it is offered") {
  temporary_directory const folder;
  std::string const directory = folder.path();
  save_checkpoint(directory, 10);
  save_checkpoint(directory, 20);
  for (std::string const name : {"manifest.json", foal_test::part_names[0], foal_test::part_names[1]}) {
    std::string const path = step(directory, 20) + "/" + name;
    auto const whole = foal_test::read(path);
    auto const load = [&] {
      auto const found = newest_whole(directory);
      REQUIRE(found.newest);
      if (found.newest->is.update == 20) {
        REQUIRE(foal_test::read(path) == whole);  // a change that was none
        return;
      }
      REQUIRE(found.newest->is.update == 10);
      REQUIRE(found.passed_over.size() == 1);
      throw error(found.passed_over[0]);
    };
    foal_test::refuses_truncations(path, load);
    constexpr int times = foal_test::repeats(10'000, 1'000);
    CHECK(foal_test::survives_mutations(path, times, load) > times * 99 / 100);
    // Two blocks of eight bytes, each in the other's place.
    for (std::uint32_t t = 0; t < foal_test::repeats(500U, 100U); ++t) {
      auto const draw = [&](std::uint32_t i) { return random_word({11, purpose::user, 0, t}, i) % (whole.size() - 8); };
      auto changed = whole;
      std::size_t const a = draw(0), b = draw(1);
      for (std::size_t i = 0; i < 8; ++i) changed[a + i] = whole[b + i];
      for (std::size_t i = 0; i < 8; ++i) changed[b + i] = whole[a + i];
      foal_test::write(path, changed);
      complaint(load);
    }
    foal_test::write(path, whole);
  }
}

TEST_CASE("the newest whole checkpoints are kept, and what cannot be used is removed with the older ones") {
  temporary_directory const folder;
  std::string const directory = folder.path();
  for (std::uint64_t update = 1; update <= 8; ++update) save_checkpoint(directory, update);
  auto const are = [&](std::vector<std::uint64_t> const& updates) {
    names all;
    for (std::uint64_t const update : updates) all.push_back(checkpoint::step_folder(update));
    CHECK(listed(directory) == all);
  };
  keep_newest(directory, 9);
  are({1, 2, 3, 4, 5, 6, 7, 8});
  fs::remove(step(directory, 8) + "/manifest.json");                // unfinished: newer than all that is whole, so it stays
  fs::resize_file(step(directory, 7) + "/run-000.safetensors", 9);  // damaged, and counts for none
  fs::remove(step(directory, 5) + "/manifest.json");
  reseal(step(directory, 2) + "/manifest.json", "\"format\": 1", "\"format\": 2");
  keep_newest(directory, 2, {1});
  are({1, 2, 4, 6, 7, 8});
  keep_newest(directory, 1);
  are({2, 6, 7, 8});
  CHECK(newest_update(directory) == 6);
  save_checkpoint(directory, 8);
  CHECK(newest_update(directory) == 8);
  keep_newest(directory, 1);
  are({2, 8});
  CHECK_THAT(complaint([&] { keep_newest(directory, 0); }), Contains("cannot keep 0 checkpoints"));

  // What is not foal's stays; what a killed writer has left goes; what a link leads to is another's.
  save_checkpoint(directory, 9);
  write_file(step(directory, 8) + "/notes.txt", "mine");
  write_file(step(directory, 8) + "/run-000.safetensors.partial-0123456789abcdef", "half");
  temporary_directory const other;
  save_checkpoint(other.path(), 3);
  fs::create_symlink(step(other.path(), 3), step(directory, 3));
  keep_newest(directory, 1);
  CHECK(listed(step(directory, 8)) == names{"notes.txt"});
  CHECK(newest_update(other.path()) == 3);
  keep_newest(folder / "no such directory", 1);
}

TEST_CASE("a whole checkpoint is never written over, an unfinished one is") {
  temporary_directory const folder;
  std::string const directory = folder / "a/b//c/";
  save_checkpoint(directory, 10);
  CHECK_THAT(complaint([&] { save_checkpoint(directory, 10); }),
             Contains("because a whole checkpoint of this update is there"));
  CHECK(foal_test::listed(directory) == names{"step-000000000010"});
  fs::resize_file(directory + "step-000000000010/run-000.safetensors", 9);
  save_checkpoint(directory, 10);
  CHECK(newest_whole(directory).newest);
  reseal(directory + "step-000000000010/manifest.json", "\"format\": 1", "\"format\": 2");
  CHECK_THAT(complaint([&] { save_checkpoint(directory, 10); }), Contains("because a newer foal has written a checkpoint"));
  write_file(folder / "file", "x");
  CHECK_THAT(complaint([&] { save_checkpoint(folder / "file", 10); }), Contains("cannot make the folder "));
}

TEST_CASE("a manifest is not written for parts that are not what it says") {
  temporary_directory const folder;
  std::string const step_10 = checkpoint::begin_checkpoint(folder.path(), 10), name = foal_test::part_names[0];
  auto m = foal_test::checkpoint_manifest(10);
  m.parts.push_back(
      {name, checkpoint::write_safetensors_file(step_10 + "/" + name, foal_test::checkpoint_content(10, name))});
  CHECK(checkpoint::part_of(step_10, name) == m.parts[0]);
  auto const refuses = [&](auto const& spoil) {
    auto spoilt = m;
    spoil(spoilt);
    std::string const why = complaint([&] { checkpoint::finish_checkpoint(step_10, spoilt); });
    CHECK(listed(step_10) == names{name});
    return why;
  };
  CHECK_THAT(refuses([](auto& x) { x.update = 11; }), Contains("it is of update 11, whose folder is step-000000000011"));
  CHECK_THAT(refuses([](auto& x) {
               x.parts.push_back({"b.safetensors", x.parts[0].mark});
             }),
             Contains("no such file is there"));
  CHECK_THAT(refuses([](auto& x) { ++x.parts[0].mark.bytes; }), Contains(" bytes where "));
  CHECK_THAT(refuses([](auto& x) { x.parts[0].mark.digest[3] ^= 1; }), Contains("the digest of its header is "));
  checkpoint::finish_checkpoint(step_10, m);
  CHECK(newest_whole(folder.path()).newest);
}

TEST_CASE("looking for a checkpoint takes little memory, however large its parts are") {
#ifdef FOAL_TEST_SANITIZED
  WARN("the sanitizer's allocator rounds up more than is counted here");
#endif
  temporary_directory const folder;
  std::string const step_10 = checkpoint::begin_checkpoint(folder.path(), 10), name = foal_test::part_names[0];
  auto m = foal_test::checkpoint_manifest(10);
  checkpoint::safetensors_content c{{}, {{"a", "U8", {20'000'000}, 0, 20'000'000}}, std::vector<std::uint8_t>(20'000'000)};
  m.parts.push_back({name, checkpoint::write_safetensors_file(step_10 + "/" + name, std::move(c))});
  checkpoint::finish_checkpoint(step_10, m);
  CHECK(foal_test::peak_of([&] { CHECK(newest_whole(folder.path()).newest); }) < (3U << 19U));
}
