// V schedules from building blocks: the authors' peaks and times, any numbers of stages, ranks and microbatches.
#include <catch2/catch.hpp>

#include <foal/schedule/rules/v_half.hpp>
#include <foal/schedule/rules/v_min.hpp>

#include "tests/schedule/rules/split.hpp"

using namespace foal::schedule;
using foal::test::facts_of;
using foal::test::schedule_facts;

static_assert(proof(v_half{}, extent_of(v_half{}, 8, 4, 8)));
static_assert(proof(v_min{}, extent_of(v_min{}, 8, 4, 8)));

namespace {

int most(std::vector<int> const& peaks) { return *std::max_element(peaks.begin(), peaks.end()); }

}  // namespace

TEST_CASE("V-Half: 2 floor((R + 2) / 2) chunks a rank, half the bubble of 1F1B") {
  schedule_facts const raw = facts_of(v_half{.reordered = false}, 8, 4, 8), done = facts_of(v_half{}, 8, 4, 8);
  CHECK(most(raw.peaks) == 6);
  CHECK(raw.makespan == 60);
  CHECK(most(done.peaks) == 6);
  CHECK(done.makespan == 53);
  CHECK(done.idle == 5);
  schedule_facts const larger = facts_of(v_half{.reordered = false}, 16, 8, 16), large = facts_of(v_half{}, 16, 8, 16);
  CHECK(most(larger.peaks) == 10);
  CHECK(larger.makespan == 122);
  CHECK(most(large.peaks) == 10);
  CHECK(large.makespan == 113);
}

TEST_CASE("V-Min: 2 floor((R + 4) / 3) chunks a rank, two thirds of the bubble of 1F1B") {
  schedule_facts const raw = facts_of(v_min{.reordered = false}, 8, 4, 8), done = facts_of(v_min{}, 8, 4, 8);
  CHECK(most(raw.peaks) == 4);
  CHECK(raw.makespan == 59);
  CHECK(most(done.peaks) == 4);
  CHECK(done.makespan == 59);
  schedule_facts const large = facts_of(v_min{}, 16, 8, 16);
  CHECK(most(large.peaks) == 8);
  CHECK(large.makespan == 123);
  CHECK(facts_of(v_min{.reordered = false}, 16, 8, 16).makespan == 123);
}

TEST_CASE("V schedules keep their memory, and are proved, for any numbers of stages, ranks and microbatches") {
  for (int ranks = 1; ranks <= 9; ++ranks)
    for (int stages : {ranks, ranks + 1, 2 * ranks, 2 * ranks + 3, 4 * ranks})
      for (int n : {1, 2, 5, 8, 20})
        for (bool const reordered : {false, true}) {
          INFO(stages << " stages on " << ranks << " ranks, N " << n << ", reordered " << reordered);
          foal::test::check_runs(v_half{reordered}, stages, ranks, n);
          foal::test::check_runs(v_min{reordered}, stages, ranks, n);
          if (stages != 2 * ranks) continue;
          schedule_facts const half = facts_of(v_half{reordered}, stages, ranks, n),
                               min = facts_of(v_min{reordered}, stages, ranks, n);
          CHECK(most(half.peaks) <= 2 * ((ranks + 2) / 2));
          CHECK(most(min.peaks) <= 2 * ((ranks + 4) / 3));
          CHECK(half.makespan <= facts_of(v_half{false}, stages, ranks, n).makespan);
          CHECK(min.makespan <= facts_of(v_min{false}, stages, ranks, n).makespan);
        }
}
