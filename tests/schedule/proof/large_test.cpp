// 107 stages, as in the paper, are proved within the default constexpr limits of the compilers.
#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/generate.hpp>
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
