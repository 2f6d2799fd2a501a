// DualPipe and DualPipeV: the lists of a peer, the authors' bubbles and peaks, what they refuse.
#include <catch2/catch.hpp>

#include <foal/schedule/parse.hpp>
#include <foal/schedule/rules/dual_pipe.hpp>
#include <foal/schedule/rules/dual_pipe_v.hpp>

#include "tests/schedule/rules/split.hpp"

using namespace foal::schedule;
using foal::test::facts_of;
using foal::test::schedule_facts;

static_assert(proof(dual_pipe{}, extent_of(dual_pipe{}, 4, 4, 8)));
static_assert(proof(dual_pipe_v{}, extent_of(dual_pipe_v{}, 8, 4, 8)));

namespace {

/// What the authors count: F and the BW behind it are one op of 3, whose messages both leave at its end, but for the first
/// such pair of the ranks where both ways meet: rank `reach` - 1, and those as far from the last. Peaks are left out.
template <class G>
schedule_facts pairs_as_one(G const& g, int stages, int ranks, int n, int reach) {
  extent const e = extent_of(g, stages, ranks, n);
  program p = generate(g, e);
  program_view const v = p.view();
  dependencies const rule(v);
  std::vector<double> end(static_cast<std::size_t>(3 * stages * n), -1), free(static_cast<std::size_t>(ranks), 0);
  auto const ended = [&](auto const& o) -> double& {
    int const kind = o.kind == op_kind::F ? 0 : o.kind == op_kind::W ? 2 : 1;
    return end[static_cast<std::size_t>((kind * stages + o.stage) * n + o.microbatch)];
  };
  auto const counts = [](op const& o) { return o.kind != op_kind::U && o.kind != op_kind::G; };
  std::vector<std::size_t> at(free.size(), 0), first_pair(free.size(), 0);
  std::vector<double> begin(free.size(), -1), busy(free.size(), 0);
  for (bool moved = true; moved;) {
    moved = false;
    for (int r = 0; r < ranks; ++r) {
      auto const k = static_cast<std::size_t>(r);
      auto const list = v.rank(r);
      while (at[k] < list.size()) {
        std::size_t const i = at[k];
        bool pair = i + 1 < list.size() && list[i].kind == op_kind::F && list[i + 1].kind == op_kind::BW;
        bool const middle = r == reach - 1 || (e.replicas == 2 && r == reach);
        if (pair && middle && first_pair[k] == 0) first_pair[k] = i + 1;
        if (pair && middle && first_pair[k] == i + 1) pair = false;
        double start = free[k], length = 0;
        bool ready = true;
        for (std::size_t j = i; j <= i + (pair ? 1 : 0); ++j) {
          if (!counts(list[j])) continue;
          rule.for_each_input(list[j], [&](input const& in) {
            ready = ready && ended(in) >= 0;
            start = std::max(start, ended(in));
          });
          length += list[j].kind == op_kind::BW ? 2 : 1;
        }
        if (!ready) break;
        if (begin[k] < 0) begin[k] = start;
        for (std::size_t j = i; j <= i + (pair ? 1 : 0); ++j)
          if (counts(list[j])) ended(list[j]) = start + length;
        if (length > 0) free[k] = start + length;
        busy[k] += length;
        at[k] += pair ? 2 : 1;
        moved = true;
      }
    }
  }
  schedule_facts out;
  out.makespan = *std::max_element(free.begin(), free.end());
  for (std::size_t k = 0; k < free.size(); ++k) {
    out.idle = std::max(out.idle, out.makespan - busy[k]);
    out.bubble = std::max(out.bubble, free[k] - begin[k] - busy[k]);
  }
  return out;
}

}  // namespace

TEST_CASE("DualPipeV: the list of PyTorch's dualpipev_4rank_10mb.csv, pairs as two ops, and its numbers") {
  constexpr auto peer =
      "F0.0 F0.1 F0.2 F0.3 F0.4 F0.5 F0.6 F7.0 B7.0 W7.0 F7.1 B7.1 W7.1 F7.2 B7.2 W7.2 F7.3 F0.7 BW7.3 F7.4 BW0.0 F0.8 "
      "BW7.4 F7.5 BW0.1 F0.9 BW7.5 F7.6 BW0.2 BW7.6 F7.7 BW0.3 BW7.7 F7.8 BW0.4 BW7.8 F7.9 BW0.5 BW7.9 B0.6 W0.6 B0.7 "
      "W0.7 B0.8 W0.8 B0.9 W0.9\n"
      "F1.0 F1.1 F1.2 F1.3 F1.4 F6.0 F1.5 F6.1 B6.0 W6.0 F6.2 B6.1 W6.1 F6.3 F1.6 BW6.2 F6.4 BW1.0 F1.7 BW6.3 F6.5 "
      "BW1.1 F1.8 BW6.4 F6.6 BW1.2 F1.9 BW6.5 F6.7 BW1.3 BW6.6 F6.8 BW1.4 BW6.7 F6.9 BW1.5 BW6.8 BW1.6 B6.9 B1.7 W6.9 "
      "B1.8 W1.7 B1.9 W1.8 W1.9\n"
      "F2.0 F2.1 F2.2 F5.0 F2.3 F5.1 F2.4 F5.2 B5.0 W5.0 F5.3 F2.5 BW5.1 F5.4 BW2.0 F2.6 BW5.2 F5.5 BW2.1 F2.7 BW5.3 "
      "F5.6 BW2.2 F2.8 BW5.4 F5.7 BW2.3 F2.9 BW5.5 F5.8 BW2.4 BW5.6 F5.9 BW2.5 BW5.7 BW2.6 BW5.8 B2.7 B5.9 B2.8 W2.7 "
      "B2.9 W5.9 W2.8 W2.9\n"
      "F3.0 F4.0 F3.1 F4.1 F3.2 F4.2 F3.3 F4.3 F3.4 BW4.0 F4.4 BW3.0 F3.5 BW4.1 F4.5 BW3.1 F3.6 BW4.2 F4.6 BW3.2 F3.7 "
      "BW4.3 F4.7 BW3.3 F3.8 BW4.4 F4.8 BW3.4 F3.9 BW4.5 F4.9 BW3.5 BW4.6 BW3.6 BW4.7 BW3.7 B4.8 B3.8 B4.9 B3.9 W4.8 "
      "W3.8 W4.9 W3.9\n";
  CHECK(foal::test::same_order(generate(dual_pipe_v{}, extent_of(dual_pipe_v{}, 8, 4, 10)), parse(peer, 8, 10)));
  CHECK(facts_of(dual_pipe_v{}, 8, 4, 10) == schedule_facts{.makespan = 63, .idle = 3, .bubble = 3, .peaks = {9, 9, 9, 9}});
  CHECK(facts_of(dual_pipe_v{}, 16, 8, 16) == schedule_facts{103, 7, 7, std::vector<int>(8, 17)});
  CHECK(pairs_as_one(dual_pipe_v{}, 8, 4, 10, 4) == schedule_facts{66, 6, 6, {}});
  CHECK(pairs_as_one(dual_pipe_v{}, 16, 8, 16, 8) == schedule_facts{110, 14, 14, {}});
}

TEST_CASE("DualPipe: the authors' bubble where a pair is one op, less where F sends at once, R + 1 microbatches a rank") {
  CHECK(facts_of(dual_pipe{}, 4, 4, 8) == schedule_facts{.makespan = 25, .idle = 1, .bubble = 1, .peaks = {5, 5, 5, 5}});
  CHECK(facts_of(dual_pipe{}, 8, 8, 20) == schedule_facts{63, 3, 3, std::vector<int>(8, 9)});
  CHECK(pairs_as_one(dual_pipe{}, 4, 4, 8, 2) == schedule_facts{26, 2, 2, {}});
  CHECK(pairs_as_one(dual_pipe{}, 8, 8, 20, 4) == schedule_facts{66, 6, 6, {}});
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
