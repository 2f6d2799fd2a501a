// A run that is paused before any of its ops goes on to the bits of the run that is not, in this memory and in another one.
#include <foal/executor/cut.hpp>
#include <foal/schedule/rules/global_norm.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/recompute.hpp>

#include <catch2/catch.hpp>
#include <cstring>
#include <iostream>
#include <set>

#include "tests/executor/support.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/schedules.hpp"

namespace {

using namespace foal;
using test::choice;

/// One case: a choice, on a program of its own where that has ops.
struct pausing {
  choice what;
  schedule::program own{};
  long long minibatches = 4;
  long long evaluate_every = 0;
};

/// What a run, in one piece or several, has left.
struct outcome {
  std::vector<std::byte> state;
  std::vector<double> losses, evaluations;
  bool operator==(outcome const&) const = default;
};

/// One engine with its tables and data.
class piece {
 public:
  piece(pausing const& of, int workers, std::uint64_t seed = 5)
      : of_(of),
        data_(test::data_of(of.what, test::bit_samples)),
        tables_(test::tables_of(of.what, of.own)),
        engine_(tables_, {test::bit_samples, of.what.n, workers, seed, of.evaluate_every > 0, 2, false},
                test::driver(workers > 1), test::shares(tables_.ranks, workers)) {}

  /// Gives whether it paused.
  bool run(outcome& to, std::optional<executor::run_place> pause, bool resumes = false) {
    executor::run_request request;
    request.minibatches = of_.minibatches;
    request.every_loss = true;
    request.loss_every = 2;
    request.source = test::source_of(data_);
    request.pause = pause;
    if (of_.evaluate_every > 0) {
      request.evaluate_every = of_.evaluate_every;
      request.evaluation.self = &data_;
      request.evaluation.samples = 4;
      request.evaluation.inputs = [](void const*, long long first, int n, int, lengths_of_axes, void* x) {
        for (int i = 0; i < n * 72; ++i) static_cast<float*>(x)[i % (n * 5)] = static_cast<float>((first + i) % 7) * 0.1F;
      };
      request.evaluation.targets = [](void const*, long long first, int n, lengths_of_axes, void* t) {
        for (int i = 0; i < n; ++i) static_cast<std::int32_t*>(t)[i] = static_cast<std::int32_t>((first + i) % 2);
      };
    }
    long long const warmup = of_.what.t3 ? 2 : 0;
    executor::run_result const r = resumes ? engine_.resume(request) : engine_.run(request, warmup);
    if (r.diverged) throw error(r.diverged->text());
    for (auto const& l : r.losses) to.losses.push_back(l.sum);
    for (auto const& e : r.evaluations) to.evaluations.push_back(e.loss);
    to.state = test::state_of(tables_, engine_.stages());
    return r.paused;
  }
  /// Everything in memory becomes NaN, but for what libraries keep.
  void scribble() {
    auto const& plan = engine_.memory().plan();
    for (std::size_t i = 0; i < plan.entries().size(); ++i)
      if (plan[i].what != "library workspace") std::memset(engine_.memory().at({i, false, 0}), 0xFF, plan[i].bytes);
  }
  executor::engine& engine() { return engine_; }
  table::run_tables const& tables() const { return tables_; }

 private:
  pausing const& of_;
  test::stream data_;
  table::run_tables tables_;
  executor::engine engine_;
};

/// Every place before an op, phase after phase.
std::vector<executor::run_place> places_of(pausing const& of) {
  table::run_tables const t = test::tables_of(of.what, of.own);
  std::vector<executor::run_place> all;
  for (std::size_t i = 0; i < t.phases.size(); ++i) {
    schedule::program program = t.phases[i].program;
    schedule::program_view const view = program.view();
    executor::op_order const order(view);
    bool const first = i + 1 < t.phases.size();
    long long const minibatches = first ? 2 : of.minibatches - (t.phases.size() > 1 ? 2 : 0);
    std::set<long long> keys;
    for (long long p = 0; p < minibatches + t.phases[i].facts.periods_after; ++p)
      for (int r = 0; r < view.size.ranks; ++r)
        for (schedule::op const& o : view.rank(r)) {
          long long const m = p * view.size.microbatches + o.microbatch;
          if (m >= 0 && m < minibatches * view.size.microbatches) keys.insert(order.key(p, o, r));
        }
    for (long long const k : keys) all.push_back({static_cast<int>(i), k});
  }
  return all;
}

outcome in_one_piece(pausing const& of) {
  outcome all;
  REQUIRE_FALSE(piece(of, 1).run(all, {}));
  return all;
}

std::vector<pausing> cases() {
  schedule::extent const four{4, 4, 2}, nine{9, 9, 2}, one{4, 1, 2};
  std::vector<pausing> all;
  for (int schedule = 1; schedule <= 4; ++schedule) {
    bool const asynchronous = schedule >= 3;
    all.push_back({{4, schedule, false, asynchronous ? 1 : 0, 3, 2}});
    all.push_back({{6, schedule, false, asynchronous ? 1 : 0, 1, 2}});
    all.push_back({{9, schedule, false, asynchronous ? 1 : 0, 3, 2, 3}});
    if (asynchronous) all.push_back({{4, schedule, true, 0, 3, 2}});
    if (asynchronous) all.push_back({{6, schedule, true, 0, 1, 2}});
  }
  all.push_back({{9, 4, false, 3, 1, 2, 0, false, true}, {}, 3});
  all.push_back({{4, 4, false, 1, 4, 3, 0, true}, {}, 6});
  choice two_versions{4, 3, false, 0, 3, 3, 0, true}, synchronised{6, 4, false, 0, 1, 2}, injected{9, 3, false, 3, 3, 2};
  two_versions.rule = 1;
  synchronised.rule = 2;
  injected.rule = 3;
  for (choice const& c : {two_versions, synchronised, injected}) all.push_back({c, {}, c.net == 9 ? 3 : 5});
  all.push_back({{4, 0, false, 0, 3, 2}, schedule::generate(schedule::injected{.delays = {5, 3, 2}}, four)});
  all.push_back({{4, 4, false, 1, 3, 2}, {}, 8, 4});
  all.push_back({{4, 3, false, 1, 3, 2, 2}, {}, 8, 4});
  all.push_back({{4, 1, false, 0, 3, 2}, {}, 4, 1});
  all.push_back({{4, 0, false, 0, 3, 2, 1}, schedule::generate(schedule::injected{.delays = {5, 3, 2}}, one)});
  all.push_back({{9, 4, false, 1, 3, 2}, schedule::generate(schedule::recomputed<schedule::pipemare>{}, nine), 3});
  all.push_back(
      {{9, 3, false, 1, 1, 2}, schedule::generate(schedule::recomputed<schedule::async_1f1b>{.segment = 4}, nine), 3});
  all.push_back({{9, 1, false, 0, 1, 2}, schedule::generate(schedule::recomputed<schedule::gpipe>{}, nine), 2});
  all.push_back({{4, 2, false, 0, 3, 2}, schedule::generate(test::late_weights{false}, four)});
  all.push_back({{4, 2, false, 0, 3, 2}, schedule::generate(test::late_weights{true}, four)});
  all.push_back({{4, 4, false, 1, 3, 2, 0, false, false, true}});
  all.push_back({{9, 1, false, 0, 1, 2, 3, false, false, true}, {}, 2});
  all.push_back(
      {{9, 1, false, 0, 1, 2, 0, false, true}, schedule::with_global_norm(schedule::generate(schedule::gpipe{}, nine)), 2});
  return all;
}

}  // namespace

TEST_CASE("a run paused before each of its ops in turn leaves the bits of the run without a pause") {
  long long pauses = 0;
  for (pausing const& of : cases()) {
    INFO(of.what.text());
    outcome const reference = in_one_piece(of);
    auto const places = places_of(of);
    for (int workers : {1, 2}) {
      if (workers > (of.what.ranks > 0 ? of.what.ranks : of.what.net)) continue;
      INFO("workers " << workers);
      outcome all;
      piece p(of, workers);
      bool resumes = false;
      for (executor::run_place const& at : places) {
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

// Under a sanitizer, which sees as much in a part of them, every so many.
#if defined(FOAL_TEST_SANITIZED)
constexpr int every_cut = 13;
#else
constexpr int every_cut = 1;
#endif

TEST_CASE("a cut at each op goes on in other memory, on another number of workers, to the same bits") {
  long long cuts = 0;
  for (pausing const& of : cases()) {
    outcome const reference = in_one_piece(of);
    int const ranks = of.what.ranks > 0 ? of.what.ranks : of.what.net;
    int turn = 0;
    for (executor::run_place const& at : places_of(of)) {
      int const from = 1 + turn % ranks, to = 1 + (turn / 2) % ranks;
      if (++turn % every_cut != 0) continue;
      INFO(of.what.text() << "  phase " << at.phase << " key " << at.key << "  workers " << from << " then " << to);
      outcome all;
      piece first(of, from), second(of, to);
      REQUIRE(first.run(all, at));
      executor::run_cut const cut = first.engine().cut();
      second.scribble();
      second.engine().restore(cut);
      REQUIRE_FALSE(second.run(all, {}, true));
      REQUIRE(all == reference);
      ++cuts;
    }
  }
  std::cout << cuts << " cuts that went on in other memory\n";
}

TEST_CASE("ids of arrays are unique and do not depend on workers") {
  for (pausing const& of : cases()) {
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
  CHECK_THROWS_WITH(p.engine().restore(own), Contains("whose array 0 is"));
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
