// 107 stages, as in the paper, and many updates in a minibatch are proved within the default constexpr limits of the
// compilers.
#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/proof/versions.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/lag_bounded.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>

using namespace foal::schedule;

namespace {

constexpr extent paper{107, 107, 8};

/// Of the one stage of a program that updates after each of its microbatches.
constexpr int updates_of(int microbatches) {
  return versions(generate(paci{.every = 1}, {1, 1, microbatches}).view()).updates[0];
}

template <class G>
constexpr int first_delay(G const& g, extent e) {
  return analyse(generate(g, e).view()).stage[0].delay;
}

}  // namespace

static_assert(proof(sequential{}, paper));
static_assert(proof(gpipe{}, paper));
static_assert(proof(one_f_one_b{}, paper));
static_assert(proof(async_1f1b{}, paper));
static_assert(proof(pipemare{}, paper));
static_assert(proof(paci{}, paper));
static_assert(proof(lag_bounded{.lag = 100}, paper));
static_assert(proof(recomputed<pipemare>{}, {107, 107, 1}));
// In the steps that clang allows only where the proof asks an op for the updates beside it, not for all.
static_assert(updates_of(160) == 160);
static_assert(first_delay(pipemare{}, paper) == 213);
static_assert(first_delay(async_1f1b{}, paper) == 106);

TEST_CASE("107 stages are analysed at run time") {
  program p = generate(pipemare{}, paper);
  analysis const a = analyse(p.view());
  CHECK(a.periods_after == 27);
  int held = 0, peak = 0;
  for (stage_facts const& x : a.stage) held += x.saved_held, peak += x.saved_peak;
  CHECK(held == 107 * 107);
  CHECK(peak == 107 * 107 + 107);
}

TEST_CASE("the versions of 1024 updates in a minibatch, and whose update consumes which microbatch") {
  int const n = 3 * 1024 + 2;  // the last two share one
  program p = generate(paci{.every = 3}, {4, 4, n});
  program_view const v = p.view();
  version_table const there = versions(v);
  REQUIRE(there.updates == std::vector<int>(4, 1025));
  for (int s = 0; s < 4; ++s)
    for (int j = 0; j < n; ++j) {
      REQUIRE(there.consumer(s, j) == j / 3);
      REQUIRE(there.backward_lag(s, j) == 0);
      // 3 - s backward passes come between, and an update after every third and after the last
      int passed = 0;
      for (int m = j - (3 - s); m < j; ++m) passed += floor_mod(m, n) % 3 == 2 || floor_mod(m, n) == n - 1 ? 1 : 0;
      REQUIRE(there.forward_lag(s, j) == passed);
    }
}
