// V schedules from building blocks: the authors' peaks and times, any numbers of stages, ranks and microbatches.
#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/rules/v_half.hpp>
#include <foal/schedule/rules/v_min.hpp>
#include <foal/schedule/rules/v_search.hpp>
#include <foal/schedule/rules/zb_v.hpp>

#include "tests/schedule/rules/split.hpp"

using namespace foal::schedule;
using foal::test::facts_of;
using foal::test::schedule_facts;

static_assert(proof(v_half{}, extent_of(v_half{}, 8, 4, 8)));
static_assert(proof(v_min{}, extent_of(v_min{}, 8, 4, 8)));

namespace {

int most(std::vector<int> const& peaks) { return *std::max_element(peaks.begin(), peaks.end()); }

/// Chunks that a run makes room for on the fullest rank: for each stage its own.
template <class G>
int planned(G const& g, int ranks, int n) {
  program p = generate(g, extent_of(g, 2 * ranks, ranks, n));
  analysis const facts = analyse(p.view());
  std::vector<int> const host = ranks_of(p.view());
  std::vector<int> of(static_cast<std::size_t>(ranks), 0);
  for (std::size_t s = 0; s < host.size(); ++s) of[static_cast<std::size_t>(host[s])] += facts.stage[s].saved_peak;
  return most(of);
}

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

TEST_CASE("A run needs no more room for V-Half than its ranks save, and one chunk more for V-Min") {
  for (int const ranks : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12})
    for (int const n : {1, ranks, 2 * ranks, 3 * ranks + 1})
      for (bool const reordered : {false, true}) {
        INFO(ranks << " ranks, N " << n << ", reordered " << reordered);
        CHECK(planned(v_half{reordered}, ranks, n) <= 2 * ((ranks + 2) / 2));
        CHECK(planned(v_min{reordered}, ranks, n) <= 2 * ((ranks + 4) / 3) + 1);
      }
  CHECK(planned(v_half{}, 8, 16) == 10);
  CHECK(planned(v_min{}, 8, 16) == 8);
}

TEST_CASE("The general V search: a bubble for every memory, down to none at 2 R chunks") {
  // Even memories as the authors' own search has them: 3 R - 1 - 3 k + max(3 R, R - 1 + 2 (1 + k / 2)).
  for (int const ranks : {2, 3, 4, 5}) {
    double before = 1e9;
    for (int memory = 2 * ((ranks + 4) / 3); memory <= 2 * ranks; ++memory) {
      int const n = 2 * ranks;
      INFO(ranks << " ranks, memory " << memory);
      v_search const g{.memory = memory};
      foal::test::check_runs(g, 2 * ranks, ranks, n);
      schedule_facts const f = facts_of(g, 2 * ranks, ranks, n);
      CHECK(most(f.peaks) <= memory);
      CHECK(f.bubble <= before);
      before = f.bubble;
      int const theirs = 3 * ranks - 1 - 3 * memory + std::max(3 * ranks, ranks - 1 + 2 * (1 + (memory + 1) / 2));
      if (memory % 2 == 0) CHECK(f.bubble <= theirs);
    }
    CHECK(before == 0);
  }
  CHECK(facts_of(v_search{.memory = 8}, 16, 8, 16).bubble == 23);
}

TEST_CASE("The general V search goes by the costs, and says how little is too little") {
  auto const for_costs = [](foal::schedule::costs const& d, int memory) {
    return v_search{memory, d.forward, d.backward, d.weight, d.message};
  };
  for (foal::schedule::costs const& d : {foal::schedule::costs{10, 12, 8, 0, 1}, {2, 2, 1}, {1, 1, 1, 0, 0.5}})
    for (int const memory : {4, 6, 8}) {
      int const ranks = 4;
      INFO(d.forward << " " << d.backward << " " << d.weight << " " << d.message << ", " << ranks << " ranks, " << memory);
      schedule_facts const f = facts_of(for_costs(d, memory), 2 * ranks, ranks, 8, d);
      CHECK(most(f.peaks) <= memory);
      CHECK(f.bubble <= facts_of(v_search{.memory = memory}, 2 * ranks, ranks, 8, d).bubble);
      CHECK(f.bubble <= facts_of(v_min{}, 2 * ranks, ranks, 8, d).bubble);
      if (memory >= ranks + 2) CHECK(f.bubble <= facts_of(v_half{}, 2 * ranks, ranks, 8, d).bubble);
      if (memory >= 2 * ranks) CHECK(f.bubble <= facts_of(zb_v{}, 2 * ranks, ranks, 8, d).bubble);
      foal::test::check_runs(for_costs(d, memory), 2 * ranks + 1, ranks, 8);
    }
  // A fixed order at so little memory has a bubble of 196, one of V-Min's 204.
  CHECK(facts_of(for_costs({10, 12, 8}, 4), 8, 4, 8, {10, 12, 8}).bubble <= 192);
  foal::test::check_runs(v_search{}, 5, 3, 4);
  foal::test::check_runs(v_search{.memory = 5}, 11, 4, 3);
  foal::test::check_runs(v_search{}, 1, 1, 2);
  CHECK_THROWS_WITH(generate(v_search{.memory = 3}, extent_of(v_search{}, 8, 4, 8)), Catch::Contains("saves 4 chunks"));
  CHECK_THROWS_WITH(generate(v_search{.memory = -1}, extent_of(v_search{}, 8, 4, 8)), Catch::Contains(".memory = -1"));
}
