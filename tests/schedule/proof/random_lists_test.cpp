// Lists of every kind of synchronous schedule with ops out of place, against a plain loop that runs them: the proof accepts
// what runs to its end with every message in order, and nothing else.
#include <foal/schedule/proof/prove.hpp>

#include <catch2/catch.hpp>

#include <random>
#include <utility>
#include <vector>

#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/chimera.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/hanayo.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/k_f_k_b.hpp>
#include <foal/schedule/rules/looped_bfs.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/seq1f1b.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

#include "tests/schedule/plain_run.hpp"

using namespace foal::schedule;

namespace {

/// True if ranks come to the end of their lists when each runs its next op as soon as what it needs has run, and F's and
/// backwards of every stage come in the order of those that they take a message from.
bool runs(program_view v) {
  foal::test::plain_run run(v);
  std::vector<std::size_t> at(static_cast<std::size_t>(v.size.ranks), 0);
  std::vector<std::vector<std::pair<int, int>>> forwards(static_cast<std::size_t>(units(v.size))), backwards(forwards);
  for (bool moved = true; moved;) {
    moved = false;
    for (int r = 0; r < v.size.ranks; ++r)
      for (auto& i = at[static_cast<std::size_t>(r)]; i < v.rank(r).size() && run.ready(v.rank(r)[i]); ++i, moved = true) {
        op const& o = v.rank(r)[i];
        run.run(o);
        auto const u = static_cast<std::size_t>(unit_of(v.size, o.stage, o.replica));
        if (o.kind == op_kind::F) forwards[u].emplace_back(o.microbatch, o.segment);
        if (is_backward(o.kind)) backwards[u].emplace_back(o.microbatch, o.segment);
      }
  }
  for (int r = 0; r < v.size.ranks; ++r)
    if (at[static_cast<std::size_t>(r)] < v.rank(r).size()) return false;
  for (int u = 0; u + 1 < units(v.size); ++u) {
    auto const below = static_cast<std::size_t>(u), above = below + 1;
    if (stage_of(v.size, u) + 1 < v.size.stages &&
        (forwards[below] != forwards[above] || backwards[below] != backwards[above]))
      return false;
  }
  return true;
}

}  // namespace

TEST_CASE("the proof accepts the lists that run, and refuses those that do not", "[schedule]") {
  std::mt19937 random(7);
  auto const below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  int accepted = 0, refused = 0;
  for (int i = 0; i < 4000; ++i) {
    int const ranks = 1 + below(4), chunks = 1 + below(3), n = 2 + below(6);
    auto const make = [&](auto const& g, int of_a_rank = 1) {
      int const stages = ranks * of_a_rank + below(2);
      return generate(g, extent_of(g, stages, ranks, n));
    };
    program p;
    switch (below(9)) {
      case 0:
        p = make(gpipe{.newest_first = below(2) == 0});
        break;
      case 1:
        p = make(one_f_one_b{});
        break;
      case 2:
        p = make(k_f_k_b{.k = 1 + below(3)});
        break;
      case 3:
        p = make(interleaved{.chunks = chunks, .uneven = true}, chunks);
        break;
      case 4:
        p = make(looped_bfs{.chunks = chunks}, chunks);
        break;
      case 5:
        p = make(chimera{.units = below(2) == 0});
        break;
      case 6:
        p = make(hanayo{}, 2);
        break;
      case 7:
        p = make(seq1f1b{.segments = 1 + below(3)});
        break;
      default:
        p = make(zb_h1{});
    }
    program lists_alone(p.size(), 0, false);
    for (int r = 0; r < ranks; ++r) {
      std::vector<op> list(p.view().rank(r).begin(), p.view().rank(r).end());
      for (int swaps = below(3); swaps > 0; --swaps) {  // neighbours, or any two
        auto const a = static_cast<std::size_t>(below(static_cast<int>(list.size())));
        auto const b = below(2) == 0 ? std::min(a + 1, list.size() - 1)
                                     : static_cast<std::size_t>(below(static_cast<int>(list.size())));
        std::swap(list[a], list[b]);
      }
      for (op o : list) {
        o.slot = -1, o.lane = 0;
        lists_alone(r, o);
      }
    }
    time(lists_alone);
    program_view const v = lists_alone.view();
    verdict const told = prove(v);
    INFO("list " << i << "\n" << lists(v) << text(told));
    REQUIRE(bool(told) == runs(v));
    ++(told ? accepted : refused);
    if (!told) continue;
    timing const t = replay(v, {.forward = 1.0 + below(3), .backward = 1.0 + below(3), .message = 0.5 * below(3)});
    std::size_t events = 0;
    for (auto const& of_rank : t.events) events += of_rank.size();
    REQUIRE(events == v.ops.size());
  }
  CHECK(accepted > 500);
  CHECK(refused > 500);
}
