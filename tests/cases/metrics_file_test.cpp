// fit with .metrics: a line an epoch, with or without an evaluation; a trainer's later fits go on; a full disk ends nothing.
#include <foal/data/lines.hpp>
#include <foal/data/memory.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/support/files.hpp"

namespace {

using namespace foal;

struct net : stages<input<1, 1, 4>, flatten, linear<3>> {};
using run = trainer<net, loss::cross_entropy, schedule::gpipe>;

/// Values that do not repeat, so that the loss moves.
data::memory<> samples() {
  std::vector<float> x;
  std::vector<std::int32_t> y;
  for (int i = 0; i < 64; ++i) {
    for (int k = 0; k < 4; ++k) x.push_back(std::sin(static_cast<float>(i * 4 + k)));
    y.push_back(i % 3);
  }
  return {image(1, 1, 4), x, y};
}

run::config values() { return {.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.1}}; }

std::vector<nlohmann::json> rows(std::string const& path) {
  std::vector<nlohmann::json> all;
  for (std::string const& line : data::lines_of(foal_test::text_of(path))) all.push_back(nlohmann::json::parse(line));
  return all;
}

}  // namespace

TEST_CASE("A fit writes a line for every epoch, without an evaluation too", "[cases]") {
  foal_test::temporary_directory const folder;
  std::string const path = folder / "m.jsonl";
  data::memory<> const d = samples();
  run t(values());
  fit_report const fit = t.fit(d, {.epochs = 3, .quiet = true, .metrics = path});
  auto const all = rows(path);
  REQUIRE(all.size() == 3);
  double before = 0;
  for (std::size_t e = 0; e < 3; ++e) {
    CHECK(all[e]["epoch"] == e + 1);
    CHECK(all[e]["update"] == 8 * (e + 1));
    CHECK(all[e]["train_loss"] == fit.epoch_loss[e]);
    CHECK(all[e]["learning_rate"] == 0.1);
    CHECK(all[e]["seconds"] >= before);
    CHECK(all[e]["samples_per_second"] > 0);
    CHECK_FALSE(all[e].contains("test_loss"));
    before = all[e]["seconds"];
  }
}

TEST_CASE("Later fits of a trainer go on behind the lines of its earlier ones", "[cases]") {
  foal_test::temporary_directory const folder;
  std::string const path = folder / "m.jsonl";
  data::memory<> const d = samples();
  run t(values());
  for (int e = 0; e < 3; ++e) {
    fit_report const fit = t.fit(d, {.epochs = 1, .evaluate = d, .quiet = true, .metrics = path});
    auto const all = rows(path);
    REQUIRE(all.size() == static_cast<std::size_t>(e) + 1);
    CHECK(all.back()["epoch"] == e + 1);
    CHECK(all.back()["train_loss"] == fit.epoch_loss.at(0));
    CHECK(all.back()["test_loss"] == fit.evaluations.at(0).loss);
    CHECK(all.back()["test_accuracy"] == fit.accuracy());
  }
  run other(values());
  other.fit(d, {.epochs = 1, .quiet = true, .metrics = path, .append_metrics = true});
  CHECK(rows(path).size() == 4);
  run another(values());
  another.fit(d, {.epochs = 2, .quiet = true, .metrics = path});
  CHECK(rows(path).size() == 2);
}

TEST_CASE("A full disk under the metrics ends no training, and is said once", "[cases]") {
  data::memory<> const d = samples();
  run t(values());
  fit_report const fit = t.fit(d, {.epochs = 3, .evaluate = d, .quiet = true, .metrics = "/dev/full"});
  CHECK(fit.updates == 24);
  CHECK(fit.evaluations.size() == 3);
  REQUIRE(fit.notes.size() == 1);
  CHECK_THAT(fit.notes[0], Catch::Contains("cannot write a line to /dev/full, because"));
  CHECK(t.fit(d, {.quiet = true}).updates == 32);
}

TEST_CASE("Metrics that cannot be begun, and epochs that cannot be, are refused before the training", "[cases]") {
  data::memory<> const d = samples();
  run t(values());
  CHECK_THROWS_WITH(t.fit(d, {.quiet = true, .metrics = "nowhere/m.jsonl"}),
                    Catch::StartsWith("cannot write nowhere/m.jsonl"));
  CHECK_THROWS_WITH(t.fit(d, {.epochs = -4, .quiet = true}), Catch::Contains("its epochs is -4"));
  CHECK(t.updates() == 0);
  CHECK(t.fit(d, {.epochs = 0, .quiet = true}).epoch_loss.empty());
}
