// DualPipe and DualPipeV: the lists of a peer, the authors' bubbles and peaks, what they refuse.
#include <catch2/catch.hpp>

#include <foal/schedule/cost/overlaps.hpp>
#include <foal/schedule/csv.hpp>
#include <foal/schedule/rules/dual_pipe.hpp>
#include <foal/schedule/rules/dual_pipe_v.hpp>

#include "tests/schedule/rules/split.hpp"
#include "tests/support/torch_lists.hpp"

using namespace foal::schedule;
using foal::test::facts_of;
using foal::test::schedule_facts;

static_assert(proof(dual_pipe{}, extent_of(dual_pipe{}, 4, 4, 8)));
static_assert(proof(dual_pipe_v{}, extent_of(dual_pipe_v{}, 8, 4, 8)));

namespace {

/// What the authors count: a pair of F and BW begins and sends together.
template <class G>
schedule_facts pairs_as_one(G const& g, int stages, int ranks, int n) {
  program p = generate(g, extent_of(g, stages, ranks, n));
  std::vector<char> const pairs = dual_pipe_overlaps(p.view());
  return facts_of(std::move(p), {.overlaps = pairs});
}

}  // namespace

TEST_CASE("DualPipeV: the list of PyTorch's dualpipev_4rank_10mb.csv, pairs as two ops, and its numbers") {
  CHECK(foal::test::same_order(generate(dual_pipe_v{}, extent_of(dual_pipe_v{}, 8, 4, 10)),
                               from_csv(foal::test::torch_dual_pipe_v)));
  CHECK(facts_of(dual_pipe_v{}, 8, 4, 10) == schedule_facts{.makespan = 63, .idle = 3, .bubble = 3, .peaks = {9, 9, 9, 9}});
  CHECK(facts_of(dual_pipe_v{}, 16, 8, 16) == schedule_facts{103, 7, 7, std::vector<int>(8, 17)});
  CHECK(pairs_as_one(dual_pipe_v{}, 8, 4, 10) == schedule_facts{66, 6, 6, std::vector<int>(4, 9)});
  CHECK(pairs_as_one(dual_pipe_v{}, 16, 8, 16) == schedule_facts{110, 14, 14, std::vector<int>(8, 17)});
}

TEST_CASE("DualPipe: the authors' bubble where a pair is one op, less where F sends at once, R + 1 microbatches a rank") {
  CHECK(facts_of(dual_pipe{}, 4, 4, 8) == schedule_facts{.makespan = 25, .idle = 1, .bubble = 1, .peaks = {5, 5, 5, 5}});
  CHECK(facts_of(dual_pipe{}, 8, 8, 20) == schedule_facts{63, 3, 3, std::vector<int>(8, 9)});
  CHECK(pairs_as_one(dual_pipe{}, 4, 4, 8) == schedule_facts{26, 2, 2, std::vector<int>(4, 5)});
  CHECK(pairs_as_one(dual_pipe{}, 8, 8, 20) == schedule_facts{66, 6, 6, std::vector<int>(8, 9)});
}

TEST_CASE("Both directions are proved for any numbers of stages, ranks and microbatches that fill them") {
  for (int stages = 1; stages <= 13; ++stages)
    for (int ranks = 1; ranks <= stages; ++ranks)
      for (int n : {2 * ranks, 2 * ranks + 1, 3 * ranks + 3}) {
        INFO(stages << " stages on " << ranks << " ranks, N " << n);
        foal::test::check_runs(dual_pipe_v{}, stages, ranks, n);
        if (ranks % 2 == 0) foal::test::check_runs(dual_pipe{}, stages, ranks, (n + 1) / 2 * 2);
      }
}

TEST_CASE("What does not fill both directions is refused, with the numbers") {
  auto const refused = [](auto const& g, int stages, int ranks, int n) {
    return [=] { static_cast<void>(generate(g, extent_of(g, stages, ranks, n))); };
  };
  CHECK_THROWS_WITH(refused(dual_pipe{}, 5, 5, 10)(), Catch::Contains("on 5 ranks with 10 microbatches"));
  CHECK_THROWS_WITH(refused(dual_pipe{}, 4, 4, 9)(), Catch::Contains("9 microbatches on 4 ranks"));
  CHECK_THROWS_WITH(refused(dual_pipe{}, 4, 4, 6)(), Catch::Contains("an even number from 8 on"));
  CHECK_THROWS_WITH(refused(dual_pipe_v{}, 8, 4, 7)(), Catch::Contains("7 microbatches on 4 ranks"));
}
