// Lists without a flush, and those of arrival: the proofs, delays, versions and saved activations that their papers promise.
#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

#include <foal/policy/versions.hpp>
#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/cost/staleness.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/amdp.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/cyclic.hpp>
#include <foal/schedule/rules/lag_bounded.hpp>
#include <foal/schedule/rules/message_driven.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/schedule/rules/wpipe.hpp>
#include <foal/schedule/unroll.hpp>

using namespace foal::schedule;
using foal::versions::double_buffered;
using foal::versions::live;
using foal::versions::stash;

namespace {

template <class G>
constexpr extent of(G const& g, int stages, int ranks, int microbatches) {
  return extent_of(g, stages, ranks, microbatches);
}

bool same(program a, program b) {
  auto const x = a.view().ops, y = b.view().ops;
  return a.period() == b.period() && std::equal(x.begin(), x.end(), y.begin(), y.end());
}

std::vector<int> peaks(program p, int minibatches) {
  std::vector<int> all;
  timing const t = replay(p.view(), {}, minibatches);
  for (rank_memory const& m : saved_over_time(p.view(), t)) all.push_back(m.peak);
  return all;
}

/// F's and BW's of a rank in a list of (kind, microbatch).
std::vector<std::pair<op_kind, int>> order(program_view v, int rank, op_kind kind) {
  std::vector<std::pair<op_kind, int>> all;
  for (op const& o : v.rank(rank))
    if (o.kind == kind) all.push_back({kind, o.microbatch});
  return all;
}

/// Of the activations of all stages and replicas, those that are held in each of the program's slots that has an op.
std::set<int> held_in_slots(program p) {
  program_view const v = p.view();
  timeline t;
  REQUIRE(index(v, t));
  std::set<int> all;
  for (int slot = 0; slot < v.period; ++slot) {
    int held = 0;
    bool used = false;
    for (std::size_t i = 0; i < t.forward.size(); ++i) {
      int const f = t.slot[static_cast<std::size_t>(t.forward[i])], b = t.slot[static_cast<std::size_t>(t.backward[i])];
      used = used || (slot - f) % v.period == 0 || (slot - b) % v.period == 0;
      for (int k = 0; k < 8; ++k)  // the microbatch of so many minibatches before
        held += f - k * v.period <= slot && slot <= b - k * v.period ? 1 : 0;
    }
    if (used) all.insert(held);
  }
  return all;
}

/// Some rank has nothing to do while a message waits for it, on one stage a rank.
bool waits_beside_a_message(program_view v, costs const& cost) {
  timing const t = replay(v, cost);
  auto const comes = [&](op const& o) {  // when what it waits for has come; those that rank 0 lets in wait for nothing
    bool const forward = o.kind == op_kind::F;
    int const from = forward ? o.stage - 1 : o.stage + 1;
    if (o.kind == op_kind::U || from < 0 || from >= v.size.ranks) return t.makespan;
    for (event const& e : t.events[static_cast<std::size_t>(from)])
      if (e.what.kind == o.kind && e.what.microbatch == o.microbatch) return e.end + cost.message;
    return t.makespan;
  };
  for (auto const& events : t.events) {
    double free = 0;
    for (std::size_t i = 0; i < events.size(); ++i) {
      for (std::size_t k = i; k < events.size(); ++k)
        if (events[i].start > free && comes(events[k].what) < events[i].start) return true;
      free = events[i].end;
    }
  }
  return false;
}

}  // namespace

static_assert(proof(paci{}, {4, 4, 8}));
static_assert(proof(paci{.every = 3}, {4, 4, 8}));
static_assert(proof(lag_bounded{.lag = 2}, {4, 4, 8}));
static_assert(proof(message_driven{}, {4, 4, 8}));
static_assert(proof(wpipe{}, of(wpipe{}, 8, 4, 8)));
static_assert(proof(cyclic{.replicas = 4}, of(cyclic{.replicas = 4}, 4, 4, 8)));
static_assert(proof(amdp{}, of(amdp{}, 4, 4, 8)));

TEST_CASE("paci is async_1f1b that updates every so many microbatches, and bounds how many lie between F and B") {
  for (int n : {1, 4, 8}) CHECK(same(generate(paci{.every = n}, {4, 4, n}), generate(async_1f1b{}, {4, 4, n})));
  for (int ranks : {2, 4, 7}) {
    for (int n : {1, 3, 8, 12}) {
      for (int every = 0; every <= n; ++every) {
        INFO(ranks << " ranks, N = " << n << ", every " << every);
        int const a = every > 0 ? every : std::min(ranks, n);
        program p = generate(paci{.every = every}, {ranks, ranks, n});
        REQUIRE(prove(p.view()));
        version_table const there = versions(p.view());
        auto const found = staleness_of(p.view(), live{});
        for (int r = 0; r < ranks; ++r) {
          auto const s = static_cast<std::size_t>(r);
          CHECK(there.updates[s] == (n + a - 1) / a);
          CHECK((found[s].versions == 1 && !(found[s].backward > 0)));
          if (n % a == 0) CHECK(found[s].forward == Approx((ranks - 1.0 - r) / a));
          int most = 0;
          for (int j = 0; j < n; ++j) most = std::max(most, there.at(r, j).backward - there.at(r, j).forward);
          if (n % a == 0) CHECK(most == (ranks - 1 - r + a - 1) / a);
        }
        CHECK(steady_utilisation(p.view()) == Approx(1));
      }
    }
  }
  CHECK_THROWS_WITH(generate(paci{.every = 9}, {4, 4, 8}), Catch::Contains("1 <= every <= N") && Catch::Contains("has 8"));
  CHECK_THROWS_WITH(generate(paci{.every = -1}, {4, 4, 8}), Catch::Contains("every -1 microbatches"));
}

TEST_CASE("a lag is admitted up to its bound, whatever else could run") {
  CHECK(same(generate(lag_bounded{}, {4, 4, 3}), generate(async_1f1b{}, {4, 4, 3})));
  CHECK(same(generate(lag_bounded{.lag = 3}, {6, 4, 3}), generate(async_1f1b{}, {6, 4, 3})));
  for (int ranks : {1, 2, 5, 8}) {
    for (int lag = 0; lag < ranks + 2; ++lag) {
      for (int n : {1, 2, 5}) {
        INFO(ranks << " ranks, lag " << lag << ", N = " << n);
        int const most = std::min(lag, ranks - 1);
        program p = generate(lag_bounded{.lag = lag}, {ranks, ranks, n});
        REQUIRE(prove(p.view()));
        CHECK(p.period() == 2 * (ranks - most) * n);
        CHECK(steady_utilisation(p.view()) == Approx(1.0 / (ranks - most)));
        analysis const a = analyse(p.view());
        for (int r = 0; r < ranks; ++r) {
          int const d = std::max(0, most - r);
          CHECK(a.stage[static_cast<std::size_t>(r)].delay == d);
          CHECK(a.stage[static_cast<std::size_t>(r)].saved_peak == d + 1);
          // F of m comes right before BW of m - d.
          int forward = 0;
          auto const run = unroll(p.view(), 4)[static_cast<std::size_t>(r)];
          int backward = 0;
          for (op const& o : run) {
            if (o.kind == op_kind::U) continue;
            bool const admitted = forward - backward <= d && forward < 4 * n;
            CHECK((o.kind == op_kind::F) == admitted);
            ++(o.kind == op_kind::F ? forward : backward);
          }
        }
      }
    }
  }
  CHECK_THROWS_WITH(generate(lag_bounded{.lag = -2}, {4, 4, 8}), Catch::Contains("lags by -2 microbatches"));
}

TEST_CASE("messages are run as they come, as many as are let in, and gradients are summed in order") {
  // Rank 1 of 3: the forward of microbatch 2 waits beside the backward of 0, which comes with that of 3.
  program p = generate(message_driven{.forward = 1, .backward = 1}, {3, 3, 4});
  auto const text = [&](int rank) {
    std::string all;
    for (op const& o : p.view().rank(rank))
      if (o.kind != op_kind::U) all += (o.kind == op_kind::F ? "F" : "B") + std::to_string(o.microbatch) + " ";
    return all;
  };
  CHECK(text(0) == "F0 F1 F2 B0 F3 B1 B2 B3 ");
  CHECK(text(1) == "F0 F1 F2 B0 B1 F3 B2 B3 ");
  CHECK(text(2) == "F0 B0 F1 B1 F2 B2 F3 B3 ");
  for (int ranks : {1, 2, 4, 6})
    for (int n : {1, 3, 9})
      for (int limit : {0, 1, 3, 9})
        for (message_driven g : {message_driven{}, message_driven{.forward = 3, .backward = 5, .message = 2}}) {
          g.limit = limit;
          INFO(ranks << " ranks, N = " << n << ", limit " << limit);
          program q = generate(g, {6, ranks, n});
          REQUIRE(prove(q.view()));
          for (int r = 0; r < ranks; ++r)
            for (op_kind const kind : {op_kind::F, op_kind::BW}) {
              auto const in_list = order(q.view(), r, kind);
              CHECK(std::is_sorted(in_list.begin(), in_list.end()));
            }
          for (int const peak : peaks(q, 1)) CHECK(peak <= std::min(n, limit > 0 ? limit : ranks));
          if (ranks < 6) continue;
          costs const as_modelled{.forward = static_cast<double>(g.forward),
                                  .backward = static_cast<double>(g.backward),
                                  .weight = 0,
                                  .message = static_cast<double>(g.message)};
          CHECK_FALSE(waits_beside_a_message(q.view(), as_modelled));
        }
  CHECK_THROWS_WITH(generate(message_driven{.backward = 0}, {3, 3, 4}), Catch::Contains("give limit >= 0"));
}

TEST_CASE("cyclic data parallelism holds as many activations at any time, one update late or where there is nothing newer") {
  for (auto const& [n, total] : {std::pair(4, 10), std::pair(8, 36), std::pair(5, 15), std::pair(1, 1)}) {
    cyclic const g{.replicas = n};
    program p = generate(g, of(g, n, n, n));
    REQUIRE(prove(p.view()));
    CHECK(held_in_slots(p) == std::set<int>{total});
    auto const first = staleness_of(p.view(), double_buffered{}), second = staleness_of(p.view(), stash{});
    for (int s = 0; s < n; ++s) {
      auto const i = static_cast<std::size_t>(s);
      CHECK(first[i] == staleness{2, 1, 1});
      CHECK(second[i].forward == Approx((n - 1.0 - s) / n));
      CHECK(second[i].versions == (s + 1 < n ? 2 : 1));
      version_table const there = versions(p.view());
      for (int k = 0; k < n; ++k) CHECK(there.forward(s, k) == (s + k >= n - 1 ? 0 : -1));
    }
    CHECK(steady_utilisation(p.view()) == Approx(1));
  }
  for (int stages : {1, 3, 4})
    for (int replicas : {1, 2, 3, 5})
      for (int ranks : {1, replicas, stages * replicas})
        for (int n : {replicas, replicas + 1, 3 * replicas}) {
          INFO(stages << " stages, " << replicas << " replicas on " << ranks << " ranks, N = " << n);
          cyclic const g{.replicas = replicas};
          program p = generate(g, of(g, stages, ranks, n));
          CHECK(text(prove(p.view())) == text(verdict{}));
          for (staleness const& s : staleness_of(p.view(), double_buffered{})) CHECK(s == staleness{2, 1, 1});
        }
  CHECK_THROWS_WITH(generate(cyclic{.replicas = 4}, of(cyclic{.replicas = 4}, 4, 4, 3)), Catch::Contains("N >= replicas"));
}

TEST_CASE("of two groups one is an update late and keeps two versions, the other is never late") {
  for (int ranks : {1, 2, 4, 5})
    for (int stages : {2 * ranks, 2 * ranks + 1, 3 * ranks + 1})
      for (int n : {1, 2, 3, 4, 8}) {
        INFO(stages << " stages on " << ranks << " ranks, N = " << n);
        wpipe const g;
        extent const e = of(g, stages, ranks, n);
        program p = generate(g, e);
        REQUIRE(prove(p.view()));
        auto const found = staleness_of(p.view(), stash{});
        int const lower = first_stage({stages, 2 * ranks, n}, ranks);
        for (int s = 0; s < stages; ++s)
          CHECK(found[static_cast<std::size_t>(s)] == (s < lower ? staleness{2, 1, 1} : staleness{1, 0, 0}));
        CHECK(ranks_of(p.view()).back() == ranks - 1);
        if (stages > 2 * ranks) continue;
        if (n >= ranks - 1) CHECK(steady_utilisation(p.view(), {.weight = 0}) == Approx(1));
        std::vector<int> const held = peaks(p, 6);
        for (int r = 0; r < ranks && n >= ranks - 1; ++r) CHECK(held[static_cast<std::size_t>(r)] == n + ranks - r);
      }
  CHECK_THROWS_WITH(generate(wpipe{}, of(wpipe{}, 7, 4, 8)),
                    Catch::Contains("S >= 2 R; use 8 stages or more, or fewer ranks"));
}

TEST_CASE(
    "the lower group's forwards come before the backwards of the minibatch before, the upper one's behind its update") {
  for (int ranks : {1, 2, 4})
    for (int n : {1, 3, 8}) {
      INFO(ranks << " ranks, N = " << n);
      program p = generate(wpipe{}, of(wpipe{}, 2 * ranks, ranks, n));
      auto const run = unroll(p.view(), 4);
      std::size_t kept = 0;
      for (auto const& rank : run) {
        auto const at = [&](op_kind kind, int stage, int m) {
          return std::find_if(rank.begin(), rank.end(),
                              [&](op const& o) { return o.kind == kind && o.stage == stage && o.microbatch == m; });
        };
        std::vector<int> updated;  // groups, in order
        for (op const& o : rank)
          if (o.kind == op_kind::U) updated.push_back(o.stage < ranks ? 0 : 1);
        CHECK(updated == std::vector<int>{1, 0, 1, 0, 1, 0, 1, 0});
        for (op const& o : rank) {
          if (o.kind != op_kind::F || o.microbatch < n) continue;
          ++kept;
          int const before = o.microbatch - n, update = before - before % n + n - 1;
          auto const f = at(op_kind::F, o.stage, o.microbatch);
          if (o.stage < ranks) {
            CHECK(f < at(op_kind::BW, o.stage, before));
            CHECK(f < at(op_kind::U, o.stage, update));
          } else {
            CHECK(f > at(op_kind::U, o.stage, update));
          }
        }
      }
      CHECK(kept == static_cast<std::size_t>(2 * ranks * 3 * n));
      if (n < 2 * ranks - 1) continue;  // 2BW on as many stages
      staleness here{0, 0, 0}, of_2bw{0, 0, 0};
      auto const add = [](staleness& to, std::vector<staleness> const& all) {
        for (staleness const& s : all) {
          to.versions += s.versions - 1;  // old ones
          to.forward += s.forward;
          to.backward += s.backward;
        }
      };
      add(here, staleness_of(p.view(), stash{}));
      program q = generate(async_1f1b{}, {2 * ranks, 2 * ranks, n});
      add(of_2bw, staleness_of(q.view(), double_buffered{}));
      CHECK(2 * here.versions == of_2bw.versions);
      CHECK(2 * here.forward == of_2bw.forward);
      CHECK(2 * here.backward == of_2bw.backward);
    }
}

TEST_CASE("two microbatches in each of R / 2 pipelines fill the ranks, and one update at most lies between F and B") {
  for (int ranks : {2, 4, 8, 16})
    for (int rounds : {1, 2, 3}) {
      INFO(ranks << " ranks, " << rounds << " rounds");
      amdp const g{.replicas = ranks / 2};
      extent const e = of(g, ranks, ranks, rounds * ranks);
      program p = generate(g, e);
      REQUIRE(prove(p.view()));
      for (int r = 0; r < ranks; ++r) {
        std::set<int> slots;
        for (op const& o : p.view().rank(r))
          if (o.kind == op_kind::F || o.kind == op_kind::BW) slots.insert(o.slot / 2);
        CHECK(static_cast<int>(slots.size()) == 2 * ranks * rounds);  // every slot has one op
      }
      auto const found = staleness_of(p.view(), live{});
      version_table const there = versions(p.view());
      for (int s = 0; s < ranks; ++s) {
        int apart = 0;
        for (int j = 0; j < e.microbatches; ++j) {
          int const gap = there.at(s, j).backward - there.at(s, j).forward;
          CHECK(gap == (s == 0 && j < ranks / 2 ? 1 : 0));
          apart += gap;
        }
        CHECK(found[static_cast<std::size_t>(s)] == staleness{1, static_cast<double>(apart) / e.microbatches, 0});
      }
      for (int const peak : peaks(p, 3)) CHECK(peak <= ranks);
      CHECK(steady_utilisation(p.view(), {.weight = 0}) == Approx(1));
    }
  for (int n : {2, 3, 5, 8})
    for (int stages : {4, 6}) {
      program p = generate(amdp{}, of(amdp{}, stages, 4, n));
      CHECK(text(prove(p.view())) == text(verdict{}));
    }
  CHECK_THROWS_WITH(generate(amdp{.replicas = 3}, of(amdp{.replicas = 3}, 6, 6, 6)), Catch::Contains("a multiple of 4"));
  CHECK_THROWS_WITH(generate(amdp{}, of(amdp{}, 8, 8, 8)), Catch::Contains("2 replicas on 8 ranks"));
  CHECK_THROWS_WITH(generate(amdp{}, of(amdp{}, 3, 4, 8)), Catch::Contains("S >= R"));
  CHECK_THROWS_WITH(generate(amdp{}, of(amdp{}, 4, 4, 1)), Catch::Contains("N >= replicas"));
}
