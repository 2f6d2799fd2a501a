// Schedules of one chunk a rank: the orders of GPipe, kFkB and 1F1B, against their authors' numbers.
#include <foal/schedule/rules/gpipe.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/proof/channel.hpp>
#include <foal/schedule/rules/k_f_k_b.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>

#include "tests/schedule/rules/support.hpp"
#include "tests/support/schedules.hpp"

using namespace foal::schedule;
using foal::test::flaw_of;
using foal::test::measure;
using foal::test::takes;

namespace {

/// The positions of the microbatches of a rank's backwards, in order.
template <class G>
std::vector<int> backwards(G const& g, extent e, int rank) {
  program p = generate(g, e);
  std::vector<int> all;
  for (op const& o : p.view().rank(rank))
    if (o.kind == op_kind::BW) all.push_back(o.microbatch);
  return all;
}

template <class G>
std::vector<op> ops_of(G const& g, extent e) {
  program p = generate(g, e);
  return {p.view().ops.begin(), p.view().ops.end()};
}

}  // namespace

static_assert(proof(gpipe{.newest_first = true}, {4, 4, 8}));
static_assert(proof(k_f_k_b{}, {4, 4, 8}));
static_assert(proof(k_f_k_b{.k = 3}, {4, 4, 8}));
static_assert(takes(gpipe{}, {4, 4, 8}, {}, 33, 9, {8, 8, 8, 8}));
static_assert(takes(gpipe{.newest_first = true}, {4, 4, 8}, {}, 33, 9, {8, 8, 8, 8}));
static_assert(takes(one_f_one_b{}, {4, 4, 8}, {}, 33, 9, {4, 3, 2, 1}));
static_assert(takes(one_f_one_b{}, {8, 8, 16}, {}, 69, 21, {8, 7, 6, 5, 4, 3, 2, 1}));

TEST_CASE("GPipe runs its backwards in either order, and takes as long", "[schedule]") {
  CHECK(backwards(gpipe{}, {3, 3, 4}, 1) == std::vector<int>{0, 1, 2, 3});
  CHECK(backwards(gpipe{.newest_first = true}, {3, 3, 4}, 1) == std::vector<int>{3, 2, 1, 0});
  for (int stages : {1, 3, 7})
    for (int ranks = 1; ranks <= stages; ++ranks)
      for (int n : {1, 2, 5})
        for (bool newest_first : {false, true}) {
          INFO(stages << " stages, " << ranks << " ranks, N " << n);
          CHECK(flaw_of(gpipe{.newest_first = newest_first}, stages, ranks, n).empty());
          if (ranks == stages)
            CHECK(measure(gpipe{.newest_first = newest_first}, stages, ranks, n).makespan == 3 * (n + ranks - 1));
        }
}

TEST_CASE("GPipe's forwards run on the clock of its authors", "[schedule]") {
  // At clock k the stages s run microbatches m with m + s = k.
  auto const clocks = [](int n, int ranks) {
    std::vector<std::vector<std::pair<int, int>>> all;
    program p = generate(gpipe{}, {ranks, ranks, n});
    for (op const& o : p.view().ops) {
      if (o.kind != op_kind::F) continue;
      if (all.size() <= static_cast<std::size_t>(o.slot)) all.resize(static_cast<std::size_t>(o.slot) + 1);
      all[static_cast<std::size_t>(o.slot)].emplace_back(o.microbatch, o.stage);
    }
    return all;
  };
  using clock = std::vector<std::pair<int, int>>;
  CHECK(clocks(3, 3) ==
        std::vector<clock>{{{0, 0}}, {{1, 0}, {0, 1}}, {{2, 0}, {1, 1}, {0, 2}}, {{2, 1}, {1, 2}}, {{2, 2}}});
  CHECK(clocks(4, 2).size() == 5);
}

TEST_CASE("kFkB hides messages behind the ops of a group", "[schedule]") {
  double const makespans[][3] = {{57, 85, 113}, {57, 63, 74}, {57, 63, 69}};
  int const peaks[] = {4, 8, 16};
  for (int i = 0; i < 3; ++i)
    for (int latency = 0; latency < 3; ++latency) {
      k_f_k_b const g{.k = 1 << i};
      auto const m = measure(g, 4, 4, 16, {.message = static_cast<double>(latency)});
      INFO("k " << g.k << " latency " << latency);
      CHECK(m.makespan == makespans[i][latency]);
      CHECK(m.peaks.front() == peaks[i]);
    }
}

TEST_CASE("kFkB is 1F1B with k = 1 and GPipe with k = N, and takes any N", "[schedule]") {
  for (int stages : {1, 4, 7})
    for (int ranks = 1; ranks <= std::min(stages, 4); ++ranks)
      for (int n = 1; n <= 9; ++n) {
        extent const e{stages, ranks, n};
        CHECK(ops_of(k_f_k_b{.k = 1}, e) == ops_of(one_f_one_b{}, e));
        CHECK(ops_of(k_f_k_b{.k = n + 2}, e) == ops_of(gpipe{}, e));
        for (int k = 2; k < n; ++k) {
          INFO(stages << " stages, " << ranks << " ranks, N " << n << ", k " << k);
          CHECK(flaw_of(k_f_k_b{.k = k}, stages, ranks, n).empty());
        }
      }
  CHECK(ops_of(k_f_k_b{}, {4, 4, 8}) == ops_of(foal::test::two_f_two_b{}, {4, 4, 8}));
  CHECK_THAT(flaw_of(k_f_k_b{.k = 0}, 4, 4, 8), Catch::Contains(".k = 0"));
}

TEST_CASE("fixed slots take two per microbatch, and unequal stages are waited for", "[schedule]") {
  CHECK(measure(one_f_one_b{}, 3, 3, 4, {.backward = 0.5, .weight = 0.5}).makespan == 12);
  CHECK(measure(one_f_one_b{}, 3, 3, 4).peaks == std::vector<int>{3, 2, 1});
}
