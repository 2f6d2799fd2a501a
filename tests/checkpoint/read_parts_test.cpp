// The parts of a checkpoint as one process needs them: which array a tensor is of, and what is refused before anything is
// made of it.
#include <foal/checkpoint/read_parts.hpp>

#include <catch2/catch.hpp>

#include "tests/support/checkpoints.hpp"

using namespace foal;
using Catch::Contains;
using foal_test::complaint;
using foal_test::temporary_directory;

namespace {

checkpoint::safetensors_content one_tensor(std::string const& name) { return {{}, {{name, "U8", {2}, 0, 2}}, {1, 2}}; }

/// A checkpoint's folder, and the manifest of the files that are put there.
struct parts_folder {
  temporary_directory files;
  checkpoint::manifest m = foal_test::checkpoint_manifest(3);

  void put(std::string const& file, checkpoint::safetensors_content const& c) {
    m.parts.push_back({file, checkpoint::write_safetensors_file(files / file, c)});
  }
  std::string refusal(checkpoint::kept_share const& keeps = {}) const {
    return complaint([&] { checkpoint::read_parts(files.path(), m, keeps); });
  }
};

}  // namespace

TEST_CASE("a tensor's name says which array of which unit it is of, and any other name none") {
  using checkpoint::detail::array_of;
  auto const id = array_of("3.activations.1.17");
  REQUIRE(id);
  CHECK(id->unit == 3);
  CHECK(id->entry == 1);
  CHECK(array_of("3.activations.1") == id);
  CHECK(array_of("3.activations.1.rest") == id);
  CHECK_FALSE(array_of("3.gone.1.17"));
  for (char const* name : {"", ".", "..", "3", "3.", "3.activations", "3.activations.", ".activations.1", "x.activations.1",
                           "03.activations.1", "3.activations.01", "3x.activations.1", "3.activations.1x",
                           "+3.activations.1", "99999999999.activations.1", "3.activations.99999999999", "3..1"}) {
    INFO(name);
    CHECK_FALSE(array_of(name));
  }
}

TEST_CASE("parts come in pairs, each tensor in one of them, and are what the manifest says") {
  {
    parts_folder f;
    f.put("run-000.safetensors", one_tensor("r"));
    CHECK_THAT(f.refusal(), Contains("it has no weights-000.safetensors"));
    f.put("weights-000.safetensors", one_tensor("w"));
    CHECK(f.refusal() == "");
    f.put("weights-001.safetensors", one_tensor("v"));
    CHECK_THAT(f.refusal(), Contains("it has weights-001.safetensors and no run-001.safetensors"));
    f.put("run-001.safetensors", one_tensor("r"));
    CHECK(f.refusal() == "");
    auto bytes = foal_test::read(f.files / "run-001.safetensors");
    bytes.back() ^= 1U;
    foal_test::write(f.files / "run-001.safetensors", bytes);
    CHECK_THAT(f.refusal(), Contains("run-001.safetensors") && Contains("digest"));
    bytes.pop_back();
    foal_test::write(f.files / "run-001.safetensors", bytes);
    CHECK_THAT(f.refusal(), Contains("run-001.safetensors") && Contains("bytes"));
    std::filesystem::remove(f.files / "run-001.safetensors");
    CHECK_THAT(f.refusal(), Contains("run-001.safetensors"));
  }
  parts_folder f;
  for (char const* number : {"000", "001"}) {
    f.put(std::string("weights-") + number + ".safetensors", one_tensor("w"));
    f.put(std::string("run-") + number + ".safetensors", one_tensor("r"));
  }
  CHECK_THAT(f.refusal(), Contains("because w is in two of its parts"));
}

TEST_CASE("a process keeps of the parts what it wants, and knows the names of all") {
  parts_folder f;
  checkpoint::safetensors_content weights{{}, {{"a", "U8", {1}, 0, 1}, {"b", "U8", {1}, 1, 2}}, {7, 8}},
      run{{},
          {{"0.activations.0.2", "U8", {1}, 0, 1}, {"1.activations.0", "U8", {1}, 1, 2}, {"n", "U8", {1}, 2, 3}},
          {1, 2, 3}};
  f.put("weights-000.safetensors", weights);
  f.put("run-000.safetensors", run);
  auto const all = checkpoint::read_parts(f.files.path(), f.m, {});
  CHECK(all.parts.at(0).weights.tensors.size() == 2);
  CHECK(all.parts[0].run.tensors.size() == 3);
  CHECK(all.tensors() == 2);
  checkpoint::kept_share keeps;
  keeps.named.resize(1);
  keeps.named[0].name = "b";
  keeps.wants = [](executor::array_id id) { return id.unit == 1; };
  auto const some = checkpoint::read_parts(f.files.path(), f.m, keeps);
  REQUIRE(some.parts.at(0).weights.tensors.size() == 1);
  CHECK(some.parts[0].weights.tensors[0].name == "b");
  CHECK(some.parts[0].weights.buffer == std::vector<std::uint8_t>{8});
  CHECK(some.parts[0].run.tensors.size() == 2);  // and what is of no array
  CHECK(some.names == std::set<std::string>{"a", "b"});
}

TEST_CASE("the newest checkpoint but the damaged ones is found, and why others are passed over is said once") {
  temporary_directory const folder;
  for (std::uint64_t const update : {2U, 4U, 6U}) foal_test::save_checkpoint(folder.path(), update);
  std::filesystem::remove(foal_test::step(folder.path(), 6) + "/run-000.safetensors");
  std::vector<std::string> notes;
  auto const first = checkpoint::newest_together({}, folder.path(), {}, notes);
  REQUIRE(first);
  CHECK(first->is.update == 4);
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0], Contains("run-000.safetensors"));
  auto const next = checkpoint::newest_together({}, folder.path(), {4}, notes);
  REQUIRE(next);
  CHECK(next->folder == foal_test::step(folder.path(), 2));
  CHECK(next->is.parts.size() == 2);
  CHECK(notes.size() == 1);
  CHECK_FALSE(checkpoint::newest_together({}, folder.path(), {4, 2}, notes));
}

TEST_CASE("what a fit had told is read with the numbers of its run, which may be wrong but not no numbers") {
  auto const told = [](std::string const& microbatches, std::string const& replicas) {
    checkpoint::part_content c;
    executor::run_cut cut;
    cut.units.resize(1);
    checkpoint::detail::add_units(c, cut);
    checkpoint::detail::add_losses(c, {{6, 0, {{{1, 2, 3}, 6}}}});  // one stretch of 2 * 3, which nobody could tell
    checkpoint::detail::add_history(c, {.epochs = {{5, 5, 5}}});
    c.about[checkpoint::detail::identity_key] =
        checkpoint::lines_of({{"microbatches", microbatches}, {"replicas", replicas}});
    c.about["run.loss_every"] = "2";
    checkpoint::read_checkpoint from;
    from.parts.push_back({"weights", "run", {}, c.whole()});
    return checkpoint::history_of(from, {}).epochs.size();
  };
  CHECK(told("3", "1") == 2);
  CHECK(told("4", "1") == 1);
  CHECK(told("3", "0") == 2);
  for (char const* none : {"many", "", "99999999999"}) {
    CHECK_THAT(complaint([&] { told(none, "1"); }), Contains("its 'microbatches' is '"));
    CHECK_THAT(complaint([&] { told("3", none); }), Contains("its 'replicas' is '"));
  }
}

TEST_CASE("sums of losses that are complete in all replicas are told when all are there") {
  // Two replicas, one stretch of 2 * 3 microbatches each complete, the next one begun in one of them.
  std::vector<executor::losses_so_far> losses{{7, 0, {{{1, 2, 3}, 6}, {{9, 9, 9}, 1}}}, {6, 0, {{{10, 20, 30}, 6}}}};
  auto const sums = checkpoint::untold_sums(losses, 2, {3, 3});
  REQUIRE(sums.size() == 1);
  CHECK(sums[0].sum == 11);
  CHECK(sums[0].correct == 33);
  CHECK(checkpoint::untold_sums(losses, 0, {3, 3}).empty());
  CHECK(checkpoint::untold_sums(losses, 2, {3}).empty());
}
