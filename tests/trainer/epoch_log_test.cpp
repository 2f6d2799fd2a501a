// The lines of a fit's metrics: one an epoch, complete, in order; a file that refuses loses none that it takes later.
#include <foal/trainer/epoch_log.hpp>

#include <catch2/catch.hpp>

#include <foal/data/lines.hpp>

#include "tests/support/files.hpp"

namespace {

using foal::detail::epoch_line;
using foal::detail::epoch_log;

epoch_line epoch(int e) {
  return {.epoch = e, .update = 10 * e, .train_loss = 1.0 / e, .learning_rate = 0.5, .seconds = 2, .samples_per_second = 8};
}

std::vector<std::string> lines(std::string const& path) { return foal::data::lines_of(foal_test::text_of(path)); }

}  // namespace

TEST_CASE("a line waits for its evaluation, and the next one for it", "[trainer]") {
  foal_test::temporary_directory const folder;
  std::string const path = folder / "m.jsonl";
  epoch_log log;
  log.begin(path, false);
  log.ended(epoch(1), false);
  CHECK(lines(path) == std::vector<std::string>{"{\"epoch\":1,\"update\":10,\"train_loss\":1,\"learning_rate\":0.5,"
                                                "\"seconds\":2,\"samples_per_second\":8}"});
  log.ended(epoch(2), true);
  log.ended(epoch(4), false);
  CHECK(lines(path).size() == 1);
  log.evaluated({.update = 20, .loss = 0.25, .accuracy = 0.75});
  REQUIRE(lines(path).size() == 3);
  CHECK_THAT(lines(path)[1], Catch::Contains("\"train_loss\":0.5,\"test_loss\":0.25,\"test_accuracy\":0.75,"));
  log.ended(epoch(5), true);
  log.finish({{.update = 40, .stage = 1}});
  REQUIRE(lines(path).size() == 5);
  CHECK_THAT(lines(path)[3], Catch::StartsWith("{\"epoch\":5,"));
  CHECK_THAT(lines(path)[4], Catch::StartsWith("{\"update\":40,\"stage\":1,"));
}

TEST_CASE("a path is begun by the first fit, and later ones go on", "[trainer]") {
  foal_test::temporary_directory const folder;
  std::string const path = folder / "m.jsonl";
  foal_test::write(path, {'{', '}', '\n'});
  epoch_log log;
  for (int fit = 1; fit <= 3; ++fit) {
    log.begin(fit == 2 ? folder / "./m.jsonl" : path, false);
    log.ended(epoch(fit), false);
    log.finish({});
  }
  CHECK(lines(path).size() == 3);
  epoch_log other;
  other.begin(path, true);
  other.ended(epoch(1), false);
  CHECK(lines(path).size() == 4);
  epoch_log another;
  another.begin(path, false);
  CHECK(lines(path).empty());
  another.begin("", false);  // no metrics
  another.ended(epoch(1), false);
  CHECK_THROWS_AS(another.begin(folder / "nowhere/m.jsonl", false), foal::error);
}

TEST_CASE("a full disk is told once and thrown never", "[trainer]") {
  epoch_log log;
  log.begin("/dev/full", false);
  log.ended(epoch(1), false);
  CHECK_THAT(log.take_fault(), Catch::StartsWith("cannot write a line to /dev/full, because"));
  log.ended(epoch(2), false);
  log.finish({{.update = 40}});
  CHECK(log.take_fault().empty());
}
