// What the tests of schedules whose backward is split share: the order of their lists.
#pragma once

#include <vector>

#include <catch2/catch.hpp>

#include "tests/schedule/rules/support.hpp"

namespace foal::test {

/// The lists of both but for U and G are the same ops in the same order.
inline bool same_order(schedule::program a, schedule::program b) {
  schedule::program_view const x = a.view(), y = b.view();
  if (x.size.ranks != y.size.ranks) return false;
  auto const ops = [](schedule::program_view v, int r) {
    std::vector<schedule::op> list;
    for (schedule::op o : v.rank(r)) {
      if (o.kind == schedule::op_kind::U || o.kind == schedule::op_kind::G) continue;
      o.slot = -1, o.lane = 0;
      list.push_back(o);
    }
    return list;
  };
  for (int r = 0; r < x.size.ranks; ++r)
    if (ops(x, r) != ops(y, r)) return false;
  return true;
}

/// The program is proved, the W's (or BW's) of every stage run in the order of their microbatches, and a stage is where the
/// placement says.
template <class G>
void check_runs(G const& g, int stages, int ranks, int n) {
  schedule::extent const e = schedule::extent_of(g, stages, ranks, n);
  schedule::program p = schedule::generate(g, e);
  schedule::program_view const v = p.view();
  INFO(G::name << ": " << schedule::text(schedule::prove(v)));
  REQUIRE(schedule::prove(v));
  std::vector<int> last(static_cast<std::size_t>(schedule::units(e)), -1);
  for (int r = 0; r < ranks; ++r)
    for (schedule::op const& o : v.rank(r)) {
      if (r != schedule::rank_of(e, o.stage, o.replica)) FAIL("a stage elsewhere");
      if (!schedule::adds_weight_gradient(o.kind)) continue;
      int& before = last[static_cast<std::size_t>(schedule::unit_of(e, o.stage, o.replica))];
      if (o.microbatch <= before) FAIL("W's of a stage out of order");
      before = o.microbatch;
    }
}

}  // namespace foal::test
