// The rules of weight versions: what they read against a plain run that counts updates, and what they refuse.
#include <algorithm>
#include <tuple>
#include <vector>

#include <catch2/catch.hpp>

#include <foal/policy/versions.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/schedule/unroll.hpp>

namespace {

using namespace foal;
using schedule::extent;
using schedule::op_kind;

/// A run written out, op by op in (slot, rank, lane) order: how many updates its stage has had when each op starts.
struct counted {
  int n, stages, minibatches;
  struct cell {
    int f = 0, r = -1, b = 0;
  };
  std::vector<cell> newest;  // [s * total + m]

  counted(schedule::program_view v, int count) : n(v.size.microbatches), stages(v.size.stages), minibatches(count) {
    struct placed {
      int slot, rank, lane;
      schedule::op o;
    };
    std::vector<placed> all;
    auto const run = schedule::unroll(v, count);
    for (int r = 0; r < v.size.ranks; ++r)
      for (schedule::op const& o : run[static_cast<std::size_t>(r)]) all.push_back({o.slot, r, o.lane, o});
    std::sort(all.begin(), all.end(), [](placed const& a, placed const& b) {
      return std::tie(a.slot, a.rank, a.lane) < std::tie(b.slot, b.rank, b.lane);
    });
    std::vector<int> updates(static_cast<std::size_t>(stages), 0);
    newest.resize(static_cast<std::size_t>(stages * total()));
    for (placed const& p : all) {
      int& made = updates[static_cast<std::size_t>(p.o.stage)];
      if (p.o.kind == op_kind::U) {
        ++made;
        continue;
      }
      cell& c = newest[static_cast<std::size_t>(p.o.stage * total() + p.o.microbatch)];
      if (p.o.kind == op_kind::F) c.f = made;
      if (p.o.kind == op_kind::R) c.r = made;
      if (schedule::is_backward(p.o.kind)) c.b = made;
    }
  }
  int total() const { return n * minibatches; }
  cell const& at(int s, int m) const { return newest[static_cast<std::size_t>(s * total() + m)]; }
};

/// What a rule is, in words of a run: the versions that F, R and B of microbatch m read.
struct expected {
  int f, r, b;
};

template <class Rule, class Says>
void compare(schedule::program p, Rule const& rule, Says says) {
  schedule::program_view const v = p.view();
  schedule::version_table const there = schedule::versions(v);
  schedule::version_reads const reads = schedule::reads_of(rule, there);
  versions::require_versions(rule, there, reads);
  constexpr int minibatches = 40;
  counted const run(v, minibatches);
  int wrong = 0;
  for (int s = 0; s < run.stages; ++s) {
    int copies = 0;
    for (int m = 0; m < run.total(); ++m) {
      expected const want = says(run, s, m);
      schedule::version_read const& offset = reads.at(s, m % run.n);
      counted::cell const& newest = run.at(s, m);
      auto const read = [&](int of) { return std::max(0, m / run.n * reads.updates[static_cast<std::size_t>(s)] + of); };
      wrong += read(offset.forward) != want.f || read(offset.backward) != want.b ? 1 : 0;
      wrong += newest.r >= 0 && read(offset.recompute) != want.r ? 1 : 0;
      wrong += want.f > newest.f || want.b > newest.b || (newest.r >= 0 && want.r > newest.r) ? 1 : 0;
      copies = std::max({copies, newest.f - want.f, newest.b - want.b, newest.r >= 0 ? newest.r - want.r : 0});
    }
    CHECK(reads.kept[static_cast<std::size_t>(s)].copies == copies);
  }
  CHECK(wrong == 0);
}

int late(int m, int d, int n) { return m < d ? 0 : (m - d) / n; }

/// Every rule that holds for a schedule of any N.
template <class G>
void compare_all(G const& g, extent e) {
  INFO(G::name << "  S " << e.stages << "  R " << e.ranks << "  N " << e.microbatches);
  schedule::program const p = schedule::generate(g, e);
  compare(p, versions::live{}, [](counted const& run, int s, int m) -> expected {
    auto const& c = run.at(s, m);
    return {c.f, c.r, c.b};
  });
  compare(p, versions::stash{}, [](counted const& run, int s, int m) -> expected {
    int const f = run.at(s, m).f;
    return {f, f, f};
  });
  compare(p, versions::vertical_sync{}, [](counted const& run, int, int m) -> expected {
    int const f = run.at(0, m).f;
    return {f, f, f};
  });
  versions::injected rule;
  for (int s = 0; s < e.stages; ++s) rule.delays.push_back(2 * e.stages + 3 * (s % 3));
  compare(p, rule, [&](counted const& run, int s, int m) -> expected {
    int const f = late(m, rule.delays[static_cast<std::size_t>(s)], run.n);
    return {f, f, run.at(s, m).b};
  });
}

template <class G>
void compare_double_buffered(G const& g, extent e) {
  INFO(G::name << "  S " << e.stages << "  R " << e.ranks << "  N " << e.microbatches);
  compare(schedule::generate(g, e), versions::double_buffered{}, [](counted const& run, int, int m) -> expected {
    int const v = std::max(0, m / run.n - 1);
    return {v, v, v};
  });
}

/// async_1f1b with an update after every other microbatch.
struct often {
  static constexpr char const* name = "often";
  static constexpr bool asynchronous = true;
  static constexpr int period(extent e) { return schedule::async_1f1b::period(e); }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    auto const both = [&](int rank, schedule::op o) {
      sink(rank, o);
      int const position = schedule::floor_mod(o.microbatch, e.microbatches);
      if (o.kind != op_kind::BW || position % 2 == 0 || position + 1 == e.microbatches) return;
      o.kind = op_kind::U;
      ++o.lane;
      sink(rank, o);
    };
    schedule::async_1f1b{}.emit(e, both);
  }
};

/// A user's own: F two updates behind what the program would have it read, B one before the newest.
struct older {
  using role = foal::role::versions;
  static constexpr char const* name = "older";

  static constexpr schedule::version_read read(schedule::version_table const& there, int s, int j) {
    return {there.at(s, j).forward - 2, there.at(s, j).recompute, there.at(s, j).backward - 1};
  }
};
struct from_the_future {
  using role = foal::role::versions;
  static constexpr char const* name = "from_the_future";

  static constexpr schedule::version_read read(schedule::version_table const& there, int s, int j) {
    return {there.at(s, j).forward, 0, s == 1 ? there.at(s, j).backward + 1 : 0};
  }
};
struct of_few : older {
  static constexpr int copies = 1;
};

template <class Rule, class G>
void require_versions(Rule const& rule, G const& g, extent e) {
  schedule::version_table const there = schedule::versions(schedule::generate(g, e).view());
  versions::require_versions(rule, there, schedule::reads_of(rule, there));
}

static_assert(versions::rule<versions::live> && versions::rule<versions::injected> && versions::rule<older>);
static_assert(!versions::rule<int>);
// What the type says: only flush needs one; T2 has something to correct with live weights, and an own rule like it.
static_assert(versions::needs_a_flush<versions::flush> && !versions::needs_a_flush<versions::double_buffered>);
static_assert(!versions::needs_a_flush<versions::live> && !versions::needs_a_flush<versions::injected>);
static_assert(versions::delays_a_synchronous<versions::double_buffered> && versions::delays_a_synchronous<older>);
static_assert(!versions::delays_a_synchronous<versions::flush> && !versions::delays_a_synchronous<versions::vertical_sync>);
static_assert(versions::reads_one_version<versions::stash> && versions::reads_one_version<versions::vertical_sync>);
static_assert(versions::reads_one_version<versions::double_buffered> && !versions::reads_one_version<versions::live>);
static_assert(!versions::reads_one_version<older> && versions::asks_the_compiler<older>);
static_assert(!versions::asks_the_compiler<versions::injected> && !versions::asks_the_compiler<versions::stash>);

}  // namespace

TEST_CASE("every rule reads what a run of the program shows", "[versions]") {
  for (extent const e : {extent{1, 1, 1}, {1, 1, 3}, {4, 4, 1}, {4, 4, 8}, {5, 5, 3}, {5, 2, 3}, {6, 3, 2}, {7, 7, 2}}) {
    compare_all(schedule::sequential{}, e);
    compare_all(schedule::gpipe{}, e);
    compare_all(schedule::one_f_one_b{}, e);
    compare_all(schedule::async_1f1b{}, e);
    compare_all(schedule::pipemare{}, e);
  }
}

TEST_CASE("recomputed stages read a version in R as well", "[versions]") {
  for (extent const e : {extent{4, 4, 1}, {9, 9, 4}, {5, 5, 3}, {7, 3, 2}}) {
    compare_all(schedule::recomputed<schedule::pipemare>{}, e);
    compare_all(schedule::recomputed<schedule::async_1f1b>{.segment = 2}, e);
    compare_all(schedule::recomputed<schedule::gpipe>{}, e);
  }
}

TEST_CASE("flush reads the version of the minibatch, on synchronous schedules", "[versions]") {
  auto const own = [](counted const& run, int, int m) -> expected { return {m / run.n, m / run.n, m / run.n}; };
  for (extent const e : {extent{1, 1, 1}, {4, 4, 8}, {5, 2, 3}}) {
    compare(schedule::generate(schedule::gpipe{}, e), versions::flush{}, own);
    compare(schedule::generate(schedule::recomputed<schedule::one_f_one_b>{}, e), versions::flush{}, own);
  }
  CHECK_THROWS_WITH(require_versions(versions::flush{}, schedule::pipemare{}, {2, 2, 4}),
                    "cannot have F(stage 0, microbatch 0 of minibatch k) read version k, because the newest there is k - 1; "
                    "read that one, or one before it (versions::flush)");
}

TEST_CASE("two versions are enough where d_0 <= N, and refused with both where they are not", "[versions]") {
  for (extent const e : {extent{1, 1, 1}, {3, 3, 5}, {4, 4, 7}, {4, 4, 8}, {5, 2, 3}, {6, 3, 20}})
    compare_double_buffered(schedule::pipemare{}, e);
  for (extent const e : {extent{1, 1, 1}, {3, 3, 2}, {4, 4, 3}, {5, 2, 1}}) {
    compare_double_buffered(schedule::async_1f1b{}, e);
    compare_double_buffered(schedule::gpipe{}, e);
    compare_double_buffered(schedule::recomputed<schedule::async_1f1b>{.segment = 1}, e);
  }
  CHECK_THROWS_WITH(
      require_versions(versions::double_buffered{}, schedule::pipemare{}, {4, 4, 6}),
      "cannot train with two versions of the weights (versions::double_buffered) and 6 microbatches in a "
      "minibatch, because every version must be one update old, which needs d_0 <= N, and the schedule's delay "
      "at stage 0 is 7 > 6; give .microbatches of 7 or more, or use versions::stash");
  CHECK_THROWS_WITH(require_versions(versions::double_buffered{}, schedule::async_1f1b{}, {4, 4, 2}),
                    Catch::Contains("the schedule's delay at stage 0 is 3 > 2; give .microbatches of 3 or more"));
}

TEST_CASE("with several updates in a minibatch versions are counted in updates", "[versions]") {
  for (extent const e : {extent{1, 1, 4}, {3, 3, 4}, {4, 4, 6}, {4, 2, 4}}) {
    schedule::program const p = schedule::generate(often{}, e);
    compare(p, versions::live{}, [](counted const& run, int s, int m) -> expected {
      return {run.at(s, m).f, run.at(s, m).r, run.at(s, m).b};
    });
    compare(p, versions::stash{}, [](counted const& run, int s, int m) -> expected {
      int const f = run.at(s, m).f;
      return {f, f, f};
    });
    versions::injected const rule{std::vector<int>(static_cast<std::size_t>(e.stages), 8)};
    compare(p, rule, [&](counted const& run, int s, int m) -> expected {
      int const f = late(m, 8, 2);  // the version that microbatch m - 8 changes
      return {f, f, run.at(s, m).b};
    });
    if (e.ranks > 2) continue;  // d_0 <= 2
    compare(p, versions::double_buffered{}, [](counted const&, int, int m) -> expected {
      int const v = std::max(0, m / 2 - 1);
      return {v, v, v};
    });
  }
}

TEST_CASE("a user's own rule is asked and proved as the built-in ones are", "[versions]") {
  compare(schedule::generate(schedule::async_1f1b{}, {3, 3, 2}), older{}, [](counted const& run, int s, int m) -> expected {
    auto const& c = run.at(s, m);
    // Two updates before steady state's newest, which in the first minibatches is below 0.
    int const lag = std::max(0, (2 - s - m % 2 + 1) / 2);
    return {std::max(0, m / 2 - lag - 2), c.r, std::max(0, c.b - 1)};
  });
  CHECK_THROWS_WITH(require_versions(from_the_future{}, schedule::gpipe{}, {3, 3, 2}),
                    Catch::Contains("B(stage 1, microbatch 0 of minibatch k) read version k + 1") &&
                        Catch::Contains("(versions::from_the_future)"));
  CHECK_THROWS_WITH(require_versions(of_few{}, schedule::gpipe{}, {3, 3, 2}),
                    Catch::Contains("read version k - 2") && Catch::Contains("keeps 1 older"));
}

TEST_CASE("delays that cannot be injected are refused", "[versions]") {
  CHECK_THROWS_WITH((versions::injected{{2, -1}}.check()), Catch::Contains("delay of -1"));
  CHECK_NOTHROW(versions::injected{{2, 0}}.check());
  // Stage 0 of pipemare with 3 stages is 5 late by itself.
  CHECK_NOTHROW(require_versions(versions::injected{{5, 3, 1}}, schedule::pipemare{}, {3, 3, 2}));
  CHECK_THROWS_WITH(
      require_versions(versions::injected{{4, 3, 1}}, schedule::pipemare{}, {3, 3, 2}),
      Catch::Contains("F(stage 0, microbatch 0 of minibatch k) read version k - 2, because the newest there is "
                      "k - 3"));
}
