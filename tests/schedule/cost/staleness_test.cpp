// How old weights are, and how many versions stages keep, by list and rule: the closed forms of the papers.
#include <catch2/catch.hpp>

#include <foal/policy/versions/double_buffered.hpp>
#include <foal/policy/versions/flush.hpp>
#include <foal/policy/versions/live.hpp>
#include <foal/policy/versions/stash.hpp>
#include <foal/policy/versions/vertical_sync.hpp>
#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/cost/staleness.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/pipemare.hpp>

using namespace foal::schedule;
namespace versions_ = foal::versions;

namespace {

template <class G, class Rule>
constexpr std::vector<staleness> of(G const& g, Rule const& rule, extent e) {
  return staleness_of(generate(g, e).view(), rule);
}

constexpr bool is(std::vector<staleness> const& found, std::initializer_list<staleness> expected) {
  std::size_t s = 0;
  if (found.size() != expected.size()) return false;
  for (staleness const& x : expected)
    if (found[s++] != x) return false;
  return true;
}

constexpr extent four{4, 4, 1};

}  // namespace

// PipeDream: P - s versions, F and B as late as each other. Without the stash B reads the newest, and nothing is kept.
static_assert(is(of(async_1f1b{}, versions_::stash{}, four), {{4, 3, 3}, {3, 2, 2}, {2, 1, 1}, {1, 0, 0}}));
static_assert(is(of(async_1f1b{}, versions_::live{}, four), {{1, 3, 0}, {1, 2, 0}, {1, 1, 0}, {1, 0, 0}}));
// Vertical sync: everything as late as the first stage.
static_assert(is(of(async_1f1b{}, versions_::vertical_sync{}, four), {{4, 3, 3}, {4, 3, 3}, {4, 3, 3}, {4, 3, 3}}));
// 2BW: two versions, one update late. N >= R - 1 is what it takes, though the paper asks for N >= R.
static_assert(is(of(async_1f1b{}, versions_::double_buffered{}, {4, 4, 4}), {{2, 1, 1}, {2, 1, 1}, {2, 1, 1}, {2, 1, 1}}));
static_assert(is(of(async_1f1b{}, versions_::double_buffered{}, {4, 4, 3}), {{2, 1, 1}, {2, 1, 1}, {2, 1, 1}, {2, 1, 1}}));
// PipeMare's own clock: 7, 5, 3, 1 microbatches.
static_assert(is(of(pipemare{}, versions_::live{}, four), {{1, 7, 0}, {1, 5, 0}, {1, 3, 0}, {1, 1, 0}}));
static_assert(is(of(pipemare{}, versions_::live{}, {4, 4, 4}), {{1, 1.75, 0}, {1, 1.25, 0}, {1, 0.75, 0}, {1, 0.25, 0}}));
// With a flush nothing is old, whatever the rule.
static_assert(is(of(one_f_one_b{}, versions_::flush{}, {4, 4, 8}), {{}, {}, {}, {}}));

TEST_CASE("two versions are enough for one update in R - 1 microbatches, and are refused with the inequality for fewer") {
  for (int ranks = 2; ranks <= 9; ++ranks) {
    for (int n = 1; n <= 2 * ranks; ++n) {
      INFO(ranks << " ranks, " << n << " microbatches");
      extent const e{ranks, ranks, n};
      if (n >= ranks - 1)
        for (staleness const& s : of(async_1f1b{}, versions_::double_buffered{}, e)) CHECK(s == staleness{2, 1, 1});
      else
        CHECK_THROWS_AS(of(async_1f1b{}, versions_::double_buffered{}, e), foal::error);
    }
  }
  for (staleness const& s : of(async_1f1b{}, versions_::double_buffered{}, {8, 8, 16})) CHECK(s == staleness{2, 1, 1});
  CHECK_THROWS_WITH(of(async_1f1b{}, versions_::double_buffered{}, {4, 4, 2}),
                    Catch::Contains("d_0 <= N") && Catch::Contains("is 3 > 2") && Catch::Contains(".microbatches of 3"));
}

TEST_CASE("what is said of a rule is what the analysis says of the program by itself") {
  for (int ranks : {1, 3, 5})
    for (int n : {1, 2, 4, 7}) {
      program p = generate(pipemare{}, {5, ranks, n});
      analysis const a = analyse(p.view());
      auto const found = staleness_of(p.view(), own_versions{});
      for (std::size_t s = 0; s < 5; ++s) {
        CHECK(found[s].forward == Approx(a.stage[s].tau_fwd));
        CHECK(found[s].backward == Approx(a.stage[s].tau_bkwd));
        CHECK(found[s].versions == 1);
      }
    }
}

TEST_CASE("ages are counted in updates, however many of them a minibatch has") {
  extent const e{4, 4, 8};
  CHECK(of(paci{.every = 1}, versions_::stash{}, e) == of(async_1f1b{}, versions_::stash{}, four));
  CHECK(of(paci{.every = 1}, versions_::vertical_sync{}, e) == of(async_1f1b{}, versions_::vertical_sync{}, four));
  CHECK(of(paci{.every = 4}, versions_::double_buffered{}, e) == of(async_1f1b{}, versions_::double_buffered{}, {4, 4, 4}));
  CHECK_THROWS_WITH(of(paci{.every = 2}, versions_::double_buffered{}, e),
                    Catch::Contains("4 updates in a minibatch") && Catch::Contains("is 2 updates old, which is > 1"));
}

TEST_CASE("a stage without an update has one version, and what comes above it still has its own") {
  auto const found = of(frozen<async_1f1b>{.trainable_from = 1, .stages = {2}}, versions_::stash{}, four);
  CHECK(is(found, {{1, 0, 0}, {3, 2, 2}, {1, 0, 0}, {1, 0, 0}}));
}

TEST_CASE("a program that cannot run, and a version that is not there, are refused with the sentence of the proof") {
  program p(extent{2, 2, 2}, 0, false);
  CHECK_THROWS_WITH(staleness_of(p.view(), own_versions{}), Catch::Contains("cannot"));
  CHECK_THROWS_WITH(of(async_1f1b{}, versions_::flush{}, four), Catch::Contains("(versions::flush)"));
}
