// Slots of units that evict: no microbatch is written over while it is to be read, however early its sender is, nobody waits
// for ever, and there are no more slots than the program holds at once.
#include <foal/plan/evicted_slots.hpp>

#include <catch2/catch.hpp>
#include <map>

#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/bpipe.hpp>
#include <foal/schedule/rules/gpipe.hpp>

using namespace foal;
using executor::evicted_slots;
using schedule::op_kind;

namespace {

/// Runs a stage's list for some minibatches beside a sender that writes as soon as its slots allow.
void run_with(schedule::program_view v, int stage, evicted_slots const& x, int minibatches) {
  auto const n = static_cast<long long>(x.evicted.size());
  std::map<int, long long> own, away, wire;  // by slot: which microbatch it holds
  long long sent = 0, gone = 0, freed = 0;
  auto const at = [n](std::vector<int> const& table, long long m) { return table[static_cast<std::size_t>(m % n)]; };
  auto const put = [](std::map<int, long long>& in, int slot, long long m) {
    INFO("microbatch " << m << " in slot " << slot);
    CHECK(in.emplace(slot, m).second);
  };
  auto const take = [](std::map<int, long long>& from, int slot, long long m) {
    INFO("microbatch " << m << " in slot " << slot);
    REQUIRE(from.contains(slot));
    CHECK(from[slot] == m);
    from.erase(slot);
  };
  auto const send = [&] {
    for (; sent < minibatches * n; ++sent) {
      executor::evicted_condition const& c = x.before[static_cast<std::size_t>(sent % n)];
      if ((c.evicted ? gone : freed) < c.first + sent / n * n) return;
      put(wire, at(x.wire_first, sent), sent);
    }
  };
  for (int k = 0; k < minibatches; ++k)
    for (schedule::op const& o : v.rank(schedule::ranks_of(v)[static_cast<std::size_t>(stage)])) {
      if (o.stage != stage || o.kind == op_kind::U) continue;
      send();
      long long const m = o.microbatch + k * n;
      bool const evicts = x.evicted[static_cast<std::size_t>(o.microbatch)] != 0;
      if (o.kind == op_kind::F) {
        REQUIRE(sent > m);  // else it would wait for ever
        put(own, at(x.first, m), m);
        CHECK(wire[at(x.wire_first, m)] == m);
        if (!evicts) continue;
        take(own, at(x.first, m), m);
        take(wire, at(x.wire_first, m), m);
        put(away, at(x.there, m), m);
        gone = m + 1;
      } else {
        if (evicts) {
          take(away, at(x.there, m), m);
          put(own, at(x.again, m), m);
          put(wire, at(x.wire_again, m), m);
        }
        take(own, at(x.again, m), m);
        take(wire, at(x.wire_again, m), m);
        freed = m + 1;
      }
    }
}

}  // namespace

TEST_CASE("slots of what is evicted are as many as are held at once, and none is written over", "[evicted_slots]") {
  for (int ranks = 2; ranks <= 9; ++ranks)
    for (int const n : {ranks, 2 * ranks + 1, 4 * ranks})
      for (int const limit : {0, ranks / 2 + 1}) {
        schedule::program p = schedule::generate(schedule::bpipe{.limit = limit}, {ranks, ranks, n});
        schedule::program_view const v = p.view();
        for (int s = 0; s < ranks / 2; ++s)
          for (bool const early : {false, true}) {
            INFO(ranks << " ranks, N " << n << ", limit " << limit << ", stage " << s << (early ? ", early" : ""));
            if (std::none_of(v.evictions.begin(), v.evictions.end(), [s](auto const& e) { return e.stage == s; })) continue;
            evicted_slots const x = executor::slots_with_evictions(v, s, early && s > 0);
            schedule::held_microbatches const held = schedule::held_of(v.rank(s), s, x.evicted);
            CHECK(x.here == held.here);
            CHECK(x.away == held.there);
            CHECK(x.wire <= held.here + (early && s > 0 ? 2 : 1));
            CHECK(x.to == ranks - 1 - s);
            run_with(v, s, x, 3);
          }
      }
}

TEST_CASE("of any other order of evictions, too", "[evicted_slots]") {
  for (unsigned which = 1; which < 256; ++which) {
    INFO("microbatches " << which);
    std::vector<schedule::eviction> all;
    for (int m = 0; m < 8; ++m)
      if ((which >> m & 1U) != 0) all.push_back({1, m, 2});
    schedule::program p = schedule::generate(schedule::gpipe{}, {4, 4, 8});
    p.evictions(all, 0);
    REQUIRE(schedule::prove(p.view()));
    for (bool const early : {false, true}) run_with(p.view(), 1, executor::slots_with_evictions(p.view(), 1, early), 2);
  }
}
