// Programs of every placement, of replicas, segments and several updates: proved, replayed, and refused when they are
// broken.
#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/draw/svg.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/parse.hpp>
#include <foal/schedule/proof/channel.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

#include "tests/schedule/plain_run.hpp"
#include "tests/support/schedules.hpp"

using namespace foal::schedule;
using namespace foal::test;

namespace {

template <class G>
constexpr extent shape_of(G const& g, int stages, int ranks, int n) {
  return extent_of(g, stages, ranks, n);
}

struct named {
  std::string name;
  program built;
};

/// One small program of each kind.
std::vector<named> programs() {
  std::vector<named> all;
  auto const add = [&](auto const& g, int stages, int ranks, int n, std::string what = "") {
    all.push_back({what.empty() ? g.name : what, generate(g, shape_of(g, stages, ranks, n))});
  };
  add(gpipe{}, 3, 3, 2);
  add(zb_h1{}, 4, 2, 3);
  add(interleaved{}, 4, 2, 4);
  add(folded<one_f_one_b>{.placed = vee}, 4, 2, 3, "vee");
  add(folded<one_f_one_b>{.placed = loop}, 5, 2, 3, "loop");
  add(two_way{}, 4, 4, 4);
  add(two_way{}, 4, 2, 3, "two_way on two ranks");
  add(in_segments{}, 3, 3, 2);
  return all;
}

/// The program with its lists changed, without slots, clocked again.
template <class Change>
program changed(program p, Change change) {
  program_view const v = p.view();
  std::vector<std::vector<op>> lists;
  for (int r = 0; r < v.size.ranks; ++r) lists.emplace_back(v.rank(r).begin(), v.rank(r).end());
  change(lists);
  program out(v.size, 0, false);
  for (std::size_t r = 0; r < lists.size(); ++r)
    for (op o : lists[r]) {
      o.slot = -1;
      o.lane = 0;
      out(static_cast<int>(r), o);
    }
  time(out);
  return out;
}

template <class... Flaws>
void refused(program p, std::string const& what, Flaws... allowed) {
  verdict const v = prove(p.view());
  INFO(what << "\n" << text(v) << "\n" << lists(p.view()));
  CHECK(((v.what == allowed) || ...));
}

constexpr verdict folded_proof(placement p) {
  folded<pipemare> const g{.placed = p};
  return proof(g, extent_of(g, 8, 4, 3));
}

}  // namespace

static_assert(proof(interleaved{}, extent_of(interleaved{}, 8, 4, 8)));
static_assert(proof(two_way{}, extent_of(two_way{}, 4, 4, 4)));
static_assert(folded_proof(loop) && folded_proof(vee) && folded_proof(contiguous));

TEST_CASE("programs of every placement are proved, run, replayed, drawn and read again", "[schedule]") {
  for (named& x : programs()) {
    INFO(x.name);
    program_view const v = x.built.view();
    CHECK(text(prove(v)) == text(verdict{}));
    CHECK(runs(v));
    timing const t = replay(v, {.message = 0.5}, 2);
    std::size_t ran = 0;
    for (auto const& rank : t.events) ran += rank.size();
    CHECK(ran == 2 * v.ops.size());
    // Sums of several stages between two ranks need not come in one order.
    if (v.size.ranks > 2) CHECK(channel_capacity(v, shared_fifo::kind) >= 0);
    analysis const a = analyse(v);
    CHECK(a.stage.size() == static_cast<std::size_t>(units(v.size)));
    int share = 0;
    for (int k = 0; k < v.size.replicas; ++k) share += a.stage[static_cast<std::size_t>(k * v.size.stages)].share;
    CHECK(share == v.size.microbatches * v.size.segments);
    for (stage_facts const& s : a.stage) {
      CHECK(s.delay == 0);
      CHECK(s.saved_peak <= s.share);
    }
    std::string const picture = svg(v, 1, x.name);
    CHECK(picture.find("G sum among replicas") == (v.size.replicas > 1 ? picture.find("G sum") : std::string::npos));
    if (units(v.size) == v.size.ranks && v.size.replicas > 1) continue;
    program again = parse(lists(v), v.size.stages, v.size.microbatches);
    CHECK(lists(again.view()) == lists(v));
    CHECK(text(prove(again.view())) == text(verdict{}));
  }
}

TEST_CASE("two neighbours swapped: the proof accepts what a run of the lists shows to be sound", "[schedule]") {
  int accepted = 0, broken = 0;
  for (named& x : programs()) {
    program_view const v = x.built.view();
    for (int r = 0; r < v.size.ranks; ++r)
      for (std::size_t i = 0; i + 1 < v.rank(r).size(); ++i)
        for (std::size_t apart : {std::size_t{1}, std::size_t{2}, std::size_t{5}}) {
          if (i + apart >= v.rank(r).size()) continue;
          program p = changed(x.built, [&](auto& l) {
            std::swap(l[static_cast<std::size_t>(r)][i], l[static_cast<std::size_t>(r)][i + apart]);
          });
          verdict const proved = prove(p.view());
          bool const ran = runs(p.view());
          (ran ? accepted : broken) += 1;
          INFO(x.name << ", rank " << r << ", op " << i << ", " << apart << " on\n"
                      << text(proved) << "\n"
                      << lists(p.view()));
          CHECK(static_cast<bool>(proved) == ran);
        }
  }
  CHECK(accepted > 50);
  CHECK(broken > 200);
}

TEST_CASE("an op dropped, listed twice, on another rank or in another replica is refused", "[schedule]") {
  for (named& x : programs()) {
    program_view const v = x.built.view();
    for (int r = 0; r < v.size.ranks; ++r)
      for (std::size_t i = 0; i < v.rank(r).size(); ++i) {
        auto const list = static_cast<std::size_t>(r);
        op const o = v.rank(r)[i];
        std::string const what = x.name + ": " + text(o, r);
        auto const at = [&](auto& l) { return l[list].begin() + static_cast<std::ptrdiff_t>(i); };
        refused(changed(x.built, [&](auto& l) { l[list].erase(at(l)); }), "dropped " + what, flaw::missing);
        refused(changed(x.built, [&](auto& l) { l[list].insert(at(l), o); }), "twice " + what, flaw::twice);
        if (v.size.ranks > 1)
          refused(changed(x.built,
                          [&](auto& l) {
                            l[list].erase(at(l));
                            l[(list + 1) % l.size()].push_back(o);
                          }),
                  "moved " + what, flaw::placement);
        if (v.size.replicas == 1) continue;
        refused(changed(x.built, [&](auto& l) { l[list][i].replica = 1 - o.replica; }), "changed " + what, flaw::placement,
                flaw::twice, flaw::replica, flaw::missing, flaw::deadlock);
      }
  }
}

TEST_CASE("what replicas cannot be", "[schedule]") {
  program p({.stages = 1, .ranks = 2, .microbatches = 1, .replicas = 2}, 0, false);
  for (op_kind const kind : {op_kind::F, op_kind::BW, op_kind::G, op_kind::U}) p(0, {.kind = kind});
  CHECK(prove(p.view()).what == flaw::unused);
  CHECK_THAT(text(prove(p.view())), Catch::Contains("no microbatch runs through replica 1"));

  program q({.stages = 2, .ranks = 2, .microbatches = 2, .replicas = 2}, 0, false);
  for (int s = 0; s < 2; ++s)
    for (int k = 0; k < 2; ++k) {
      int const replica = s == 0 ? k : 1 - k;  // microbatch k changes its replica on its way
      for (op_kind const kind : {op_kind::F, op_kind::BW})
        q(replica, {.kind = kind, .stage = s, .microbatch = k, .replica = replica});
    }
  CHECK(prove(q.view()).what == flaw::replica);
  CHECK_THAT(text(prove(q.view())), Catch::Contains("runs through one replica from its first stage to its last"));
  CHECK_THROWS_WITH(generate(gpipe{}, {.stages = 4, .ranks = 2, .microbatches = 2, .replicas = 2}),
                    Catch::Contains("2 replicas") && Catch::Contains("foal::schedule::folded"));
  CHECK_THROWS_WITH(generate(gpipe{}, {.stages = 4, .ranks = 2, .microbatches = 2, .placed = vee}), Catch::Contains("vee"));
}

TEST_CASE("replicas of an asynchronous program wait for each other's sums", "[schedule]") {
  program p({.stages = 1, .ranks = 2, .microbatches = 2, .replicas = 2}, 0, true);
  for (int k = 0; k < 2; ++k)
    for (op_kind const kind : {op_kind::F, op_kind::BW, op_kind::G, op_kind::U})
      p(k, {.kind = kind, .microbatch = kind == op_kind::F || kind == op_kind::BW ? k : 1, .replica = k});
  time(p);
  CHECK(text(prove(p.view())) == text(verdict{}));
  CHECK(p.period() == 3);
  CHECK(replay(p.view(), {.message = 1}, 2).makespan > replay(p.view(), {}, 2).makespan);
}

TEST_CASE("any number of updates in a minibatch, each gradient in one", "[schedule]") {
  program p = generate(paci{.every = 2}, {3, 3, 6});
  REQUIRE(text(prove(p.view())) == text(verdict{}));
  version_table const there = versions(p.view());
  CHECK(there.updates == std::vector<int>{3, 3, 3});
  program plain = generate(async_1f1b{}, {3, 3, 2});
  version_table const same = versions(plain.view());  // with the minibatch as long as what is between two updates
  for (int s = 0; s < 3; ++s)
    for (int j = 0; j < 6; ++j) {
      CHECK(there.consumer(s, j) == j / 2);
      CHECK(there.forward_lag(s, j) == same.forward_lag(s, j % 2));
      CHECK(there.backward_lag(s, j) == same.backward_lag(s, j % 2));
    }
  std::size_t ran = 0;
  for (auto const& rank : replay(p.view(), {}, 3).events) ran += rank.size();
  CHECK(ran == 3 * p.view().ops.size());

  auto const one = [](std::initializer_list<int> closing) {
    program q({1, 1, 4}, 0, false);
    for (int m = 0; m < 4; ++m) {
      q(0, {.kind = op_kind::F, .microbatch = m});
      q(0, {.kind = op_kind::BW, .microbatch = m});
      for (int const c : closing)
        if (c % 10 == m) q(0, {.kind = op_kind::U, .microbatch = c / 10});
    }
    time(q);
    return prove(q.view());
  };
  CHECK(one({33}));
  CHECK(one({0, 11, 33}));
  CHECK(one({11, 22, 33}));
  CHECK(one({11}).what == flaw::range);       // microbatches 2 and 3 are in no update
  CHECK(one({12, 33}).what == flaw::update);  // U1 comes after the gradient of 2
  CHECK(one({21, 33}).what == flaw::update);  // U2 comes before the gradient of 2
  CHECK(one({33, 33}).what == flaw::twice);
}

TEST_CASE("with the global norm every update comes after the gradients of all stages", "[schedule]") {
  auto const with_norm = [](program base, bool last) {
    program_view const v = base.view();
    program p(v.size, 0, v.asynchronous);
    for (int r = 0; r < v.size.ranks; ++r)
      for (bool const updates : {false, true})
        for (op o : v.rank(r)) {
          if (last ? (o.kind == op_kind::U) != updates : updates) continue;
          o.slot = -1;
          o.lane = 0;
          p(r, o);
        }
    p.global_norm(true);
    time(p);
    return p;
  };
  for (program const& base : {generate(one_f_one_b{}, {3, 3, 2}), generate(gpipe{}, {4, 2, 2}),
                              generate(two_way{}, extent_of(two_way{}, 4, 4, 4))}) {
    program p = with_norm(base, true);
    INFO(lists(p.view()));
    CHECK(text(prove(p.view())) == text(verdict{}));
    CHECK(channel_capacity(p.view(), shared_fifo::kind) >= 0);
    int gradients = 0, first_update = p.period();
    for (op const& o : p.view().ops)
      (o.kind == op_kind::U ? first_update : gradients) =
          o.kind == op_kind::U ? std::min(first_update, o.slot) : std::max(gradients, o.slot);
    CHECK(first_update >= gradients);  // in the slot of its rank's last one, a lane later
  }
  // gpipe's rank 1 would update stage 3 before it has given rank 0 the gradient that rank 0 needs for its own.
  program early = with_norm(generate(gpipe{}, {4, 2, 2}), false);
  CHECK(prove(early.view()).what == flaw::deadlock);

  program asynchronous = generate(async_1f1b{}, {2, 2, 1});
  asynchronous.global_norm(true);
  CHECK_THAT(text(prove(asynchronous.view())), Catch::Contains("cannot clip by the global norm in an asynchronous program"));
  program twice({1, 1, 2}, 0, false);
  for (int m : {0, 1})
    for (op_kind const kind : {op_kind::F, op_kind::BW, op_kind::U}) twice(0, {.kind = kind, .microbatch = m});
  twice.global_norm(true);
  time(twice);
  CHECK_THAT(text(prove(twice.view())), Catch::Contains("stage 0 updates 2 times in a minibatch"));
}
