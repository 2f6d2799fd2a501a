// A run that is paused before any of its ops goes on to the bits of the run that is not, in this memory and in another one.
#include <foal/executor/cut.hpp>

#include <catch2/catch.hpp>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <set>

#include "tests/executor/pausing.hpp"
#include "tests/support/sanitized.hpp"

namespace {

// Under a sanitizer every so many of a run's places.
constexpr int every_pause = foal_test::repeats(1, 7), every_cut = foal_test::repeats(1, 37);

using namespace foal;
using test::choice;
using test::in_one_piece;
using test::outcome;
using test::pausing;
using test::places_of;
using piece = test::piece<>;

}  // namespace

TEST_CASE("a run paused before each of its ops in turn leaves the bits of the run without a pause") {
  long long pauses = 0;
  for (pausing const& of : test::pausing_cases()) {
    INFO(of.what.text());
    outcome const reference = in_one_piece(of);
    auto const places = places_of(of);
    for (int workers : {1, 2}) {
      if (workers > (of.what.ranks > 0 ? of.what.ranks : of.what.net)) continue;
      INFO("workers " << workers);
      outcome all;
      piece p(of, workers);
      bool resumes = false;
      int turn = 0;
      for (executor::run_place const& at : places) {
        if (++turn % every_pause != 0) continue;
        REQUIRE(p.run(all, at, resumes));
        CHECK(p.engine().paused());
        resumes = true;
        ++pauses;
      }
      REQUIRE_FALSE(p.run(all, {}, true));
      CHECK(all == reference);
    }
  }
  std::cout << pauses << " pauses of runs that went on in their own memory\n";
}

TEST_CASE("a cut at each op goes on in other memory, on another number of workers, to the same bits") {
  long long cuts = 0;
  for (pausing const& of : test::pausing_cases()) {
    outcome const reference = in_one_piece(of);
    int const ranks = of.what.ranks > 0 ? of.what.ranks : of.what.net;
    std::map<int, std::pair<std::unique_ptr<piece>, outcome>> cut_runs;  // by workers: each is cut at its ops in turn
    int turn = 0;
    for (executor::run_place const& at : places_of(of)) {
      int const from = 1 + turn % ranks, to = 1 + (turn / 2) % ranks;
      if (++turn % every_cut != 0) continue;
      INFO(of.what.text() << "  phase " << at.phase << " key " << at.key << "  workers " << from << " then " << to);
      auto& [first, until_here] = cut_runs[from];
      bool const resumes = first != nullptr;
      if (!resumes) first = std::make_unique<piece>(of, from);
      REQUIRE(first->run(until_here, at, resumes));
      executor::run_cut const cut = first->engine().cut();
      outcome all = until_here;
      piece second(of, to);
      second.scribble();
      second.engine().restore(cut);
      REQUIRE_FALSE(second.run(all, {}, true));
      REQUIRE(all == reference);
      ++cuts;
    }
  }
  std::cout << cuts << " cuts that went on in other memory\n";
}

TEST_CASE("a run is copied while it goes on, by updates and at any moment, and each copy goes on to the same bits") {
  long long copies = 0;
  int turn = 0;
  foal_test::turns turns(5);
  for (pausing const& of : test::pausing_cases()) {
    INFO(of.what.text());
    outcome const reference = in_one_piece(of);
    int const ranks = of.what.ranks > 0 ? of.what.ranks : of.what.net;
    for (long long const every : {1, 2, 0}) {
      INFO("every " << every);
      piece p(of, 1 + turn++ % ranks);
      std::vector<executor::run_cut> taken;
      long long last = 0;
      std::size_t most_sums = 0, most_evaluations = 0;
      p.cuts = {every, [&] { return every == 0; },
                [&](long long update) {
                  CHECK((every == 0 ? update >= last : update > last));
                  if (every > 0) CHECK(update % every == 0);
                  last = update;
                  return &taken.emplace_back();
                },
                [&](auto const& sums, auto const& evaluations, long long) {
                  most_sums = sums.size(), most_evaluations = evaluations.size();
                  CHECK(taken.back().update == last);
                  return executor::training::goes_on;
                }};
      taken.reserve(1000);
      outcome all;
      REQUIRE_FALSE(p.run(all, {}));
      CHECK(all == reference);
      CHECK(most_sums <= static_cast<std::size_t>((of.minibatches + 1) / 2));
      CHECK(most_evaluations <= reference.evaluations.size());
      if (every > 0) CHECK(static_cast<long long>(taken.size()) == (of.minibatches - 1) / every);
      for (std::size_t i = 0; i<taken.size(); i += every> 0 ? 1 : 3) {
        if (!turns.take()) continue;
        outcome rest;
        piece q(of, 1 + turn % ranks);
        q.scribble();
        q.engine().restore(taken[i]);
        REQUIRE_FALSE(q.run(rest, {}, true));
        CHECK(rest.state == reference.state);
        CHECK(rest.last_sum == reference.last_sum);
        CHECK(std::equal(rest.losses.rbegin(), rest.losses.rend(), reference.losses.rbegin()));
        CHECK(std::equal(rest.evaluations.rbegin(), rest.evaluations.rend(), reference.evaluations.rbegin()));
        ++copies;
      }
    }
  }
  std::cout << copies << " copies of runs that went on\n";
}

TEST_CASE("a run that is copied pauses where that is answered, and one that was cut may end after other updates") {
  pausing const of{{4, 4, false, 1, 3, 2}, {}, 12}, longer{of.what, {}, 15};
  outcome all, rest, reference = in_one_piece(longer);
  piece p(of, 2), q(longer, 3);
  executor::run_cut cut;
  p.cuts = {
      3, {}, [&](long long) { return &cut; }, [](auto const&, auto const&, long long) { return executor::training::ends; }};
  REQUIRE(p.run(all, {}));
  CHECK(p.engine().paused());
  CHECK(cut.update == 3);
  REQUIRE(q.engine().may_end_at(cut.run, 15));
  CHECK_FALSE(q.engine().may_end_at(cut.run, 3));
  cut.run.end = 15;
  q.engine().restore(cut);
  REQUIRE_FALSE(q.run(rest, {}, true));
  CHECK(rest.state == reference.state);
  p.cuts = {};
  REQUIRE_FALSE(p.run(all, {}, true));
  CHECK(all == in_one_piece(of));
}

TEST_CASE("ids of arrays are unique and do not depend on workers") {
  for (pausing const& of : test::pausing_cases()) {
    piece one(of, 1), many(of, of.what.ranks > 0 ? of.what.ranks : of.what.net);
    for (std::size_t i = 0; i < one.tables().phases.size(); ++i) {
      auto const a = one.engine().memory().arrays(one.tables().phases[i]),
                 b = many.engine().memory().arrays(many.tables().phases[i]);
      REQUIRE(a.size() == b.size());
      for (std::size_t k = 0; k < a.size(); ++k) {
        CHECK(a[k].id == b[k].id);
        CHECK(a[k].bytes == b[k].bytes);
        if (k > 0) CHECK(a[k - 1].id < a[k].id);
      }
    }
  }
}

TEST_CASE("what a paused run does not do is refused with a sentence") {
  using Catch::Matchers::Contains;
  pausing const of{{4, 4, false, 1, 3, 2}};
  outcome all;
  piece p(of, 1);
  CHECK_THROWS_WITH(p.run(all, {}, true), Contains("cannot resume, because no run is paused"));
  CHECK_THROWS_WITH(p.engine().cut(), Contains("cannot copy a cut, because no run is paused"));
  REQUIRE(p.run(all, executor::run_place{0, 20}));
  CHECK_THROWS_WITH(p.run(all, {}), Contains("cannot begin to train, because this run is paused"));
  CHECK_THROWS_WITH(p.engine().evaluate({}), Contains("cannot evaluate, because this run is paused"));
  executor::run_cut cut = p.engine().cut();
  pausing const other{{9, 4, false, 1, 3, 2}};
  piece q(other, 1);
  CHECK_THROWS_WITH(q.engine().restore(cut), Contains("cannot go on from a cut of 4 stages") && Contains("this run has 9"));
  cut.run.at.phase = 1;
  CHECK_THROWS_WITH(p.engine().restore(cut), Contains("cannot go on in phase 1, because this run has 1"));
}

TEST_CASE("a cut of another run is refused before anything is changed") {
  using Catch::Matchers::Contains;
  pausing const of{{4, 4, false, 1, 3, 2}};
  executor::run_place const early{0, 20}, late{0, 40};
  outcome all, reference;
  piece stranger(of, 1, 6);
  REQUIRE(stranger.run(all, late));
  executor::run_cut const seeded = stranger.engine().cut();
  auto const cut_of = [&](choice const& c) {
    pausing const other{c};
    piece p(other, 1);
    outcome ignored;
    REQUIRE(p.run(ignored, late));
    return p.engine().cut();
  };
  executor::run_cut const more = cut_of({4, 4, false, 1, 3, 3}), other_optimizer = cut_of({4, 4, false, 1, 4, 2}),
                          other_program = cut_of({4, 3, false, 1, 3, 2});

  piece p(of, 1), undisturbed(of, 1);
  all = {};
  REQUIRE(p.run(all, early));
  REQUIRE(undisturbed.run(reference, early));
  executor::run_cut own = p.engine().cut();
  for (auto const& [cut, why] : {std::pair(&seeded, "seed is 5 here and 6 there"),
                                 {&more, "microbatches is 2 here and 3"},
                                 {&other_optimizer, "optimizer is "},
                                 {&other_program, "there"}}) {
    CHECK_THROWS_WITH(p.engine().restore(*cut), Contains("cannot go on from") && Contains(why));
    CHECK(p.engine().paused());
    CHECK(p.engine().updates() == undisturbed.engine().updates());
    CHECK(test::state_of(p.tables(), p.engine().stages()) == reference.state);
  }
  auto& last = own.arrays.back();
  last.slots.back().bytes.pop_back();
  CHECK_THROWS_WITH(p.engine().restore(own), Contains(" bytes of '") && Contains("make the run with the same numbers"));
  own.arrays.front().slots.front().microbatch = 3;
  CHECK_THROWS_WITH(p.engine().restore(own), Contains("microbatch 3") && Contains("copy the cut whole"));
  own.arrays.front().slots.clear();
  CHECK_THROWS_WITH(p.engine().restore(own), Contains("with 0 of '") && Contains("copy the cut whole"));
  own.arrays.front().id.unit = 2;
  CHECK_THROWS_WITH(p.engine().restore(own), Contains("cut that has no '"));
  REQUIRE_FALSE(p.run(all, {}, true));
  REQUIRE_FALSE(undisturbed.run(reference, {}, true));
  CHECK(all == reference);
}

TEST_CASE("a pause before the place where a run stands is refused, and the run can go on") {
  using Catch::Matchers::Contains;
  pausing const of{{4, 4, false, 1, 3, 2}};
  outcome const reference = in_one_piece(of);
  outcome all;
  piece p(of, 1);
  REQUIRE(p.run(all, executor::run_place{0, 40}));
  CHECK_THROWS_WITH(p.run(all, executor::run_place{0, 20}, true),
                    Contains("cannot pause in phase 0 at key 20, because this run stands in phase 0 at key 40"));
  report::trace none(0, 1);
  executor::run_request traced;
  traced.traces = &none;
  CHECK_THROWS_WITH(p.engine().resume(traced), Contains("cannot trace 1 workers"));
  REQUIRE(p.run(all, executor::run_place{0, 40}, true));
  REQUIRE_FALSE(p.run(all, {}, true));
  CHECK(all == reference);
}
