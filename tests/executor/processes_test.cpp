// Several processes train together: the bits of one, paused at any op, and what ends one of them ends all in the same way.
#include <foal/executor/processes.hpp>
#include <foal/schedule/rules/dual_pipe_v.hpp>
#include <foal/schedule/rules/interleaved_zb.hpp>
#include <foal/schedule/rules/two_bp.hpp>
#include <foal/schedule/rules/v_half.hpp>
#include <foal/schedule/rules/v_min.hpp>
#include <foal/schedule/rules/v_search.hpp>
#include <foal/schedule/rules/zb_auto.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/schedule/rules/zb_h2.hpp>
#include <foal/schedule/rules/zb_v.hpp>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <limits>
#include <memory>
#include <stdexcept>

#include "tests/executor/in_processes.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/sleeper.hpp"

namespace {

using namespace foal;
using test::choice;
using test::in_processes;
using test::outcome;
using test::pausing;
using test::process;
using test::rooms;
using test::spread;
using test::train;
using piece = test::piece<>;

/// Cases that train in several processes.
std::vector<pausing> cases() {
  std::vector<pausing> all;
  for (pausing& of : test::pausing_cases())
    if (of.own.size().replicas == 1) all.push_back(std::move(of));
  all.push_back({{4, 4, false, 1, 4, 3, 0, true}, {}, 9, 4});  // an evaluation after a phase that ends between two
  return all;
}
int ranks_of(pausing const& of) { return of.what.ranks > 0 ? of.what.ranks : of.what.net; }

outcome in_one(pausing const& of) {
  outcome one = test::in_one_piece(of);
  one.last_sum = 0;
  return one;
}

/// What ends f in one process, with one worker.
template <class F>
std::string own_sentence(pausing const& of, F const& f) {
  piece alone(of, 1);
  outcome ignored;
  try {
    f(alone, ignored, 0);
  } catch (error const& e) {
    return e.what();
  }
  return {};
}

/// The sentences that all processes end with, which must be one, or the text of who does not throw.
template <class F>
std::string common_sentence(pausing const& of, spread s, F const& f) {
  std::vector<std::string> said(static_cast<std::size_t>(s.processes));
  rooms::with_processes(s.processes, [&](int number) {
    auto const one = process(of, s, number);
    std::string& mine = said[static_cast<std::size_t>(number)];
    try {
      outcome ignored;
      f(*one, ignored, number);
      mine = "nothing was thrown";
    } catch (error const& e) {
      mine = sentence(e.what(), " | updates ", one->engine().updates());
    }
  });
  for (std::string const& one : said) CHECK(one == said.front());
  return said.front();
}

}  // namespace

TEST_CASE("processes of one worker and of several train to the bits of one thread") {
  foal_test::turns turns(3);
  for (pausing const& of : cases()) {
    INFO(of.what.text());
    outcome const reference = in_one(of);
    for (spread const s : {spread{2, 1}, spread{2, 2}, spread{3, 1}, spread{4, 1}}) {
      if (s.processes * s.workers > ranks_of(of) || !turns.take()) continue;
      INFO(s.processes << " processes of " << s.workers);
      test::sleeper sleeper{static_cast<std::uint64_t>(s.processes)};
      CHECK(in_processes(of, s, [&](piece& p, outcome& to, int) {
              p.also = [&](executor::run_request& r) { r.disturb = sleeper.hook(); };
              train(p, to);
            }) == reference);
    }
  }
}

TEST_CASE("processes train schedules that split the backward to the bits of one thread") {
  auto const of = [](auto const& g, int net, int ranks, int n) {
    return pausing{{.net = net, .optimizer = 3, .n = n, .ranks = ranks},
                   schedule::generate(g, schedule::extent_of(g, net, ranks, n))};
  };
  for (pausing const& p :
       {of(schedule::zb_h1{}, 4, 4, 4), of(schedule::zb_h2{}, 9, 4, 5), of(schedule::zb_auto{.memory = 3}, 6, 3, 4),
        of(schedule::zb_v{}, 9, 5, 4), of(schedule::v_half{}, 4, 2, 4), of(schedule::v_min{}, 9, 3, 3),
        of(schedule::v_search{}, 6, 3, 3), of(schedule::interleaved_zb{}, 9, 3, 4), of(schedule::two_bp{}, 6, 2, 3),
        of(schedule::dual_pipe_v{}, 9, 2, 4)}) {
    INFO(p.what.text());
    outcome const reference = in_one(p);
    for (spread const s : {spread{2, 1}, spread{2, 2}, spread{3, 1}}) {
      if (s.processes * s.workers > ranks_of(p)) continue;
      INFO(s.processes << " processes of " << s.workers);
      CHECK(in_processes(p, s, [](piece& one, outcome& to, int) { train(one, to); }) == reference);
    }
  }
}

TEST_CASE("processes that pause before each of their ops in turn go on to the bits of a run without a pause") {
  constexpr std::size_t every = foal_test::repeats(3, 41);
  std::size_t turn = 0;
  for (pausing const& of : cases()) {
    INFO(of.what.text());
    outcome const reference = in_one(of);
    auto const places = test::places_of(of);
    spread const s = turn++ % 3 == 0 && ranks_of(of) >= 4 ? spread{2, 2} : spread{2 + static_cast<int>(turn) % 2, 1};
    if (s.processes * s.workers > ranks_of(of)) continue;
    std::size_t const first = turn % every;
    CHECK(in_processes(of, s, [&](piece& p, outcome& to, int) {
            bool resumes = false;
            for (std::size_t i = first; i < places.size(); i += every, resumes = true)
              if (!p.run(to, places[i], resumes)) throw error(sentence("has not paused at place ", i));
            if (p.run(to, {}, resumes)) throw error("has paused at the end");
          }) == reference);
  }
}

TEST_CASE("a pause that one process asks for comes at a place that all have agreed on") {
  std::atomic<int> pauses{0};
  foal_test::turns turns(4);
  for (pausing& of : cases()) {
    if (of.what.t3 || of.what.net == 9) continue;
    of.minibatches = 24;
    INFO(of.what.text());
    outcome const reference = in_one(of);
    for (spread const s : {spread{2, 1}, spread{2, 2}, spread{3, 1}}) {
      if (s.processes * s.workers > ranks_of(of) || !turns.take()) continue;
      INFO(s.processes << " processes of " << s.workers);
      CHECK(in_processes(of, s, [&](piece& p, outcome& to, int number) {
              int asked = 0, of_this = 0;
              p.also = [&](executor::run_request& r) {
                r.pauses = [&] { return number + 1 == s.processes && of_this < 5 && ++asked % 20 == 19; };
              };
              while (p.run(to, {}, of_this > 0)) ++of_this;
              if (number == 0) pauses += of_this;
            }) == reference);
    }
  }
  CHECK(pauses > 10);
}

TEST_CASE("the first divergence in the program's order ends all processes, as it ends one") {
  for (pausing const& of :
       {pausing{{4, 1, false, 0, 3, 2}}, pausing{{4, 3, false, 1, 3, 2}}, pausing{{4, 4, false, 1, 3, 2}},
        pausing{{9, 4, false, 1, 1, 2}}, pausing{{6, 4, false, 1, 3, 2}}}) {
    INFO(of.what.text());
    for (long long const poisoned : {0, 11, 20}) {
      auto const diverge = [&](piece& p, outcome& to, int) {
        p.data().poisoned = poisoned;
        train(p, to);
      };
      std::string const one = own_sentence(of, diverge);
      REQUIRE_THAT(one, Catch::StartsWith("cannot go on after update "));
      for (spread const s : {spread{2, 1}, spread{2, 2}, spread{4, 1}}) {
        std::string const all = common_sentence(of, s, diverge);
        INFO(all);
        CHECK(all.substr(0, all.find(" | ")) == one);
      }
    }
  }
}

namespace {

/// Makes a number of a stage not finite behind its third update: of its gradient, of a state, or of its weights.
struct injected {
  int stage = 0, where = 0;

  static void inject(void* self, executor::bound_stage const& b) {
    auto const& of = *static_cast<injected*>(self);
    if (b.number != of.stage || b.updates != 3) return;
    std::byte* const to = of.where == 0 ? b.g : of.where == 1 ? b.states[0] : b.w;
    *reinterpret_cast<float*>(to) = std::numeric_limits<float>::quiet_NaN();
  }
};

}  // namespace

TEST_CASE("what is not finite in any stage's gradient, state or weights ends all processes with one thread's sentence") {
  foal_test::turns turns(4);
  for (int schedule : {1, 4})
    for (int stage = 0; stage < 4; ++stage)
      for (int where = 0; where < 3; ++where) {
        pausing const of{{4, schedule, false, 0, 3, 2}, {}, 12};
        INFO(of.what.text() << ", stage " << stage << ", kind " << where);
        auto const diverge = [&](piece& p, outcome& to, int) {
          injected what{stage, where};
          p.also = [&](executor::run_request& r) { r.watch = {&what, &injected::inject}; };
          train(p, to);
        };
        std::string const one = own_sentence(of, diverge);
        if (where == 0)
          CHECK_THAT(one, Catch::Contains("after update 3, because the gradient of ") &&
                              Catch::Contains(sentence(" at stage ", stage, " is not finite")));
        if (where == 2 && stage < 3 && one.find("the loss at stage") != one.npos)  // else it begins there
          CHECK_THAT(one, Catch::Contains(sentence(" at stage ", stage, "; lower")));
        for (spread const s : {spread{2, 1}, spread{2, 2}, spread{4, 1}}) {
          if (!turns.take()) continue;
          std::string const all = common_sentence(of, s, diverge);
          CHECK(all.substr(0, all.find(" | ")) == one);
        }
      }
}

TEST_CASE("what an op throws in one process comes out of all, and none trains on") {
  pausing const of{{4, 4, false, 1, 3, 2}, {}, 12};
  for (spread const s : {spread{2, 1}, spread{2, 2}, spread{4, 1}}) {
    std::string const all = common_sentence(of, s, [](piece& p, outcome& to, int) {
      p.also = [](executor::run_request& r) {
        r.source.inputs = [](void const* self, long long m, int, void* x, void*) {
          if (m == 9) throw std::runtime_error("the source has no microbatch 9");
          static_cast<test::stream const*>(self)->inputs(m, static_cast<float*>(x), static_cast<float*>(nullptr));
        };
      };
      try {
        train(p, to);
      } catch (error const&) {
        try {
          p.run(to, {});
        } catch (error const& again) {
          if (std::string(again.what()).find("was ended by an exception") == std::string::npos) throw;
        }
        throw;
      }
    });
    CHECK_THAT(all, Catch::StartsWith("the source has no microbatch 9"));
  }
}

TEST_CASE("what a callback throws in one process ends all at the same update, and all can train on") {
  pausing const of{{4, 4, false, 1, 3, 2}, {}, 30};
  for (spread const s : {spread{2, 1}, spread{2, 2}, spread{4, 1}})
    for (int thrower = 0; thrower < s.processes; ++thrower) {
      std::vector<long long> updates(static_cast<std::size_t>(s.processes));
      outcome const all = in_processes(of, s, [&](piece& p, outcome& to, int number) {
        int called = 0;
        p.also = [&](executor::run_request& r) {
          r.tick = [&](long long) {
            if (number == thrower && ++called == 20) throw std::runtime_error("a tick has thrown");
          };
        };
        std::string thrown;
        try {
          train(p, to);
        } catch (error const& e) {
          thrown = e.what();
        }
        if (thrown != "a tick has thrown") throw error("has not thrown: " + thrown);
        updates[static_cast<std::size_t>(number)] = p.engine().updates();
        train(p, to);
      });
      for (long long const n : updates) CHECK(n == updates.front());
      CHECK(updates.front() < 30);
      piece one(of, 1);
      outcome in_two;
      pausing const first{of.what, {}, updates.front()};
      one.also = [&](executor::run_request& r) { r.minibatches = updates.front(); };
      train(one, in_two);
      one.also = nullptr;
      train(one, in_two);
      CHECK(all.state == in_two.state);
    }
}

TEST_CASE("the answer of process 0 to an evaluation ends all processes where it ends one") {
  for (pausing const& of : {pausing{{4, 4, false, 1, 3, 2}, {}, 24, 4}, pausing{{4, 1, false, 0, 3, 2}, {}, 9, 1},
                            pausing{{6, 4, true, 0, 3, 2}, {}, 24, 4}}) {
    INFO(of.what.text());
    auto const ends = [](piece& p, outcome& to, int number) {
      int heard = 0;
      p.also = [&](executor::run_request& r) {
        r.evaluated = [&](executor::evaluation_result const&) {
          return ++heard == 3 && number == 0 ? training::ends : training::goes_on;
        };
      };
      train(p, to);
      if (heard != 3) throw error("has not heard of three evaluations");
      p.also = nullptr;
      train(p, to);
    };
    piece one(of, 1);
    outcome reference;
    ends(one, reference, 0);
    reference.last_sum = 0;
    for (spread const s : {spread{2, 1}, spread{2, 2}, spread{4, 1}}) {
      INFO(s.processes << " processes of " << s.workers);
      CHECK(in_processes(of, s, ends) == reference);
    }
  }
}

TEST_CASE("process 0 is called with an evaluation when all others have been, and before their copies are written over") {
  for (pausing const& of : {pausing{{4, 4, false, 1, 3, 2}, {}, 24, 4}, pausing{{4, 1, false, 0, 3, 2}, {}, 9, 1}})
    for (spread const s : {spread{2, 1}, spread{2, 2}, spread{4, 1}}) {
      INFO(of.what.text() << "  " << s.processes << " processes of " << s.workers);
      std::atomic<int> called{0};
      in_processes(of, s, [&](piece& p, outcome& to, int number) {
        int heard = 0;
        p.also = [&](executor::run_request& r) {
          r.evaluated = [&](executor::evaluation_result const&) {
            ++heard;
            if (number != 0)
              ++called;
            else if (called != heard * (s.processes - 1))
              throw error(sentence(called.load(), " have been called where ", heard * (s.processes - 1), " are expected"));
          };
        };
        train(p, to);
        if (heard < 2) throw error("has not heard of two evaluations");
      });
    }
}

TEST_CASE("what the callback of an evaluation throws in one process comes out of all, and all can train on") {
  pausing const of{{4, 4, false, 1, 3, 2}, {}, 24, 4};
  for (spread const s : {spread{2, 1}, spread{2, 2}, spread{4, 1}})
    for (int thrower = 0; thrower < s.processes; ++thrower) {
      INFO(s.processes << " processes of " << s.workers << ", process " << thrower << " throws");
      std::vector<long long> updates(static_cast<std::size_t>(s.processes));
      in_processes(of, s, [&](piece& p, outcome& to, int number) {
        int heard = 0;
        p.also = [&](executor::run_request& r) {
          r.evaluated = [&](executor::evaluation_result const&) {
            if (++heard == 2 && number == thrower) throw std::runtime_error("who hears has thrown");
          };
        };
        std::string thrown;
        try {
          train(p, to);
        } catch (error const& e) {
          thrown = e.what();
        }
        if (thrown != "who hears has thrown") throw error("has not thrown: " + thrown);
        updates[static_cast<std::size_t>(number)] = p.engine().updates();
        p.also = nullptr;
        to = {};
        train(p, to);
      });
      for (long long const n : updates) CHECK(n == updates.front());
    }
}

TEST_CASE("processes evaluate between their runs, and a divergence is no evaluation's affair") {
  pausing const of{{4, 3, false, 1, 3, 2, 2}, {}, 8, 4};
  auto const evaluate = [](piece& p, outcome& to, int) {
    table::evaluation_source samples;
    p.also = [&samples](executor::run_request& r) { samples = r.evaluation; };
    outcome ignored;
    train(p, ignored);
    to.evaluations.push_back(p.engine().evaluate(samples).loss);
    train(p, to);
    to.evaluations.push_back(p.engine().evaluate(samples).loss);
    p.data().poisoned = 3 * p.engine().updates() * 2 + 13;
    try {
      train(p, ignored);
    } catch (error const& e) {
      to.evaluations.push_back(static_cast<double>(p.engine().updates()));
    }
  };
  piece one(of, 1);
  outcome reference;
  evaluate(one, reference, 0);
  REQUIRE(reference.evaluations.size() == 5);
  outcome const two = in_processes(of, {2, 1}, evaluate);
  CHECK(std::equal(reference.evaluations.begin(), reference.evaluations.end() - 1, two.evaluations.begin()));
  CHECK(two.evaluations.size() == 5);
}

TEST_CASE("shares of processes are one cut, and each is enough for its own process") {
  constexpr std::size_t every = foal_test::repeats(11, 199);
  std::size_t turn = 0, cuts = 0;
  for (pausing const& of : cases()) {
    outcome const reference = in_one(of);
    auto const places = test::places_of(of);
    for (std::size_t i = turn++ % every; i < places.size(); i += every) {
      spread const s{2 + static_cast<int>(i) % 2, 1}, next{2 + static_cast<int>(i / 2) % 2, 1};
      if (std::max(s.processes, next.processes) > ranks_of(of)) continue;
      INFO(of.what.text() << "  phase " << places[i].phase << " key " << places[i].key << "  " << s.processes << " then "
                          << next.processes << " processes");
      std::vector<executor::run_cut> shares(static_cast<std::size_t>(s.processes));
      outcome before;
      before.losses = in_processes(of, s, [&](piece& p, outcome& to, int number) {
                        if (!p.run(to, places[i])) throw error("has not paused");
                        shares[static_cast<std::size_t>(number)] = p.engine().cut();
                      }).losses;
      auto const goes_on = [&](piece& p, outcome& to, executor::run_cut const& from) {
        p.scribble();
        p.engine().restore(from);
        to.losses = before.losses;
        if (p.run(to, {}, true)) throw error("has paused again");
      };
      auto const same = [&](outcome const& rest) {
        CHECK(rest.state == reference.state);
        CHECK(rest.losses == reference.losses);
        CHECK(std::equal(rest.evaluations.rbegin(), rest.evaluations.rend(), reference.evaluations.rbegin()));
      };
      same(in_processes(
          of, s, [&](piece& p, outcome& to, int number) { goes_on(p, to, shares[static_cast<std::size_t>(number)]); }));
      executor::run_cut whole;
      for (executor::run_cut const& share : shares) {
        CHECK_FALSE(share.hosted.empty());
        executor::join(whole, share);
      }
      CHECK(whole.hosted.empty());
      same(in_processes(of, next, [&](piece& p, outcome& to, int) { goes_on(p, to, whole); }));
      outcome alone;
      piece one(of, 1);
      goes_on(one, alone, whole);
      alone.last_sum = 0;
      same(alone);
      ++cuts;
    }
  }
  CHECK(cuts > foal_test::repeats(20U, 5U));
}

TEST_CASE("processes copy their run while it goes on, by updates, by the clock of one, and where any of them asks") {
  long long copies = 0;
  foal_test::turns turns(5);
  for (pausing& of : cases()) {
    if (of.what.net == 9) continue;
    of.minibatches = std::max(of.minibatches, 8LL);
    INFO(of.what.text());
    outcome const reference = in_one(of);
    for (spread const s : {spread{2, 1}, spread{3, 1}, spread{2, 2}}) {
      if (s.processes * s.workers > ranks_of(of)) continue;
      for (long long const updates : {3, 0}) {
        if (!turns.take()) continue;
        INFO(s.processes << " processes of " << s.workers << ", every " << updates);
        std::vector<std::vector<executor::run_cut>> taken(static_cast<std::size_t>(s.processes));
        CHECK(in_processes(of, s, [&](piece& p, outcome& to, int number) {
                auto& mine = taken[static_cast<std::size_t>(number)];
                bool const asks = updates == 0 && number == static_cast<int>(copies) % s.processes;
                p.cuts = {updates, [asks] { return asks; },
                          [&mine](long long update) {
                            mine.emplace_back().update = -update;
                            return &mine.back();
                          },
                          [&mine](auto const&, auto const&, long long) {
                            if (mine.back().update < 0) throw error("nothing has been copied");
                            return training::goes_on;
                          }};
                train(p, to);
              }) == reference);
        for (auto const& of_one : taken) REQUIRE(of_one.size() == taken.front().size());
        if (updates > 0) CHECK(static_cast<long long>(taken.front().size()) == (of.minibatches - 1) / updates);
        for (std::size_t i = 0; i < taken.front().size(); i += 3) {
          executor::run_cut whole;
          for (auto& of_one : taken) executor::join(whole, of_one[i]);
          if (updates > 0) CHECK(whole.update == static_cast<long long>(i + 1) * updates);
          outcome rest;
          piece one(of, 1);
          one.scribble();
          one.engine().restore(whole);
          REQUIRE_FALSE(one.run(rest, {}, true));
          CHECK(rest.state == reference.state);
          CHECK(std::equal(rest.losses.rbegin(), rest.losses.rend(), reference.losses.rbegin()));
          CHECK(std::equal(rest.evaluations.rbegin(), rest.evaluations.rend(), reference.evaluations.rbegin()));
          ++copies;
        }
      }
    }
  }
  CHECK(copies > foal_test::repeats(20, 4));
}
