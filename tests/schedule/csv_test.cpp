// Programs from and to PyTorch's CSV: what its own files say, what is refused, and training by a list.
#include <foal/schedule/csv.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/cost/overlaps.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/parse.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/listed.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

#include "tests/support/schedules.hpp"
#include "tests/support/torch_lists.hpp"

using namespace foal::schedule;

namespace {

int count(program_view v, op_kind kind) {
  return static_cast<int>(std::count_if(v.ops.begin(), v.ops.end(), [&](op const& o) { return o.kind == kind; }));
}

std::string replaced(std::string text, std::string const& what, std::string const& by) {
  std::size_t const at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), by);
}

/// Without the empty cells: where a rank is idle before an op that could have waited later, is the writer's choice.
std::string cells_of(std::string text) {
  std::string out;
  for (char const c : text)
    if (c != ',' || (!out.empty() && out.back() != ',' && out.back() != '\n')) out += c;
  return out;
}

double idle_worst(timing const& t) {
  double idle = 0;
  for (rank_time const& r : t.rank) idle = std::max(idle, r.idle);
  return idle;
}

}  // namespace

TEST_CASE("PyTorch's list of interleaved zero bubble is read and proved") {
  program p = from_csv(foal::test::torch_zb1p);
  program_view const v = p.view();
  CHECK(p.size() == extent{.stages = 4, .ranks = 2, .microbatches = 8, .placed = loop});
  CHECK(foal::schedule::text(prove(v)) == "every op runs once, in order");
  CHECK(count(v, op_kind::B) == 32);
  CHECK(count(v, op_kind::W) == 32);
  CHECK(count(v, op_kind::U) == 4);
  timing const t = replay(v);
  CHECK(t.makespan == 49);
  CHECK(idle_worst(t) == 1);
  for (rank_memory const& m : saved_over_time(v, t)) CHECK(m.peak == 4);
  CHECK(cells_of(to_csv(v)) == cells_of(foal::test::torch_zb1p));
  // Older releases write B for I.
  std::string old = foal::test::torch_zb1p;
  std::replace(old.begin(), old.end(), 'I', 'B');
  program q = from_csv(old);
  CHECK(lists(q.view()) == lists(v));
}

TEST_CASE("the list with messages is the same but for what it does not split") {
  program p = from_csv(foal::test::torch_zb1p_with_messages);
  CHECK(prove(p.view()));
  CHECK(count(p.view(), op_kind::BW) == 16);
  CHECK(count(p.view(), op_kind::B) == 16);
  CHECK(count(p.view(), op_kind::F) == 32);
}

TEST_CASE("PyTorch's list of DualPipeV is read and proved, its pairs as two ops") {
  program p = from_csv(foal::test::torch_dual_pipe_v);
  program_view const v = p.view();
  CHECK(p.size() == extent{.stages = 8, .ranks = 4, .microbatches = 10, .placed = vee});
  CHECK(foal::schedule::text(prove(v)) == "every op runs once, in order");
  CHECK(count(v, op_kind::F) == 80);
  CHECK(count(v, op_kind::BW) + count(v, op_kind::W) == 80);
  CHECK(count(v, op_kind::B) == count(v, op_kind::W));
  timing const t = replay(v);
  CHECK(t.makespan == 63);  // F's send at their own end
  CHECK(idle_worst(t) == 3);
  std::vector<char> const pairs = dual_pipe_overlaps(v);
  timing const overlapped = replay(v, {.overlaps = pairs});
  CHECK(overlapped.makespan == 66);
  CHECK(idle_worst(overlapped) == 6);
  for (rank_memory const& m : saved_over_time(v, overlapped)) CHECK(m.peak == 9);
  for (rank_memory const& m : saved_over_time(v, t)) CHECK(m.peak == 9);
  program again = from_csv(to_csv(v));
  CHECK(lists(again.view()) == lists(v));
}

TEST_CASE("a list with a deadlock is refused naming both ops") {
  program p = from_csv("0F0,0B0,0F1,0B1\n1F0,1F1,1B0,1B1\n");
  verdict const bad = prove(p.view());
  CHECK(bad.what == flaw::deadlock);
  CHECK_THAT(foal::schedule::text(bad), Catch::Contains("BW(stage 0, microbatch 0) on rank 0") &&
                                            Catch::Contains("F(stage 1, microbatch 1) on rank 1"));
  // The same by one exchange of cells in PyTorch's own file.
  program q = from_csv(replaced(foal::test::torch_zb1p, "0F0,0F1,2F0", "2F0,0F1,0F0"));
  verdict const late = prove(q.view());
  CHECK(late.what == flaw::deadlock);
  CHECK_THAT(foal::schedule::text(late),
             Catch::Contains("F(stage 2, microbatch 0) on rank 0") && Catch::Contains("F(stage 1, microbatch 0) on rank 1"));
}

TEST_CASE("a list with a lost microbatch is refused naming the op, one of another size with both") {
  program p = from_csv(replaced(foal::test::torch_dual_pipe_v, ",(5F5;2B1)OVERLAP_F_B", ",2B1"));
  CHECK_THAT(foal::schedule::text(prove(p.view())),
             Catch::Contains("F(stage 5, microbatch 5) on rank 2 is in no list; add it once"));
  program q = from_csv(replaced(foal::test::torch_zb1p, "3W5,", ""));
  CHECK_THAT(foal::schedule::text(prove(q.view())),
             Catch::Contains("W(stage 3, microbatch 5) on rank 1 is in no list; add it once"));
  CHECK_THROWS_WITH(from_csv(foal::test::torch_zb1p, 4, 9), Catch::Contains("9 microbatches by this list, because it has 4 "
                                                                            "and 8"));
  program twice = from_csv(replaced(foal::test::torch_zb1p, "3W5,", "3W5,3W5,"));
  CHECK(prove(twice.view()).what == flaw::twice);
}

TEST_CASE("messages stand where they can") {
  CHECK(prove(from_csv("0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1UNSHARD,1B0,1SEND_B0,1REDUCE_GRAD").view()));
  CHECK_THROWS_WITH(from_csv("0SEND_F0,0F0,0B0\n1F0,1B0"), Catch::Contains("cannot run 0SEND_F0 in line 1, because the "
                                                                           "forward of stage 0, microbatch 0 comes after"));
  CHECK_THROWS_WITH(from_csv("0F0,0B0,0RECV_B0\n1F0,1B0"), Catch::Contains("0RECV_B0 in line 1, because the backward"));
  CHECK_THROWS_WITH(from_csv("0F0,0B0\n1F0,1B0,1SEND_B1"), Catch::Contains("microbatch 1 is not in that line"));
}

TEST_CASE("what is written is read again") {
  auto const same = [](program p) {
    std::string const text = to_csv(p.view());
    program q = from_csv(text);
    CHECK(to_csv(q.view()) == text);
    CHECK(prove(q.view()));
    timing const a = replay(p.view()), b = replay(q.view());
    CHECK(a.makespan == b.makespan);
  };
  for (extent const e : {extent{3, 3, 4}, extent{5, 2, 3}, extent{2, 1, 1}}) {
    same(generate(gpipe{}, e));
    same(generate(one_f_one_b{}, e));
    same(generate(zb_h1{}, e));
    same(generate(recomputed<gpipe>{.segment = 1}, e));
  }
  CHECK(to_csv(generate(gpipe{}, {2, 2, 2}).view()) == "0F0,0F1,,,0B0,0B1\n,1F0,1F1,1B0,1B1\n");
  extent const two_chunks{.stages = 8, .ranks = 2, .microbatches = 3, .placed = vee.in(2)};
  CHECK(from_csv(to_csv(generate(folded<gpipe>{.placed = two_chunks.placed}, two_chunks).view())).size() == two_chunks);
  extent loop_of_two{.stages = 4, .ranks = 2, .microbatches = 4, .placed = loop};
  same(generate(folded<one_f_one_b>{}, loop_of_two));
}

TEST_CASE("text that is no such list, and programs that it cannot hold, are refused with a sentence") {
  for (char const* text : {"F0", "0F", "0", "0X0", "0F0.1", "-1F0", "0F-1", "0F99999999999", "(0F0)OVERLAP_F_B", "(0F0;0B0)",
                           "(0F0;0B0", "0SEND_F", "0F0\x1b[1m", "\xFF", "()OVERLAP_F_B;", "0SEND_X0"})
    CHECK_THROWS_WITH(from_csv(text), Catch::Contains("cannot read '") && Catch::Contains("in line 1"));
  CHECK_THROWS_WITH(from_csv(""), Catch::Contains("stages on 0 ranks"));
  CHECK_THROWS_WITH(from_csv("0F0\n0F0"), Catch::Contains("1 stages on 2 ranks"));
  CHECK_THROWS_WITH(to_csv(generate(async_1f1b{}, {2, 2, 1}).view()), Catch::Contains("whose periods overlap"));
  CHECK_THROWS_WITH(to_csv(generate(foal::test::two_way{}, foal::test::both_ways(4, 4)).view()),
                    Catch::Contains("2 replicas"));
  program often = parse("F0 B0 U0 F1 B1 U1", 1, 2);
  CHECK_THROWS_WITH(to_csv(often.view()), Catch::Contains("a stage updates once"));
}

TEST_CASE("a listed program is built for its own size alone") {
  listed const l{from_csv(foal::test::torch_zb1p)};
  CHECK(prove(generate(l, {4, 2, 8}).view()));
  CHECK_THROWS_WITH(generate(l, {4, 2, 7}),
                    Catch::Contains("with 7 microbatches by this list, because it is for 4 stages on "
                                    "2 ranks with 8 microbatches"));
  CHECK_THROWS_WITH(generate(listed{}, {4, 2, 7}), Catch::Contains("by this list"));
  CHECK_THROWS_WITH(generate(listed{parse("F0 B-1 U-1\nF0 B0 U0", 2, 1, true)}, {2, 2, 1}),
                    Catch::Contains("without a flush"));
}
