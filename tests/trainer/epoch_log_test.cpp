// The lines of a fit's metrics: one an epoch, complete, in order; a file that refuses loses none that it takes later.
#include <foal/trainer/epoch_log.hpp>

#include <catch2/catch.hpp>

#include <foal/data/lines.hpp>

#include "tests/support/files.hpp"

namespace {

using foal::detail::epoch_log;

/// As much of a run's tables as the lines need: one phase, a rate that tells its moment.
foal::table::run_tables tables() {
  foal::table::run_tables t;
  t.phases.resize(1);
  t.phases[0].facts.stage.resize(1);
  t.phases[0].facts.stage[0].tau_fwd = 0.5;
  t.rate = [](void const*, foal::lr::moment m) { return static_cast<double>(m.update) + m.tau; };
  return t;
}
foal::table::run_tables const run = tables();

foal::detail::fit_facts facts(long long evaluate_every = 0) {
  return {.tables = &run, .per_epoch = 10, .most = 5, .evaluate_every = evaluate_every, .samples = 80};
}

std::vector<std::string> lines(std::string const& path) { return foal::data::lines_of(foal_test::text_of(path)); }

}  // namespace

TEST_CASE("a line waits for its evaluation, and the next one for it", "[trainer]") {
  foal_test::temporary_directory const folder;
  std::string const path = folder / "m.jsonl";
  std::vector<std::string> begun;
  epoch_log log(begun, path, false, facts(20));
  log.ended(0, {3, 6, 0});
  REQUIRE(lines(path).size() == 1);
  CHECK_THAT(lines(path)[0], Catch::StartsWith(R"({"epoch":1,"update":10,"train_loss":0.5,"learning_rate":9.5,"seconds":)"));
  log.ended(1, {2, 8, 0});
  log.ended(2, {0, 0, 0});
  CHECK(lines(path).size() == 1);
  log.evaluated({.update = 20, .loss = 0.25, .accuracy = 0.75});
  REQUIRE(lines(path).size() == 3);
  CHECK_THAT(lines(path)[1], Catch::Contains(R"("train_loss":0.25,"test_loss":0.25,"test_accuracy":0.75,)"));
  CHECK_THAT(lines(path)[2], Catch::Contains(R"("train_loss":null,"learning_rate":29.5)"));
  log.ended(3, {1, 1, 0});
  log.ended(4, {1, 1, 0});
  CHECK(lines(path).size() == 3);
  log.finish({{.update = 40, .stage = 1}});
  REQUIRE(lines(path).size() == 6);
  CHECK_THAT(lines(path)[4], Catch::StartsWith(R"({"epoch":5,)"));
  CHECK_THAT(lines(path)[5], Catch::StartsWith(R"({"update":40,"stage":1,)"));
}

TEST_CASE("a path is begun by the first fit, and later ones go on", "[trainer]") {
  foal_test::temporary_directory const folder;
  std::string const path = folder / "m.jsonl";
  foal_test::write(path, {'{', '}', '\n'});
  std::vector<std::string> begun, other, another;
  for (std::string const& name : {path, folder / "./m.jsonl", path})
    epoch_log(begun, name, false, facts()).ended(0, {1, 1, 0});
  CHECK(lines(path).size() == 3);
  epoch_log(other, path, true, facts()).ended(0, {1, 1, 0});
  CHECK(lines(path).size() == 4);
  epoch_log(another, path, false, facts());
  CHECK(lines(path).empty());
  epoch_log(another, "", false, facts()).ended(0, {1, 1, 0});  // no metrics
  CHECK_THROWS_AS(epoch_log(another, folder / "nowhere/m.jsonl", false, facts()), foal::error);
}

TEST_CASE("what is thrown costs no line", "[trainer]") {
  foal_test::temporary_directory const folder;
  std::string const path = folder / "m.jsonl";
  std::vector<std::string> begun;
  { epoch_log(begun, path, false, facts(10)).ended(0, {1, 1, 0}); }  // its evaluation never comes
  CHECK(lines(path).size() == 1);
}

TEST_CASE("a full disk is told once and thrown never", "[trainer]") {
  std::vector<std::string> begun;
  epoch_log log(begun, "/dev/full", false, facts());
  log.ended(0, {1, 1, 0});
  CHECK_THAT(log.take_fault(), Catch::StartsWith("cannot write a line to /dev/full, because"));
  log.ended(1, {1, 1, 0});
  log.finish({{.update = 40}});
  CHECK(log.take_fault().empty());
}
