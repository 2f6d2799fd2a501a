// What ranks hold where the first half lends to the last: BPipe's limit.
#include <foal/schedule/cost/balanced_memory.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/bpipe.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

using namespace foal::schedule;

namespace {

constexpr balanced_memory balanced(int ranks, int n, int limit = 0) {
  program p = generate(bpipe{}, {ranks, ranks, n});
  return balance_memory(p.view(), replay(p.view()), bpipe{.limit = limit}.limit_for(ranks));
}

constexpr int worst(balanced_memory const& m) {
  int peak = 0;
  for (rank_memory const& r : m.rank) peak = std::max(peak, r.peak);
  return peak;
}

}  // namespace

static_assert(worst(balanced(8, 16)) == 5);

TEST_CASE("half the ranks and one more microbatch are enough", "[schedule]") {
  CHECK(worst(balanced(16, 32)) == 9);
  for (int ranks = 1; ranks <= 9; ++ranks)
    for (int n : {1, ranks, 3 * ranks}) {
      INFO(ranks << " ranks, N " << n);
      balanced_memory const m = balanced(ranks, n, ranks / 2 + 1);
      CHECK(worst(m) == std::min(ranks / 2 + 1, n));
      program p = generate(bpipe{}, {ranks, ranks, n});
      auto const alone = saved_over_time(p.view(), replay(p.view()));
      for (int r = 0; r < ranks; ++r) {
        auto const i = static_cast<std::size_t>(r);
        bool const lends = alone[i].peak > ranks / 2 + 1;
        CHECK((m.moves[i] > 0) == lends);
        CHECK(m.moves[i] % 2 == 0);  // out and back
        CHECK(m.rank[i].curve.back().second == 0);
        for (auto const& [time, units] : m.rank[i].curve) CHECK(units <= m.rank[i].peak);
      }
    }
}

TEST_CASE("a limit under which the other rank has no room, and programs that lend nothing, are refused", "[schedule]") {
  CHECK_THROWS_WITH(balanced(8, 16, 4), Catch::Contains("rank 4 would hold 5"));
  program g = generate(gpipe{}, {4, 4, 8});
  CHECK_THROWS_WITH(balance_memory(g.view(), replay(g.view()), 3), Catch::Contains("rank 2 would hold"));
  CHECK(worst(balance_memory(g.view(), replay(g.view()), 8)) == 8);
  program l = generate(interleaved{}, extent_of(interleaved{}, 4, 2, 2));
  CHECK_THROWS_WITH(balance_memory(l.view(), replay(l.view()), 3), Catch::Contains("placed loop"));
  program z = generate(zb_h1{}, {4, 4, 8});
  CHECK_THROWS_WITH(balance_memory(z.view(), replay(z.view()), 8), Catch::Contains("W is an op of its own"));
}
