// What is offloaded comes back in time: the bits are those of the run that keeps it, on the host and on queues, with any
// number of workers, paused, and cut.
#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>

#include <foal/executor/offloaded.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/offloaded.hpp>

#include "tests/executor/bad_input.hpp"
#include "tests/executor/in_processes.hpp"
#include "tests/support/deferred.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using test::choice;
using test::deferred;
using test::pausing;

/// The program with offloads of all stages that may.
schedule::program moved(schedule::program p, int slots, int ahead) {
  schedule::program_view const v = p.view();
  std::vector<int> const heads = schedule::recompute_groups_of(v);
  std::vector<int> all;
  for (int s = 0; s < v.size.stages; ++s)
    if (schedule::may_offload(v, heads, s)) all.push_back(s);
  return schedule::with_offloads(std::move(p), all, slots, ahead);
}

/// gpipe, 1F1B, async_1f1b, pipemare; with T2, stash, dropout, batch norm, tied weights, stages that are recomputed.
std::vector<pausing> plain_cases() {
  std::vector<pausing> all;
  auto const add = [&](choice const& c, int minibatches = 4) {
    int const ranks = c.ranks > 0 ? c.ranks : c.net;
    all.push_back({c, test::program_of(c.schedule, {c.net, ranks, c.n}), minibatches});
  };
  for (int schedule = 0; schedule <= 4; ++schedule) {
    bool const asynchronous = schedule >= 3;
    add({4, schedule, false, asynchronous ? 1 : 0, 3, 5});
    add({6, schedule, asynchronous, 0, 1, 2});
    add({9, schedule, false, asynchronous ? 3 : 0, 3, 2, 3}, 3);
  }
  schedule::extent const nine{9, 9, 2}, looped{.stages = 4, .ranks = 2, .microbatches = 2, .placed = schedule::loop};
  using schedule::with_recomputation;
  std::vector<int> const heads{0, 0, 0, -1, -1, -1, 6, 6, -1};
  all.push_back({{9, 4, false, 1, 3, 2}, with_recomputation(schedule::generate(schedule::pipemare{}, nine), heads), 3});
  all.push_back({{9, 1, false, 0, 1, 2}, with_recomputation(schedule::generate(schedule::gpipe{}, nine), heads), 2});
  all.push_back({{4, 1, false, 0, 1, 2, 2}, schedule::generate(schedule::interleaved{}, looped), 3});
  return all;
}

pausing offloading(pausing of, int slots, int ahead) {
  of.own = moved(std::move(of.own), slots, ahead);
  return of;
}

bool alike(test::outcome const& found, test::outcome expected) {
  expected.last_sum = 0;  // of which no process has all
  return found == expected;
}

}  // namespace

TEST_CASE("offloaded on the host: the bits of the run that keeps all, with any workers, slots and distance") {
  int turn = 0;
  foal_test::turns some(2);
  for (pausing const& of : plain_cases()) {
    INFO(of.what.text());
    test::outcome const expected = test::in_one_piece(of);
    for (auto const& [slots, ahead] : {std::pair{2, 1}, std::pair{1, 0}, std::pair{3, 2}}) {
      if (!some.take()) continue;
      pausing const off = offloading(of, slots, ahead);
      int const ranks = off.what.ranks > 0 ? off.what.ranks : off.what.net;
      for (int workers = 1; workers <= ranks; workers += 1 + turn++ % 2) {
        INFO("slots " << slots << " ahead " << ahead << " workers " << workers);
        test::outcome found;
        test::piece<> p(off, workers);
        CHECK(std::any_of(p.engine().stages().begin(), p.engine().stages().end(),
                          [](executor::bound_stage const& b) { return b.offload != nullptr; }));
        REQUIRE_FALSE(p.run(found, {}));
        CHECK(found == expected);
      }
    }
  }
}

TEST_CASE("offloaded on queues: copies beside ops, in several orders, and the bits of the host") {
  long long const before = deferred::waits;
  unsigned turn = 0;
  foal_test::turns some(2);
  for (pausing const& of : plain_cases()) {
    INFO(of.what.text());
    test::outcome const expected = test::in_one_piece(of);
    for (auto const& [slots, ahead] : {std::pair{2, 1}, std::pair{1, 0}, std::pair{3, 2}}) {
      if (!some.take()) continue;
      pausing const off = offloading(of, slots, ahead);
      for (int const workers : {1, 3}) {
        if (off.what.ranks > 0 && workers > off.what.ranks) continue;
        deferred::delays = turn++ % 7;
        deferred::slow_copies = turn % 3 == 0 ? 100 : 0;
        INFO("slots " << slots << " ahead " << ahead << " workers " << workers << " delays " << deferred::delays);
        test::outcome found;
        REQUIRE_FALSE(test::piece<deferred>(off, workers).run(found, {}));
        CHECK(found == expected);
      }
    }
  }
  deferred::delays = 0;
  deferred::slow_copies = 0;
  CHECK(deferred::waits > before);
}

TEST_CASE("a run that offloads pauses anywhere, goes on in other memory, and is cut to the same bits") {
  auto const check = [](auto const& make, pausing const& off, test::outcome const& expected, std::size_t step) {
    auto const places = test::places_of(off);
    test::outcome all;
    auto p = make(off, 2);
    bool resumes = false;
    for (std::size_t i = 0; i < places.size(); i += step) {
      REQUIRE(p->run(all, places[i], resumes));
      resumes = true;
    }
    REQUIRE_FALSE(p->run(all, {}, true));
    CHECK(all == expected);
    for (std::size_t i = step; i < places.size(); i += 4 * step) {
      INFO("place " << i);
      test::outcome parts;
      auto first = make(off, 2), second = make(off, 1);
      REQUIRE(first->run(parts, places[i]));
      second->engine().restore(first->engine().cut());
      REQUIRE_FALSE(second->run(parts, {}, true));
      CHECK(parts == expected);
    }
  };
  int turn = 0;
  for (pausing const& of : plain_cases()) {
    INFO(of.what.text());
    pausing const off = offloading(of, 2, 1);
    test::outcome const expected = test::in_one_piece(of);
    check([](pausing const& o, int workers) { return std::make_unique<test::piece<>>(o, workers); }, off, expected,
          foal_test::repeats(std::size_t{3}, std::size_t{11}));
    if (turn++ % 3 != 0) continue;
    deferred::slow_copies = 500;  // at most places some have been called and are not there yet
    check([](pausing const& o, int workers) { return std::make_unique<test::piece<deferred>>(o, workers); }, off, expected,
          7);
    deferred::slow_copies = 0;
  }
}

TEST_CASE("processes offload what their stages save, to the bits of one thread") {
  unsigned turn = 0;
  for (pausing const& of : plain_cases()) {
    if (turn++ % 2 != 0) continue;
    INFO(of.what.text());
    test::outcome const expected = test::in_one_piece(of);
    pausing const off = offloading(of, 2, 1);
    auto const run = [](auto& p, test::outcome& to, int) { test::train(p, to); };
    int const ranks = off.what.ranks > 0 ? off.what.ranks : off.what.net;
    CHECK(alike(test::in_processes<>(off, {2, 1}, run), expected));
    deferred::delays = turn % 5;
    CHECK(alike(test::in_processes<deferred>(off, {2, ranks > 3 ? 2 : 1}, run), expected));
  }
  deferred::delays = 0;
}

TEST_CASE("a cut of a run that offloads is not one of a run that does not") {
  pausing const of = plain_cases().front(), off = offloading(of, 2, 1), more = offloading(of, 3, 0);
  auto const places = test::places_of(of);
  test::outcome all;
  test::piece<> keeps(of, 1), moves(off, 1), others(more, 1);
  REQUIRE(moves.run(all, places[places.size() / 2]));
  CHECK_THROWS_AS(keeps.engine().restore(moves.engine().cut()), error);
  others.engine().restore(moves.engine().cut());  // slots are no part of it
  REQUIRE_FALSE(others.run(all, {}, true));
  CHECK(all == test::in_one_piece(of));
}

TEST_CASE("where a loss is not finite, what is in host memory is looked at, too") {
  table::run_tables const t =
      test::tables_of({.net = 4, .n = 8}, moved(schedule::generate(schedule::one_f_one_b{}, {4, 4, 8}), 1, 0));
  for (int const m : {0, 3, 7})
    for (int const workers : {1, 4}) test::check_origin_of_bad_input(t, m, workers);
}
