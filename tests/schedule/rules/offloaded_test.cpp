// offloaded<any>: the schedule's ops with offloads of the stages that gain, or that are named; other rules keep them.
#include <catch2/catch.hpp>

#include <string>

#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/forward_only.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/global_norm.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/listed.hpp>
#include <foal/schedule/rules/offloaded.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/refined.hpp>
#include <foal/schedule/rules/synchronous_phase.hpp>
#include <foal/schedule/rules/two_bp.hpp>

namespace {

using namespace foal::schedule;

std::vector<int> stages_of(program p) {
  program_view const v = p.view();
  REQUIRE(prove(v));
  std::vector<int> all;
  for (offload const& x : v.offloads) all.push_back(x.stage);
  return all;
}

template <class F>
std::string refusal(F f) {
  try {
    f();
  } catch (foal::error const& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("stages that hold more than the slots take are offloaded") {
  CHECK(stages_of(generate(offloaded<pipemare>{}, {6, 6, 2})) == std::vector{0, 1, 2, 3});  // 12, 10, 8, 6 of 4
  CHECK(stages_of(generate(offloaded<one_f_one_b>{}, {6, 6, 8})) == std::vector{0, 1});
  CHECK(stages_of(generate(offloaded<one_f_one_b>{.slots = 1, .ahead = 0}, {6, 6, 8})) == std::vector{0, 1, 2, 3});
  CHECK(stages_of(generate(offloaded<gpipe>{.stages = {2}}, {4, 4, 2})) == std::vector{2});
  CHECK(refusal([] { generate(offloaded<gpipe>{}, {4, 4, 4}); }).find("holds 4 microbatches at most") != std::string::npos);
  CHECK(refusal([] { generate(offloaded<forward_only>{}, {4, 4, 4}); }).find("leave it out") != std::string::npos);
  CHECK_FALSE(refusal([] { generate(offloaded<gpipe>{.slots = 0}, {4, 4, 8}); }).empty());
  CHECK_FALSE(refusal([] { with_offloads(generate(offloaded<gpipe>{}, {4, 4, 8}), {1}); }).empty());
}

TEST_CASE("the ops are the schedule's") {
  program plain = generate(pipemare{}, {4, 4, 3}), moved = generate(offloaded<pipemare>{}, {4, 4, 3});
  program_view const a = plain.view(), b = moved.view();
  REQUIRE(a.ops.size() == b.ops.size());
  CHECK(std::equal(a.ops.begin(), a.ops.end(), b.ops.begin()));
  CHECK(std::string(offloaded<pipemare>::name) == "pipemare_offloaded");
}

TEST_CASE("other rules keep offloads, or refuse them") {
  extent const e{4, 4, 8};
  std::vector<int> const all{0, 1, 2, 3};
  CHECK(stages_of(with_global_norm(generate(offloaded<gpipe>{}, e))) == all);
  CHECK(stages_of(generate(folded<offloaded<gpipe>>{}, extent_of(folded<offloaded<gpipe>>{}, 4, 2, 8))) == all);
  CHECK(stages_of(without_backward_below(generate(offloaded<gpipe>{}, e), 1, {2})) == std::vector{1, 2, 3});
  program main = generate(offloaded<pipemare>{}, {4, 4, 8});
  CHECK(stages_of(main) == std::vector{0, 1});
  CHECK(stages_of(synchronous_phase(main.view())) == std::vector{0, 1});
  CHECK(stages_of(refined(generate(offloaded<gpipe>{.stages = {1}}, e), {0, 0, 1, 1, 2, 3})) == std::vector{2, 3});
  CHECK(refusal([&] { with_recomputation(generate(offloaded<gpipe>{}, e)); }).find("offload the program with") !=
        std::string::npos);
  program apart = generate(two_bp<offloaded<gpipe>>{}, e);  // which has W of its own
  CHECK(prove(apart.view()).what == flaw::offloader);
}
