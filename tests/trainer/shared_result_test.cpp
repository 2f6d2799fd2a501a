// What one of several processes has of a run's results comes to all.
#include <foal/trainer/shared_result.hpp>

#include <catch2/catch.hpp>

namespace {

using namespace foal;
using executor::run_result;

/// Results of processes, each shared with the same texts, in two passes: the first asks each for its text.
std::vector<run_result> shared(std::vector<run_result> const& of) {
  std::vector<std::string> texts(of.size());
  std::vector<run_result> all;
  for (int const pass : {1, 2}) {
    all = of;
    for (std::size_t p = 0; p < of.size(); ++p)
      executor::share(all[p], [&](std::string const& mine) {
        if (pass == 1) texts[p] = mine;
        return pass == 1 ? std::vector{mine} : texts;
      });
  }
  return all;
}

}  // namespace

TEST_CASE("losses come from the last stage's process, diagnostics from each, seconds from the first", "[trainer]") {
  run_result first, last;
  first.seconds = 2;
  last.seconds = 3;
  last.of_replicas = {{0, 9, 0, 0, {{1.5, 2, 1}, {0.25, 4, 3}}}};
  last.losses = {{7, 1, 0}};
  first.diagnostics = {{.update = 5, .stage = 0, .rate = 0.1}, {.update = 10, .stage = 0}};
  last.diagnostics = {{.update = 5, .stage = 1, .rate = 0.2}, {.update = 10, .stage = 1}};
  for (run_result const& one : shared({first, last})) {
    CHECK(one.seconds == 2);
    CHECK(one.microbatches == 9);
    REQUIRE(one.sums.size() == 2);
    CHECK(one.sums[1].sum == 0.25);
    CHECK(one.sums[1].correct == 3);
    REQUIRE(one.losses.size() == 1);
    CHECK(one.losses[0].sum == 7);
    REQUIRE(one.diagnostics.size() == 4);
    CHECK(one.diagnostics[1].stage == 1);
    CHECK(one.diagnostics[1].rate == 0.2);
    CHECK(one.diagnostics[2].update == 10);
    CHECK(one.diagnostics[2].stage == 0);
  }
}

TEST_CASE("results without losses and diagnostics stay empty", "[trainer]") {
  for (run_result const& one : shared({{}, {}, {}})) {
    CHECK(one.sums.empty());
    CHECK(one.diagnostics.empty());
  }
}

TEST_CASE("losses of replicas are added in their order, from the first stretch that was not complete in all", "[trainer]") {
  run_result a, b, none;
  a.of_replicas = {{0, 4, 0, 2, {{1e-8, 1, 0}, {1, 2, 0}, {1e8, 1, 0}}}, {2, 5, 0, 1, {{1, 1, 0}, {2, 1, 0}, {-1e8, 1, 0}}}};
  b.of_replicas = {{1, 6, 1, 3, {{3, 1, 1}, {0.1, 1, 1}, {5, 1, 1}}}};
  a.losses = {{1, 1, 0}, {}, {3, 1, 0}};
  b.losses = {{}, {2, 1, 0}, {}};
  for (run_result const& one : shared({a, none, b})) {
    CHECK(one.microbatches == 15);
    REQUIRE(one.sums.size() == 3);
    CHECK(one.sums[0].sum == 6);
    CHECK(one.sums[0].weight == 4);
    CHECK(one.sums[1].sum == (1e8 + 0.1) + -1e8);
    CHECK(one.sums[2].sum == 5);
    REQUIRE(one.losses.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(one.losses[i].sum == static_cast<double>(i + 1));
  }
}
