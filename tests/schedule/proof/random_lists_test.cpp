// Lists of every kind of synchronous schedule with ops out of place, against a plain loop that runs them: the proof accepts
// what runs to its end with every message in order, and nothing else.
#include <foal/schedule/proof/prove.hpp>

#include <catch2/catch.hpp>

#include <random>
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
    REQUIRE(bool(told) == foal::test::runs(v));
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
