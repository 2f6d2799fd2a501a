// Lists of every kind of synchronous schedule with ops out of place, against a plain loop that runs them: the proof accepts
// what runs to its end with every message in order, and nothing else.
#include <foal/schedule/proof/prove.hpp>

#include <catch2/catch.hpp>

#include <random>
#include <set>
#include <tuple>

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

#include "tests/support/schedules.hpp"

using namespace foal::schedule;

namespace {

using key = std::tuple<op_kind, int, int, int>;  // kind (B for BW), stage, microbatch, segment

key of(op_kind kind, int stage, int microbatch, int segment) {
  return {kind == op_kind::BW ? op_kind::B : kind, stage, microbatch, segment};
}

/// What a rank does with its list, and nothing that the proof knows: an op runs when what it needs has run. Of a unit F's
/// and backwards come in the order of those that they take a message from, and its U (G) after all of its gradients.
bool runs(program_view v) {
  int const last = v.size.stages - 1, all = v.size.microbatches * v.size.segments;
  std::set<key> done;
  std::vector<std::size_t> at(static_cast<std::size_t>(v.size.ranks), 0);
  std::vector<int> gradients(static_cast<std::size_t>(units(v.size)), 0), summed(gradients);
  std::vector<std::vector<key>> forwards(gradients.size()), backwards(gradients.size());
  std::vector<int> share(static_cast<std::size_t>(v.size.replicas), 0);
  for (op const& o : v.ops)
    if (o.kind == op_kind::F && o.stage == 0) ++share[static_cast<std::size_t>(o.replica)];
  auto const ready = [&](op const& o) {
    auto const has = [&](op_kind kind, int stage, int segment) {
      return done.contains(of(kind, stage, o.microbatch, segment));
    };
    auto const u = static_cast<std::size_t>(unit_of(v.size, o.stage, o.replica));
    bool ok = true;
    if (o.kind == op_kind::F) {
      if (o.stage > 0) ok = has(op_kind::F, o.stage - 1, o.segment);
      if (o.segment > 0) ok = ok && has(op_kind::F, o.stage, o.segment - 1);
    } else if (is_backward(o.kind)) {
      ok = has(op_kind::F, o.stage, o.segment);
      if (o.stage < last) ok = ok && has(op_kind::B, o.stage + 1, o.segment);
      if (o.segment + 1 < v.size.segments) ok = ok && has(op_kind::B, o.stage, o.segment + 1);
    } else if (o.kind == op_kind::W) {
      ok = has(op_kind::B, o.stage, o.segment);
    } else if (o.kind == op_kind::G) {
      for (int r = 0; r < v.size.replicas; ++r)
        ok = ok && gradients[static_cast<std::size_t>(unit_of(v.size, o.stage, r))] == share[static_cast<std::size_t>(r)];
    } else {
      ok = v.size.replicas == 1 ? gradients[u] == all : summed[u] == 1;
    }
    return ok;
  };
  for (bool moved = true; moved;) {
    moved = false;
    for (int r = 0; r < v.size.ranks; ++r)
      for (auto& i = at[static_cast<std::size_t>(r)]; i < v.rank(r).size(); ++i, moved = true) {
        op const& o = v.rank(r)[i];
        if (!ready(o)) break;
        auto const u = static_cast<std::size_t>(unit_of(v.size, o.stage, o.replica));
        done.insert(of(o.kind, o.stage, o.microbatch, o.segment));
        key const message = of(op_kind::F, 0, o.microbatch, o.segment);
        if (o.kind == op_kind::F) forwards[u].push_back(message);
        if (is_backward(o.kind)) backwards[u].push_back(message);
        if (adds_weight_gradient(o.kind)) ++gradients[u];
        if (o.kind == op_kind::G) ++summed[u];
      }
  }
  for (int r = 0; r < v.size.ranks; ++r)
    if (at[static_cast<std::size_t>(r)] < v.rank(r).size()) return false;
  for (std::size_t u = 0; u + 1 < forwards.size(); ++u)
    if (stage_of(v.size, static_cast<int>(u)) < last && (forwards[u] != forwards[u + 1] || backwards[u] != backwards[u + 1]))
      return false;
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
        p = make(foal::test::late_weights{});
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
