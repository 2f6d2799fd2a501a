// The proof accepts the built-in schedules and refuses broken lists, naming both ops.
#include <algorithm>
#include <climits>
#include <type_traits>

#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/proof/channel.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>

using namespace foal::schedule;

namespace {

constexpr op_kind F = op_kind::F, B = op_kind::B, W = op_kind::W, BW = op_kind::BW, U = op_kind::U, R = op_kind::R;

constexpr op of(op_kind kind, int stage, int microbatch) { return {.kind = kind, .stage = stage, .microbatch = microbatch}; }

// Two stages on two ranks, two microbatches; slots as messages would give them.
constexpr program two_ranks(std::initializer_list<op> rank0, std::initializer_list<op> rank1) {
  program p({2, 2, 2}, 0, false);
  for (op const& o : rank0) p(0, o);
  for (op const& o : rank1) p(1, o);
  time(p);
  return p;
}

constexpr verdict cyclic() {
  return prove(two_ranks({of(F, 0, 0), of(BW, 0, 0), of(F, 0, 1), of(BW, 0, 1)},
                         {of(F, 1, 0), of(F, 1, 1), of(BW, 1, 0), of(BW, 1, 1)})
                   .view());
}

constexpr program good() {
  return two_ranks({of(F, 0, 0), of(F, 0, 1), of(BW, 0, 0), of(BW, 0, 1), of(U, 0, 1)},
                   {of(F, 1, 0), of(BW, 1, 0), of(F, 1, 1), of(BW, 1, 1), of(U, 1, 1)});
}

// `good` with one op changed after its slots were given.
template <class Change>
verdict broken(int rank, std::size_t index, Change change) {
  program p = good();
  change(p.list(rank)[index]);
  return prove(p.view());
}

bool names(verdict const& v, flaw what, op const& first, op const& second) {
  auto const same = [](op const& a, op const& b) {
    return a.kind == b.kind && a.stage == b.stage && a.microbatch == b.microbatch;
  };
  INFO(text(v));
  CHECK(v.what == what);
  CHECK(text(v).find(text(first, first.stage)) != std::string::npos);
  CHECK(text(v).find(text(second, second.stage)) != std::string::npos);
  return !v && same(v.first, first) && same(v.second, second) && v.first_rank == first.stage &&
         v.second_rank == second.stage;
}

}  // namespace

// A list whose ranks wait for each other is refused with the op at which each of them is stuck.
static_assert(cyclic().what == flaw::deadlock && cyclic().found == 2);
static_assert(cyclic().first == of(BW, 0, 0) && cyclic().first_rank == 0);
static_assert(cyclic().second == of(F, 1, 1) && cyclic().second_rank == 1);
constexpr verdict accepted() { return prove(good().view()); }
static_assert(accepted());
static_assert(std::is_empty_v<checked<accepted()>>);

TEST_CASE("the built-in schedules are proved for many shapes") {
  for (int stages = 1; stages <= 9; ++stages) {
    for (int ranks = 1; ranks <= stages; ++ranks) {
      for (int n : {1, 2, 3, 4, 7, 16}) {
        extent const e{stages, ranks, n};
        INFO(stages << " stages, " << ranks << " ranks, " << n << " microbatches");
        CHECK(text(proof(sequential{}, e)) == text(verdict{}));
        CHECK(text(proof(gpipe{}, e)) == text(verdict{}));
        CHECK(text(proof(one_f_one_b{}, e)) == text(verdict{}));
        CHECK(text(proof(async_1f1b{}, e)) == text(verdict{}));
        CHECK(text(proof(pipemare{}, e)) == text(verdict{}));
        CHECK(text(proof(injected{{1}}, e)) == text(verdict{}));
      }
    }
  }
}

TEST_CASE("a deadlock is told in one sentence") {
  CHECK(text(cyclic()) ==
        "cannot run BW(stage 0, microbatch 0) on rank 0, because it waits for an op that its rank reaches only after "
        "F(stage 1, microbatch 1) on rank 1, and that waits for rank 0 in turn (2 ranks wait in a circle); list one of them "
        "later");
}

TEST_CASE("a missing op") {
  verdict v = prove(two_ranks({of(F, 0, 0), of(F, 0, 1), of(BW, 0, 0), of(U, 0, 1)},
                              {of(F, 1, 0), of(BW, 1, 0), of(F, 1, 1), of(BW, 1, 1), of(U, 1, 1)})
                        .view());
  CHECK(names(v, flaw::missing, of(BW, 0, 1), of(F, 0, 1)));
  v = prove(two_ranks({of(F, 0, 0), of(F, 0, 1), of(BW, 0, 0), of(B, 0, 1), of(U, 0, 1)},
                      {of(F, 1, 0), of(BW, 1, 0), of(F, 1, 1), of(BW, 1, 1), of(U, 1, 1)})
                .view());
  CHECK(names(v, flaw::missing, of(W, 0, 1), of(F, 0, 1)));
  v = prove(two_ranks({of(F, 0, 0), of(F, 0, 1), of(BW, 0, 0), of(BW, 0, 1)},
                      {of(F, 1, 0), of(BW, 1, 0), of(F, 1, 1), of(BW, 1, 1), of(U, 1, 1)})
                .view());
  CHECK(names(v, flaw::missing, of(U, 0, 1), of(BW, 0, 1)));
}

TEST_CASE("an op listed twice") {
  CHECK(names(broken(0, 1, [](op& o) { o.microbatch = 0; }), flaw::twice, of(F, 0, 0), of(F, 0, 0)));
  verdict const v = prove(two_ranks({of(F, 0, 0), of(F, 0, 1), of(BW, 0, 0), of(BW, 0, 1), of(W, 0, 1), of(U, 0, 1)},
                                    {of(F, 1, 0), of(BW, 1, 0), of(F, 1, 1), of(BW, 1, 1), of(U, 1, 1)})
                              .view());
  CHECK(names(v, flaw::twice, of(BW, 0, 1), of(W, 0, 1)));
}

TEST_CASE("a stage on two ranks") {
  verdict const v = prove(two_ranks({of(F, 0, 0), of(F, 0, 1), of(BW, 0, 0), of(BW, 0, 1), of(U, 0, 1)},
                                    {of(F, 1, 0), of(BW, 1, 0), of(F, 1, 1), of(BW, 1, 1), of(U, 0, 1)})
                              .view());
  CHECK(v.what == flaw::placement);
  CHECK(text(v).find("U(stage 0, microbatch 1) on rank 1") != std::string::npos);
  CHECK(text(v).find("F(stage 0, microbatch 0) on rank 0") != std::string::npos);
}

TEST_CASE("an op before its input") {
  // Slots of `good`: rank 0 F0 0, F1 1, BW0 3, BW1 5; rank 1 F0 1, BW0 2, F1 3, BW1 4.
  CHECK(names(broken(1, 0, [](op& o) { o.slot = 0; }), flaw::dependency, of(F, 1, 0), of(F, 0, 0)));
  CHECK(names(broken(0, 2, [](op& o) { o.slot = 2; }), flaw::dependency, of(BW, 0, 0), of(BW, 1, 0)));
  verdict const v = prove(two_ranks({of(BW, 0, 0), of(F, 0, 0), of(F, 0, 1), of(BW, 0, 1), of(U, 0, 1)},
                                    {of(F, 1, 0), of(BW, 1, 0), of(F, 1, 1), of(BW, 1, 1), of(U, 1, 1)})
                              .view());
  CHECK(names(v, flaw::dependency, of(BW, 0, 0), of(F, 0, 0)));
}

TEST_CASE("W before B, and R outside F and B") {
  auto const slots = [](int b, int w, int r) {
    program p({1, 1, 1}, 8, false);
    std::vector<op> ops{{.kind = F, .slot = 1}, {.kind = B, .slot = b}, {.kind = W, .slot = w}, {.kind = R, .slot = r}};
    std::sort(ops.begin(), ops.end(), [](op const& x, op const& y) { return x.slot < y.slot; });
    for (op const& o : ops) p(0, o);
    p(0, {.kind = U, .slot = 7});
    return prove(p.view());
  };
  CHECK(slots(3, 4, 2));
  CHECK(names(slots(4, 3, 2), flaw::dependency, of(W, 0, 0), of(B, 0, 0)));
  CHECK(names(slots(3, 4, 0), flaw::dependency, of(R, 0, 0), of(F, 0, 0)));
  CHECK(names(slots(3, 4, 5), flaw::dependency, of(B, 0, 0), of(R, 0, 0)));
}

TEST_CASE("a list that contradicts its slots, or leaves its period") {
  CHECK(names(broken(0, 0, [](op& o) { o.slot = 2; }), flaw::order, of(F, 0, 0), of(F, 0, 1)));
  CHECK(names(broken(0, 1, [](op& o) { o.slot = 0; }), flaw::order, of(F, 0, 0), of(F, 0, 1)));
  verdict const v = broken(0, 4, [](op& o) { o.slot = 6; });
  CHECK(v.what == flaw::slot);
  CHECK(text(v).find("slot 6 is not in the period of 6 slots") != std::string::npos);
}

TEST_CASE("an update on the wrong side of a gradient") {
  verdict v = prove(two_ranks({of(F, 0, 0), of(F, 0, 1), of(BW, 0, 0), of(U, 0, 1), of(BW, 0, 1)},
                              {of(F, 1, 0), of(BW, 1, 0), of(F, 1, 1), of(BW, 1, 1), of(U, 1, 1)})
                        .view());
  CHECK(names(v, flaw::update, of(U, 0, 1), of(BW, 0, 1)));

  // In an asynchronous program U of a minibatch must also come before the next one's gradients; here it is a slot late.
  program p({1, 1, 2}, 4, true);
  p(0, {.kind = F, .microbatch = 0, .slot = 0});
  p(0, {.kind = BW, .microbatch = -1, .slot = 1});
  p(0, {.kind = F, .microbatch = 1, .slot = 2});
  p(0, {.kind = BW, .microbatch = 0, .slot = 3});
  p(0, {.kind = U, .microbatch = -1, .slot = 3, .lane = 1});
  CHECK(names(prove(p.view()), flaw::update, of(U, 0, -1), of(BW, 0, 0)));

  // Beside a forward of its stage, U runs after it.
  program q({1, 1, 1}, 1, true);
  q(0, {.kind = BW, .microbatch = -1, .slot = 0});
  q(0, {.kind = U, .microbatch = -1, .slot = 0, .lane = 1});
  q(0, {.kind = F, .microbatch = 0, .slot = 0, .lane = 2});
  CHECK(names(prove(q.view()), flaw::update, of(U, 0, -1), of(F, 0, 0)));
}

TEST_CASE("messages that are taken in another order than they are sent") {
  verdict v = prove(two_ranks({of(F, 0, 0), of(F, 0, 1), of(BW, 0, 0), of(BW, 0, 1), of(U, 0, 1)},
                              {of(F, 1, 1), of(F, 1, 0), of(BW, 1, 0), of(BW, 1, 1), of(U, 1, 1)})
                        .view());
  CHECK(names(v, flaw::fifo, of(F, 1, 1), of(F, 0, 0)));
  v = prove(two_ranks({of(F, 0, 0), of(F, 0, 1), of(BW, 0, 1), of(BW, 0, 0), of(U, 0, 1)},
                      {of(F, 1, 0), of(F, 1, 1), of(BW, 1, 0), of(BW, 1, 1), of(U, 1, 1)})
                .view());
  CHECK(names(v, flaw::fifo, of(BW, 0, 1), of(BW, 1, 0)));
  // Both ends in the same order is fine, whichever it is.
  CHECK(prove(two_ranks({of(F, 0, 0), of(F, 0, 1), of(BW, 0, 1), of(BW, 0, 0), of(U, 0, 1)},
                        {of(F, 1, 0), of(F, 1, 1), of(BW, 1, 1), of(BW, 1, 0), of(U, 1, 1)})
                  .view()));
}

TEST_CASE("numbers that a program cannot have") {
  CHECK(broken(0, 0, [](op& o) { o.stage = 2; }).what == flaw::range);
  CHECK(broken(0, 0, [](op& o) { o.stage = -1; }).what == flaw::range);
  CHECK(broken(0, 0, [](op& o) { o.microbatch = 2; }).what == flaw::range);
  CHECK(broken(0, 0, [](op& o) { o.microbatch = -2; }).what == flaw::range);
  CHECK(broken(0, 4, [](op& o) { o.microbatch = 0; }).what == flaw::range);
  CHECK(broken(0, 0, [](op& o) { o.kind = op_kind::G; }).what == flaw::unknown);
  CHECK(broken(0, 0, [](op& o) { o.replica = 1; }).what == flaw::unknown);
  CHECK(prove(program_view{}).what == flaw::size);
  program p({1, 1, 1}, 2, true);
  p(0, {.kind = F});
  p(0, {.kind = BW});
  p(0, {.kind = U});
  CHECK(prove(p.view()).what == flaw::untimed);
}

namespace {

// Three stages, a rank each, one microbatch; stages 0 and 1 are recomputed together.
struct three {
  op f0{.kind = F, .stage = 0, .slot = 0}, f1{.kind = F, .stage = 1, .slot = 1}, f2{.kind = F, .stage = 2, .slot = 2};
  op r0{.kind = R, .stage = 0, .slot = 2}, r1{.kind = R, .stage = 1, .slot = 3};
  op b2{.kind = BW, .stage = 2, .slot = 3}, b1{.kind = BW, .stage = 1, .slot = 4}, b0{.kind = BW, .stage = 0, .slot = 5};
  std::vector<int> heads{0, 0, -1};

  verdict proved() const {
    program p({3, 3, 1}, 8, false);
    for (op const& o : {f0, r0, b0}) p(0, o);
    for (op const& o : {f1, r1, b1}) p(1, o);
    for (op const& o : {f2, b2}) p(2, o);
    for (int s = 0; s < 3; ++s) p(s, {.kind = U, .stage = s, .slot = 7});
    p.recompute(heads);
    return prove(p.view());
  }
};

void refused(verdict const& v, flaw what, char const* a, char const* b = "") {
  INFO(text(v));
  CHECK(v.what == what);
  CHECK_THAT(text(v), Catch::Contains(a) && Catch::Contains(b));
}

}  // namespace

TEST_CASE("a broken recomputation is refused with both ops") {
  CHECK(text(three{}.proved()) == text(verdict{}));
  three x;
  x.r0.slot = 4, x.b0.slot = 6;
  refused(x.proved(), flaw::dependency, "R(stage 1, microbatch 0) on rank 1", "R(stage 0, microbatch 0) on rank 0");
  x.heads = {0, 1, -1};  // each from an input of its own
  CHECK(text(x.proved()) == text(verdict{}));
  x.heads.clear();
  CHECK(text(x.proved()) == text(verdict{}));
  x = {};
  x.r1 = {.kind = R, .stage = 1, .slot = 4};
  x.b1.slot = 4, x.b1.lane = 1, x.b0.slot = 5;
  CHECK(text(x.proved()) == text(verdict{}));
  x.heads = {0, -1, -1};
  refused(x.proved(), flaw::unwanted, "R(stage 1, microbatch 0) on rank 1", "it is not recomputed");
  x.heads = {0, 0, 0};
  refused(x.proved(), flaw::missing, "R(stage 2, microbatch 0) on rank 2", "BW(stage 2, microbatch 0)");
  x.heads = {0, 0, 1};
  refused(x.proved(), flaw::group, "stage 2 in a segment that begins at stage 1");
  x.heads = {1, 1, -1};
  refused(x.proved(), flaw::group, "stage 0 in a segment that begins at stage 1");
  x.heads = {0, 0};
  refused(x.proved(), flaw::entries, "2 entries for 3 stages");
}

TEST_CASE("an update beside R comes after it") {
  auto const with_lanes = [](int r, int u) {
    program p({2, 1, 1}, 2, true);
    std::vector<op> first{{.kind = BW, .stage = 1, .microbatch = 0, .slot = 0, .lane = 2},
                          {.kind = U, .stage = 1, .microbatch = 0, .slot = 0, .lane = 3},
                          {.kind = BW, .stage = 0, .microbatch = -1, .slot = 0, .lane = 4}};
    p(0, {.kind = F, .stage = 0, .slot = 0, .lane = 0});
    p(0, {.kind = F, .stage = 1, .slot = 0, .lane = 1});
    for (op const& o : first) p(0, o);
    std::vector<op> last{{.kind = R, .stage = 0, .microbatch = 0, .slot = 1, .lane = r},
                         {.kind = U, .stage = 0, .microbatch = -1, .slot = 1, .lane = u}};
    if (r > u) std::swap(last[0], last[1]);
    for (op const& o : last) p(0, o);
    p.recompute({0, -1});
    return prove(p.view());
  };
  CHECK(text(with_lanes(0, 1)) == text(verdict{}));
  refused(with_lanes(1, 0), flaw::update, "U(stage 0, microbatch -1) on rank 0", "R(stage 0, microbatch 0)");
}

TEST_CASE("R's of a recompute group are taken in the order in which they are sent") {
  program p = generate(recomputed<gpipe>{.segment = 2}, {3, 3, 2});
  REQUIRE(prove(p.view()));
  // Both R's of stage 0 run before both of stage 1, in another order than those.
  program q({3, 3, 2}, 0, false);
  for (int r = 0; r < 3; ++r) {
    for (op o : p.view().rank(r)) {
      o.slot = -1;
      if (r == 1 && o.kind == R) continue;
      if (r == 1 && o.kind == BW && o.microbatch == 0) {
        q(1, {.kind = R, .stage = 1, .microbatch = 1});
        q(1, {.kind = R, .stage = 1, .microbatch = 0});
      }
      if (r == 0 && o.kind == R) continue;
      if (r == 0 && o.kind == BW && o.microbatch == 0) {
        q(0, {.kind = R, .stage = 0, .microbatch = 0});
        q(0, {.kind = R, .stage = 0, .microbatch = 1});
      }
      q(r, o);
    }
  }
  q.recompute({0, 0, -1});
  time(q);
  refused(prove(q.view()), flaw::fifo, "R(stage 1, microbatch 1) on rank 1", "R(stage 0, microbatch 0) on rank 0");
}

TEST_CASE("a deadlock over R is found") {
  auto const lists_of = [](std::initializer_list<op> rank0, std::initializer_list<op> rank1) {
    program p({3, 3, 2}, 0, false);
    for (op const& o : rank0) p(0, o);
    for (op const& o : rank1) p(1, o);
    for (int m : {0, 1}) p(2, {.kind = F, .stage = 2, .microbatch = m});
    for (int m : {0, 1}) p(2, {.kind = BW, .stage = 2, .microbatch = m});
    for (int s : {0, 1, 2}) p(s, {.kind = U, .stage = s, .microbatch = 1});
    p.recompute({0, 0, -1});
    time(p);
    return prove(p.view());
  };
  auto const one_by_one = {of(F, 0, 0), of(F, 0, 1), of(R, 0, 0), of(BW, 0, 0), of(R, 0, 1), of(BW, 0, 1)};
  CHECK(text(lists_of(one_by_one, {of(F, 1, 0), of(F, 1, 1), of(R, 1, 0), of(BW, 1, 0), of(R, 1, 1), of(BW, 1, 1)})) ==
        text(verdict{}));
  // Stage 1 wants R of microbatch 1 before it gives the gradient that stage 0 runs before that R.
  refused(lists_of(one_by_one, {of(F, 1, 0), of(F, 1, 1), of(R, 1, 0), of(R, 1, 1), of(BW, 1, 0), of(BW, 1, 1)}),
          flaw::deadlock, "BW(stage 0, microbatch 0) on rank 0", "R(stage 1, microbatch 1) on rank 1");
  refused(lists_of({of(F, 0, 0), of(F, 0, 1), of(BW, 0, 0), of(R, 0, 0), of(R, 0, 1), of(BW, 0, 1)},
                   {of(F, 1, 0), of(F, 1, 1), of(R, 1, 0), of(BW, 1, 0), of(R, 1, 1), of(BW, 1, 1)}),
          flaw::dependency, "BW(stage 0, microbatch 0) on rank 0", "R(stage 0, microbatch 0)");
}

namespace {

// A view of lists as they may come out of a file: no number is checked on the way.
struct raw {
  extent size{2, 2, 2};
  int period = 0;
  bool asynchronous = false, inference = false;
  std::vector<op> ops{of(F, 0, 0), of(F, 0, 1),  of(BW, 0, 0), of(BW, 0, 1), of(U, 0, 1),
                      of(F, 1, 0), of(BW, 1, 0), of(F, 1, 1),  of(BW, 1, 1), of(U, 1, 1)};
  std::vector<int> begin{0, 5, 10};
  std::vector<int> delays{}, recompute{};
  std::vector<gradients> wants{};

  constexpr program_view view() const {
    return {size, period, asynchronous, ops, begin, delays, recompute, wants, inference};
  }
  constexpr verdict proved() const { return prove(view()); }
};

constexpr flaw with_op(op const& o) {
  raw r;
  r.ops[0] = o;
  return r.proved().what;
}

constexpr flaw asynchronous_op(op const& o, int period = 2) {
  raw r{.size = {1, 1, 1}, .period = period, .asynchronous = true};
  r.ops = {{.kind = F}, {.kind = BW, .slot = 1}, {.kind = U, .slot = 1, .lane = 1}};
  r.ops[0].slot = 0;
  r.ops.push_back(o);
  r.begin = {0, 4};
  return r.proved().what;
}

constexpr flaw with_period(int period) {
  raw r{.size = {1, 1, 1}, .period = period, .asynchronous = true};
  r.ops = {{.kind = F, .slot = 0}, {.kind = BW, .microbatch = -3, .slot = 1}, {.kind = U, .microbatch = -3, .slot = 1}};
  r.ops[2].lane = 1;
  r.begin = {0, 3};
  return r.proved().what;
}

constexpr flaw recomputed_without_backward() {
  raw r{.size = {2, 2, 1}};
  r.ops = {of(F, 0, 0), of(F, 1, 0), of(BW, 1, 0), of(U, 1, 0)};
  r.begin = {0, 1, 4};
  r.wants = {gradients::none, gradients::both};
  r.recompute = {0, -1};
  return r.proved().what;
}

}  // namespace

// The compiler is the strictest checker of indices and of overflow: what follows would not be constants.
static_assert(raw{}.proved());
static_assert(with_op({.kind = static_cast<op_kind>(200)}) == flaw::unknown);
static_assert(with_op({.stage = INT_MAX}) == flaw::range && with_op({.stage = INT_MIN}) == flaw::range);
static_assert(with_op({.microbatch = INT_MIN}) == flaw::range && with_op({.microbatch = INT_MAX}) == flaw::range);
static_assert(with_op({.slot = INT_MAX}) == flaw::late && with_op({.lane = INT_MIN}) == flaw::none);
static_assert(with_op({.replica = INT_MIN}) == flaw::unknown && with_op({.segment = -1}) == flaw::unknown);
static_assert(asynchronous_op({.kind = F, .microbatch = INT_MIN, .slot = 0}) == flaw::depth);
static_assert(asynchronous_op({.kind = F, .microbatch = INT_MIN, .slot = INT_MAX}) == flaw::depth);
static_assert(asynchronous_op({.kind = F, .microbatch = -9999, .slot = 0}, INT_MAX) == flaw::late);
static_assert(with_period(2) == flaw::none && with_period(0) == flaw::slot && with_period(INT_MIN) == flaw::late);
static_assert(with_period(INT_MAX) == flaw::late && with_period(1 << 28) == flaw::late);
static_assert(asynchronous_op({.kind = F, .microbatch = -3, .slot = INT_MIN}) == flaw::twice);
static_assert(recomputed_without_backward() == flaw::useless);

TEST_CASE("a list of ops that no schedule would emit gets a verdict, not an index out of range") {
  SECTION("offsets that are none") {
    for (std::vector<int> const& begin :
         {std::vector<int>{0, 5}, {0, 5, 11}, {0, 11, 10}, {1, 5, 10}, {0, -1, 10}, {0, 5, 9}, {INT_MIN, INT_MAX, 10}, {}}) {
      raw r;
      r.begin = begin;
      verdict const v = r.proved();
      CHECK((v.what == flaw::lists || v.what == flaw::size));
      CHECK_THAT(text(v), Catch::Contains("cannot "));
    }
  }
  SECTION("sizes that are none, or have no ops") {
    for (extent const e : {extent{0, 0, 0}, {-1, -1, 1}, {INT_MIN, 1, 1}, {1, INT_MAX, 1}, {2, 2, 0}, {2, 2, INT_MIN}}) {
      raw r{.size = e};
      CHECK(r.proved().what == flaw::size);
      CHECK_THROWS_AS(program(e, 0, false), foal::error);
    }
    raw r{.size = {1 << 28, 2, 2}};
    CHECK_THAT(text(r.proved()), Catch::Contains("F(stage 2, microbatch 0) on rank 0 is in no list"));
    program p({1 << 20, 1 << 10, 1 << 20}, 0, false);
    time(p);
    CHECK(prove(p.view()).what == flaw::missing);
  }
  SECTION("entries per stage") {
    raw r;
    r.delays = {1};
    CHECK(r.proved().what == flaw::entries);
    for (int const d : {-1, INT_MIN, INT_MAX}) {
      r.delays = {0, d};
      CHECK(r.proved().what == flaw::delay);
    }
    r.delays = {3, 1};
    CHECK(r.proved());
    r.wants = {gradients::both, static_cast<gradients>(77)};
    CHECK(r.proved().what == flaw::choice);
    r.wants.clear();
    r.recompute = {INT_MIN, INT_MAX};
    CHECK(r.proved().what == flaw::group);
    raw none{.inference = true};
    none.recompute = {0, 1};
    CHECK(none.proved().what == flaw::useless);
  }
  SECTION("lists without slots that go far back") {
    raw r{.size = {1, 1, 1}, .asynchronous = true};
    r.ops = {of(F, 0, 0), of(BW, 0, -60'000), of(U, 0, -60'000)};
    r.begin = {0, 3};
    CHECK(r.proved().what == flaw::untimed);
    r.ops.resize(1000, of(F, 0, -60'000));
    r.begin = {0, 1000};
    CHECK(r.proved().what != flaw::none);
  }
  SECTION("what is not asked of a proof is refused as well") {
    raw r;
    r.ops[3].stage = 7;
    CHECK_THROWS_WITH(analyse(r.view()), Catch::Contains("its number 7"));
    CHECK_THROWS_WITH(versions(r.view()), Catch::Contains("its number 7"));
    CHECK_THROWS_WITH(replay(r.view()), Catch::Contains("its number 7"));
    CHECK_THROWS_WITH(steady_utilisation(r.view()), Catch::Contains("its number 7"));
    CHECK_THROWS_WITH(unroll(r.view(), 1), Catch::Contains("its number 7"));
    CHECK(run_bounded(r.view(), 1).what == flaw::range);
    program p({2, 2, 2}, 0, false);
    CHECK_THROWS_WITH(p.list(2), Catch::Contains("rank 2"));
    CHECK_THROWS_WITH(p.list(-1), Catch::Contains("rank -1"));
    CHECK_THROWS_WITH(p(INT_MIN, of(F, 0, 0)), Catch::Contains("to rank -2147483648"));
    CHECK_THROWS_WITH(p.slots(std::vector<int>{1}), Catch::Contains("0 ops 1 slots"));
  }
}

TEST_CASE("a rank without ops is idle and does no harm") {
  raw r{.size = {2, 2, 1}};
  r.ops = {of(F, 0, 0), of(F, 1, 0), of(BW, 1, 0), of(U, 1, 0), of(BW, 0, 0), of(U, 0, 0)};
  for (std::vector<int> const& begin : {std::vector<int>{0, 6, 6}, {0, 0, 6}}) {
    r.begin = begin;
    REQUIRE(text(r.proved()) == text(verdict{}));
    CHECK(replay(r.view()).utilisation == Approx(0.5));
    CHECK(run_bounded(r.view(), 0));
    CHECK(analyse(r.view()).stage.size() == 2);
  }
}
