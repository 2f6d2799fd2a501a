// What bpipe evicts is on the other rank while it is to be there: arenas are as large as it promises, and the bits are those
// of 1F1B on any workers, in any order of their ops, and of a run that is paused, or goes on in other memory.
#include <catch2/catch.hpp>
#include <random>

#include <foal/schedule/cost/balanced_memory.hpp>
#include <foal/schedule/rules/bpipe.hpp>
#include <foal/trainer/run_facts.hpp>

#include "tests/executor/bad_input.hpp"
#include "tests/executor/pausing.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using test::choice;

constexpr int samples = 4;

template <int Stages>
struct deep : stages<input<16>, repeat<Stages, stage<linear<16>, foal::tanh, linear<16>, foal::tanh>>> {};

/// Bytes that each rank of a run of a worker a rank saves, and their name that begins with `of`.
template <int Stages>
std::vector<std::size_t> held(schedule::program p, int workers, std::string const& of = "") {
  schedule::program_view const v = p.view();
  int const ranks = v.size.ranks;
  table::run_tables t = test::lowered<deep<Stages>>({Stages, ranks, v.size.microbatches}, false);
  t.ranks = ranks;
  t.rank_of = schedule::ranks_of(v);
  int const n = v.size.microbatches;
  t.phases.clear();
  t.phases.push_back(lower::detail::make_phase("test", std::move(p), versions::live{}));
  executor::run_plan const plan(t, {samples, n, workers, 5, false, 64, false}, test::shares(ranks, workers));
  std::vector<std::size_t> bytes(static_cast<std::size_t>(workers), 0);
  for (plan_entry const& e : plan.memory().entries())
    if (e.purpose == category::saved && std::string(e.what).starts_with(of))
      bytes[static_cast<std::size_t>(e.worker)] += e.bytes;
  return bytes;
}

template <int Ranks>
void check_arenas(int n) {
  INFO(Ranks << " ranks, N " << n);
  schedule::program b = schedule::generate(schedule::bpipe{}, {Ranks, Ranks, n}),
                    f = schedule::generate(schedule::one_f_one_b{}, {Ranks, Ranks, n});
  auto const balanced = held<Ranks>(b, Ranks), plain = held<Ranks>(f, Ranks);
  std::size_t const one = plain.back();  // of the last rank, which holds one
  schedule::balanced_memory const model = schedule::balance_memory(b.view(), schedule::replay(b.view()), b.view().most_held);
  CHECK(plain.front() == static_cast<std::size_t>(std::min(Ranks, n)) * one);
  for (std::size_t r = 0; r < balanced.size(); ++r) {
    INFO("rank " << r);
    auto const peak = static_cast<std::size_t>(model.rank[r].peak);
    // While one goes out before another comes back, the other rank has both.
    bool const lends = r < balanced.size() / 2;
    CHECK(balanced[r] >= one * peak);
    CHECK(balanced[r] <= one * (peak + (lends ? 0 : 1)));
    CHECK(balanced[r] <= one * static_cast<std::size_t>(b.view().most_held));
  }
  CHECK(*std::max_element(balanced.begin(), balanced.end()) < plain.front());
}

/// Advances workers in an order that a seed gives, on the calling thread.
struct shuffled {
  static constexpr bool threaded = true;
  static inline unsigned seed = 0;

  static void drive(std::span<executor::worker> workers, executor::service const& run) {
    std::mt19937 random(seed);
    std::vector<executor::worker*> alive;
    for (executor::worker& w : workers) alive.push_back(&w);
    for (long long idle = 0; !alive.empty();) {
      std::size_t const i = random() % alive.size();
      executor::progress p = executor::progress::ran;
      for (auto burst = 1 + random() % 30; burst > 0 && p == executor::progress::ran; --burst) p = alive[i]->advance();
      idle = p == executor::progress::blocked ? idle + 1 : 0;
      if (p == executor::progress::done) alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(i));
      if (idle > 100000) throw error("cannot go on, because no worker advances any more: " + alive[0]->next_op());
    }
    run();
  }
};

struct asked {
  choice what;
  schedule::program program;
  bool evicts;
};
std::vector<asked> all_asked() {
  auto const bpipe = [](int stages, int ranks, int n, int limit = 0) {
    return schedule::generate(schedule::bpipe{.limit = limit}, {stages, ranks, n});
  };
  std::vector<asked> all;
  all.push_back({{.net = 4, .optimizer = 3, .n = 8, .ranks = 4}, bpipe(4, 4, 8), true});
  all.push_back({{.net = 4, .optimizer = 1, .n = 5, .ranks = 4}, bpipe(4, 4, 5), true});
  all.push_back({{.net = 6, .optimizer = 1, .n = 7, .ranks = 6}, bpipe(6, 6, 7), true});
  all.push_back({{.net = 9, .optimizer = 3, .n = 9, .ranks = 9}, bpipe(9, 9, 9), true});
  all.push_back({{.net = 9, .optimizer = 3, .n = 6, .ranks = 4}, bpipe(9, 4, 6), true});
  all.push_back({{.net = 4, .optimizer = 3, .n = 2, .ranks = 4}, bpipe(4, 4, 2), false});
  schedule::program own = schedule::generate(schedule::one_f_one_b{}, {4, 4, 6});
  own.evictions({{0, 0, 1}, {0, 5, 1}, {1, 1, 3}, {1, 2, 3}, {1, 3, 3}, {2, 2, 0}, {3, 4, 0}}, 0);
  all.push_back({{.net = 4, .optimizer = 3, .n = 6, .ranks = 4}, own, true});
  all.push_back({{.net = 4, .optimizer = 1, .n = 6, .ranks = 4, .clip = true}, schedule::with_global_norm(own), true});
  return all;
}

std::string const elsewhere = "saved activations of another rank";

}  // namespace

TEST_CASE("Arenas of bpipe hold what its model says, which is less than the first rank of 1F1B holds", "[evictions]") {
  for (int const n : {4, 8, 13}) check_arenas<4>(n);
  for (int const n : {8, 16}) check_arenas<8>(n);
}

TEST_CASE("What one worker would lend itself stays where it is", "[evictions]") {
  schedule::program b = schedule::generate(schedule::bpipe{}, {4, 4, 8}),
                    f = schedule::generate(schedule::one_f_one_b{}, {4, 4, 8});
  CHECK(held<4>(b, 1) == held<4>(f, 1));
  CHECK(held<4>(b, 1, elsewhere)[0] == 0);
  CHECK(held<4>(b, 2, elsewhere)[0] == 0);
  CHECK(held<4>(b, 2, elsewhere)[1] > 0);
}

TEST_CASE("What two processes have between them stays where it is, and a run says so", "[evictions]") {
  choice const c{.net = 4, .n = 8, .ranks = 4};
  table::run_tables const t = test::tables_of(c, schedule::generate(schedule::bpipe{}, {4, 4, 8}));
  auto const notes = [&](int workers, std::vector<int> const& worker_of) {
    executor::engine const engine(t, {test::bit_samples, 8, workers, 5, false, 64, false}, test::driver(workers > 1),
                                  worker_of);
    report::facts const f = executor::facts_of(t, engine);
    std::string all;
    for (std::string const& note : f.notes) all += note + "\n";
    CHECK(f.stage[0].saved == (all.find("is on another rank") != std::string::npos ? 3 : 4));
    return all;
  };
  CHECK_THAT(notes(4, {0, 1, 2, 3}),
             Catch::Contains("what the forwards of stages 0 save of some microbatches is on another"));
  CHECK_THAT(notes(1, {0, 0, 0, 0}), Catch::Contains("cannot evict what stages 0 save, because"));
  executor::run_plan const plan(t, {test::bit_samples, 8, 2, 5, false, 64, false},
                                {0, 1, executor::hosted_by(1), executor::hosted_by(1)});
  CHECK(plan.evictions().of(0) == nullptr);
  executor::run_plan const both(t, {test::bit_samples, 8, 2, 5, false, 64, false},
                                {0, executor::hosted_by(1), executor::hosted_by(1), 1});
  CHECK(both.evictions().of(0) != nullptr);
}

TEST_CASE("A schedule that evicts leaves the bits of 1F1B on any workers", "[evictions]") {
  for (asked const& of : all_asked()) {
    choice plain = of.what;
    plain.schedule = 2;
    schedule::program program = of.program;
    bool const clips = program.view().global_norm;
    test::traces const reference =
        clips ? test::train(of.what, 1, false, 4, {}, of.program) : test::train(plain, 1, false, 4);
    for (int workers = 1; workers <= of.what.ranks; ++workers) {
      INFO(of.what.text() << ", " << workers << " workers");
      CHECK(test::train(of.what, workers, true, 4, {}, of.program) == reference);
    }
  }
}

TEST_CASE("and in any order in which workers may advance", "[evictions]") {
  for (asked const& of : all_asked()) {
    test::traces const reference = test::train(of.what, 1, false, 3, {}, of.program);
    table::run_tables const t = test::tables_of(of.what, of.program);
    for (unsigned seed = 0; seed < foal_test::repeats(24U, 4U); ++seed) {
      shuffled::seed = seed;
      int const workers = 2 + static_cast<int>(seed) % (of.what.ranks - 1);
      INFO(of.what.text() << ", " << workers << " workers, seed " << seed);
      executor::engine engine(t, {test::bit_samples, of.what.n, workers, 5, false, 64, false},
                              executor::driver_of<shuffled>(), test::shares(t.ranks, workers));
      if (workers == of.what.ranks) {
        bool there = false;
        for (plan_entry const& e : engine.memory().plan().entries()) there = there || (e.what == elsewhere && e.bytes > 0);
        CHECK(there == of.evicts);
      }
      test::stream const data = test::data_of(of.what, test::bit_samples);
      executor::run_request request;
      request.minibatches = 3;
      request.source = test::source_of(data);
      REQUIRE_FALSE(engine.run(request, 0).diverged);
      CHECK(test::state_of(t, engine.stages()) == reference.state);
    }
  }
}

TEST_CASE("A run that evicts pauses before any op, and goes on in its memory and in that of other workers", "[evictions]") {
  using piece = test::piece<>;
  for (asked const& of : all_asked()) {
    if (of.what.net == 9) continue;
    test::pausing const run{of.what, of.program, 2};
    test::outcome const reference = test::in_one_piece(run);
    test::outcome here;
    piece first(run, of.what.ranks);
    bool resumes = false;
    int turn = 0;
    for (executor::run_place const& at : test::places_of(run)) {
      if (++turn % foal_test::repeats(1, 11) != 0) continue;
      INFO(of.what.text() << ", key " << at.key);
      REQUIRE(first.run(here, at, std::exchange(resumes, true)));
      if (turn % 3 != 0) continue;
      executor::run_cut const cut = first.engine().cut();
      test::outcome there = here;
      piece second(run, 1 + turn % of.what.ranks);
      second.scribble();
      second.engine().restore(cut);
      REQUIRE_FALSE(second.run(there, {}, true));
      REQUIRE(there == reference);
    }
    REQUIRE_FALSE(first.run(here, {}, true));
    CHECK(here == reference);
  }
}

TEST_CASE("Where a loss is not finite, what has been evicted is looked at, too", "[evictions]") {
  choice const c{.net = 4, .n = 8, .ranks = 4};
  schedule::program b = schedule::generate(schedule::bpipe{}, {4, 4, 8});
  table::run_tables const t = test::tables_of(c, b);
  for (int const m : {2, 3, 5}) test::check_origin_of_bad_input(t, m, 4);
}
