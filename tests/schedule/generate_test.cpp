// The built-in schedules' lists, and schedules of a user's own.
#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/k_f_k_b.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/sequential.hpp>

using namespace foal::schedule;

static_assert(generator<sequential> && generator<gpipe> && generator<one_f_one_b> && generator<async_1f1b> &&
              generator<pipemare> && generator<injected> && !generator<int>);

namespace {

template <class G>
std::string listed(G const& g, extent e) {
  program p = generate(g, e);
  return lists(p.view());
}

template <class G>
constexpr int period(G const& g, extent e) {
  return generate(g, e).period();
}

static_assert(generator<k_f_k_b>);
static_assert(proof(k_f_k_b{}, {4, 4, 8}));

// An asynchronous schedule by its order alone; it gets slots and a period.
template <class Base>
struct order_only {
  static constexpr char const* name = "order_only";
  static constexpr bool asynchronous = Base::asynchronous;

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    auto const strip = [&](int rank, op o) {
      o.slot = -1;
      o.lane = 0;
      sink(rank, o);
    };
    Base{}.emit(e, strip);
  }
};

struct stuck {
  static constexpr char const* name = "stuck";
  static constexpr bool asynchronous = true;

  // Stage 0 wants the gradient of microbatch 0 before it runs forward 1; stage 1 wants forward 1 before it gives that.
  template <class Sink>
  constexpr void emit(extent, Sink& sink) const {
    using enum op_kind;
    for (op_kind const kind : {F, BW, U}) sink(0, op{.kind = kind, .stage = 0, .microbatch = 0});
    sink(1, op{.kind = F, .stage = 1, .microbatch = 0});
    sink(1, op{.kind = BW, .stage = 1, .microbatch = -1});
    sink(1, op{.kind = U, .stage = 1, .microbatch = -1});
  }
};

struct astray : gpipe {
  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    sink(e.ranks, op{});
  }
};

}  // namespace

// One slot an op: GPipe and 1F1B take 2(N + R - 1) of them, no pipelining 2SN; asynchronous periods are full.
static_assert(period(gpipe{}, {4, 4, 8}) == 22 && period(one_f_one_b{}, {4, 4, 8}) == 22);
static_assert(period(one_f_one_b{}, {3, 3, 4}) == 12);
static_assert(period(sequential{}, {4, 4, 8}) == 64 && period(sequential{}, {4, 1, 8}) == 64);
static_assert(period(async_1f1b{}, {4, 4, 8}) == 16 && period(pipemare{}, {4, 4, 8}) == 8);

TEST_CASE("lists of the synchronous schedules") {
  CHECK(listed(gpipe{}, {2, 2, 3}) == "F0 F1 F2 B0 B1 B2 U2\nF0 F1 F2 B0 B1 B2 U2\n");
  CHECK(listed(sequential{}, {2, 2, 2}) == "F0 B0 F1 B1 U1\nF0 B0 F1 B1 U1\n");
  CHECK(listed(one_f_one_b{}, {4, 4, 8}) ==
        "F0 F1 F2 F3 B0 F4 B1 F5 B2 F6 B3 F7 B4 B5 B6 B7 U7\n"
        "F0 F1 F2 B0 F3 B1 F4 B2 F5 B3 F6 B4 F7 B5 B6 B7 U7\n"
        "F0 F1 B0 F2 B1 F3 B2 F4 B3 F5 B4 F6 B5 F7 B6 B7 U7\n"
        "F0 B0 F1 B1 F2 B2 F3 B3 F4 B4 F5 B5 F6 B6 F7 B7 U7\n");
  CHECK(listed(one_f_one_b{}, {4, 4, 2}) == "F0 F1 B0 B1 U1\nF0 F1 B0 B1 U1\nF0 F1 B0 B1 U1\nF0 B0 F1 B1 U1\n");
}

TEST_CASE("a rank with several stages runs them as one unit") {
  CHECK(listed(one_f_one_b{}, {5, 2, 2}) ==
        "F0.0 F1.0 F2.0 F0.1 F1.1 F2.1 B2.0 B1.0 B0.0 B2.1 U2.1 B1.1 U1.1 B0.1 U0.1\n"
        "F3.0 F4.0 B4.0 B3.0 F3.1 F4.1 B4.1 U4.1 B3.1 U3.1\n");
}

TEST_CASE("asynchronous lists fill up, run, and drain") {
  program p = generate(pipemare{}, {2, 2, 2});
  CHECK(grid(p.view(), 2) ==
        "F0       F1       F2       F3+B0    B1+U1    B2       B3+U3\n"
        ".        F0       F1+B0    F2+B1+U1 F3+B2    B3+U3    .\n");
  program q = generate(async_1f1b{}, {2, 2, 2});
  CHECK(grid(q.view(), 2) ==
        "F0    .     F1    B0    F2    B1+U1 F3    B2    .     B3+U3\n"
        ".     F0    B0    F1    B1+U1 F2    B2    F3    B3+U3 .\n");
}

TEST_CASE("injected delays reach the program, padded with 0") {
  program p = generate(injected{{3, 1}}, {3, 1, 2});
  std::vector<int> const delays(p.view().delays.begin(), p.view().delays.end());
  CHECK(delays == std::vector<int>{3, 1, 0});
  CHECK(lists(p.view()) == "F0.0 F1.0 F2.0 B2.0 B1.0 B0.0 F0.1 F1.1 F2.1 B2.1 U2.1 B1.1 U1.1 B0.1 U0.1\n");
  program spread = generate(injected{{3, 1}}, {3, 2, 2});
  CHECK(lists(spread.view()) ==
        "F0.0 F1.0 B1.0 B0.0 F0.1 F1.1 B1.1 U1.1 B0.1 U0.1\n"
        "F2.0 B2.0 F2.1 B2.1 U2.1\n");
}

TEST_CASE("what cannot be generated is refused with a sentence") {
  CHECK_THROWS_WITH(generate(gpipe{}, {3, 4, 8}), Catch::Contains("3 stages on 4 ranks"));
  CHECK_THROWS_WITH(generate(gpipe{}, {3, 3, 0}), Catch::Contains("0 microbatches"));
  CHECK_THROWS_WITH(generate(injected{{1, 2, 3}}, {2, 1, 1}), Catch::Contains("3 delays") && Catch::Contains("2 stages"));
  CHECK_THROWS_WITH(generate(injected{{-1}}, {2, 1, 1}), Catch::Contains("delay of -1"));
  CHECK_THROWS_WITH(generate(astray{}, {2, 2, 1}), Catch::Contains("rank 2") && Catch::Contains("ranks 0 to 1"));
}

TEST_CASE("a program with its own slots keeps them") {
  program p(extent{1, 1, 1}, 0, false);
  p(0, {.kind = op_kind::F, .slot = 0});
  p(0, {.kind = op_kind::BW, .slot = 5});
  p(0, {.kind = op_kind::U, .slot = 7});
  time(p);
  CHECK(p.view().rank(0)[1].slot == 5);
  CHECK(p.period() == 8);
  CHECK(prove(p.view()));
}

TEST_CASE("an asynchronous schedule without slots repeats in the shortest period") {
  for (extent const e : {extent{1, 1, 1}, {2, 2, 1}, {4, 4, 1}, {4, 4, 3}, {5, 2, 3}, {6, 6, 2}}) {
    INFO(e.stages << " stages, " << e.ranks << " ranks, " << e.microbatches << " microbatches");
    program given = generate(async_1f1b{}, e), found = generate(order_only<async_1f1b>{}, e);
    CHECK(text(prove(found.view())) == text(verdict{}));
    CHECK(found.period() == 2 * e.microbatches * ((e.stages + e.ranks - 1) / e.ranks));
    if (e.stages != e.ranks) continue;
    analysis const a = analyse(given.view()), b = analyse(found.view());
    CHECK(a.period == b.period);
    for (int s = 0; s < e.stages; ++s) {
      auto const i = static_cast<std::size_t>(s);
      CHECK(a.stage[i].delay == b.stage[i].delay);
      CHECK(a.stage[i].saved_peak == b.stage[i].saved_peak);
    }
  }
}

TEST_CASE("an asynchronous schedule that deadlocks is refused by its order") {
  verdict const v = proof(stuck{}, {2, 2, 1});
  CHECK(v.what == flaw::deadlock);
  CHECK_THAT(text(v), Catch::Contains("BW(stage 0, microbatch 0) on rank 0") && Catch::Contains("F(stage 1, microbatch 1)"));
}
