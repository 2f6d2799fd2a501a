// The checkpoint in tests/checkpoint/golden was written when format 1 was new: every later build reads it, and writes the
// same bytes of the same run. Once a release has that format it may never be written anew.
#include <foal/checkpoint.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/files.hpp"
#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using Catch::Contains;

struct net : stages<input<test::mlp_inputs>, linear<4>, batch_norm, foal::tanh, linear<test::mlp_classes>> {};
using run = trainer<net, loss::cross_entropy, schedule::pipemare, optim::momentum, delay::discrepancy_correction>;

std::string const golden = (std::filesystem::path(__FILE__).parent_path() / "golden").string(),
                  step = golden + "/step-000000000004";
test::first_samples const samples{48};

run::config values() { return {.microbatch_size = 4, .microbatches = 2, .seed = 5, .lr = {.rate = 0.05}}; }

/// What a format that is still new has there: with FOAL_WRITE_GOLDEN in the environment.
void write_golden() {
  foal_test::temporary_directory const folder;
  run t(values());
  run::fit_options o{.epochs = 2, .evaluate = samples, .quiet = true};
  o.checkpoint = checkpoints{.directory = folder.path(), .every_updates = 4, .keep = 100};
  t.fit(samples, o);
  std::filesystem::remove_all(step);
  std::filesystem::copy(folder / "step-000000000004", step, std::filesystem::copy_options::recursive);
}

}  // namespace

TEST_CASE("the checkpoint of format 1 is whole, and what is in it is what was put there") {
  if (std::getenv("FOAL_WRITE_GOLDEN") != nullptr) write_golden();
  auto const found = checkpoint::newest_whole(golden);
  for (std::string const& why : found.passed_over) INFO(why);
  REQUIRE(found.newest);
  checkpoint::manifest const& m = found.newest->is;
  CHECK(m.update == 4);
  CHECK(m.epoch == 0);
  CHECK(m.version == "0.1.0");
  CHECK(m.parts.size() == 2);
  CHECK(m.run.items.size() > 20);
  CHECK(m.run.items[0].first == "model");

  run t(values());
  checkpoint::layouts const order(net::description.row, net::description.size);
  auto const named = checkpoint::named_arrays(t.tables(), t.engine().memory(), &order);
  std::string const w = step + "/" + checkpoint::weights_file, r = step + "/" + checkpoint::run_file;
  checkpoint::saved_run const all =
      checkpoint::run_of(w, checkpoint::read_safetensors_file(w), r, checkpoint::read_safetensors_file(r), named);
  CHECK(all.run.update == 4);
  CHECK(all.epochs == 0);
  CHECK(all.run.run.end == 12);
  CHECK(all.run.run.evaluate_every == 6);
  CHECK(all.run.units.size() == 3);
  CHECK(all.run.units[0].updates == 4);
  CHECK(all.run.units[2].updates > 4);
  CHECK(all.run.units[0].rate == 0.05);

  foal_test::temporary_directory const folder;
  checkpoint::run_parts parts;
  std::string const model = checkpoint::read_safetensors_file(w).about.at("foal.model");  // by itself the file has it as net
  checkpoint::encode(parts, all, named, model);
  parts.weights.write(folder / "w");
  parts.run.write(folder / "r");
  CHECK(foal_test::read(folder / "w") == foal_test::read(w));
  CHECK(foal_test::read(folder / "r") == foal_test::read(r));
}

TEST_CASE("a fit goes on from the checkpoint of format 1") {
  foal_test::temporary_directory const folder;
  std::filesystem::copy(step, folder / "step-000000000004", std::filesystem::copy_options::recursive);
  run t(values());
  run::fit_options o{.epochs = 2, .evaluate = samples, .quiet = true};
  o.checkpoint = checkpoints{.directory = folder.path(), .resume = true};
  fit_report const report = t.fit(samples, o);
  CHECK(report.updates == 12);
  REQUIRE(report.notes.size() >= 1);
  CHECK_THAT(report.notes[0], Contains("going on "));
}
