// Programs of finer stages: they run, take as long as what they were made of, and read the same versions.
#include <foal/schedule/rules/refined.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/cost/idle.hpp>
#include <foal/schedule/cost/staleness.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/chimera.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/replicated.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/schedule/rules/zb_v.hpp>

using namespace foal::schedule;

namespace {

/// Times of finer stages, all different, and those of their groups, of which the last one sends.
struct both_times {
  std::vector<stage_times> fine, coarse;

  both_times(std::vector<int> const& group, int stages)
      : coarse(static_cast<std::size_t>(stages), {0, 0, 0, 0, 0, 0, 0, 0}) {
    for (std::size_t i = 0; i < group.size(); ++i) {
      double const x = 1.0 + static_cast<double>(i * 7 % 5);
      fine.push_back({x, 2 * x, x + 1, 3 * x + 1, x, 0.5, 0.25, x / 2});
      stage_times& sum = coarse[static_cast<std::size_t>(group[i])];
      stage_times const& f = fine.back();
      sum.forward += f.forward, sum.backward += f.backward, sum.weight += f.weight, sum.together += f.together;
      sum.recompute += f.recompute, sum.sum += f.sum, sum.update += f.update;
      sum.message = f.message;
    }
  }
};

/// Of the group's last stage alone: what goes over a wire between groups.
std::vector<stage_times> sent_by_groups(std::vector<stage_times> fine, std::vector<int> const& group) {
  // A gradient has the time of the stage that takes it, which below a group's last stage is on the same rank.
  for (std::size_t i = 0; i + 1 < group.size(); ++i)
    if (group[i] == group[i + 1]) fine[i].message = 0;
  return fine;
}

void same_as_coarse(program coarse, std::vector<int> const& group) {
  program_view const c = coarse.view();
  program fine = refined(coarse, group);
  program_view const f = fine.view();
  REQUIRE(text(prove(f)) == text(verdict{}));
  CHECK(f.size.stages == static_cast<int>(group.size()));
  std::size_t ops = 0;
  for (op const& o : c.ops) ops += static_cast<std::size_t>(std::count(group.begin(), group.end(), o.stage));
  CHECK(f.ops.size() == ops);
  both_times const t(group, c.size.stages);
  std::vector<stage_times> const fine_times = sent_by_groups(t.fine, group);
  costs const of_fine{.side_by_side = false, .stages = fine_times}, of_coarse{.side_by_side = false, .stages = t.coarse};
  CHECK(replay(f, of_fine, 3).makespan == Approx(replay(c, of_coarse, 3).makespan));
  std::vector<staleness> const s = staleness_of(f, own_versions{}), old = staleness_of(c, own_versions{});
  for (std::size_t i = 0; i < group.size(); ++i) CHECK(s[i] == old[static_cast<std::size_t>(group[i])]);
}

program of(auto const& g, int stages, int ranks, int microbatches) {
  return generate(g, extent_of(g, stages, ranks, microbatches));
}

}  // namespace

TEST_CASE("a program of finer stages takes as long, and reads what the coarse one reads", "[schedule]") {
  std::vector<int> const three{0, 0, 0, 1, 2, 2}, six{0, 1, 1, 1, 1, 2, 3, 3, 4, 5, 5};
  same_as_coarse(of(gpipe{}, 3, 3, 5), three);
  same_as_coarse(of(one_f_one_b{}, 3, 3, 5), three);
  same_as_coarse(of(zb_h1{}, 3, 3, 5), three);
  same_as_coarse(of(async_1f1b{}, 3, 3, 2), three);
  same_as_coarse(of(pipemare{}, 3, 3, 2), three);
  same_as_coarse(of(injected{.delays = {4, 2, 1}}, 3, 3, 2), three);
  same_as_coarse(of(interleaved{}, 6, 3, 6), six);
  same_as_coarse(of(zb_v{}, 6, 3, 6), six);
  same_as_coarse(of(chimera{}, 6, 6, 6), six);
  same_as_coarse(with_recomputation(of(one_f_one_b{}, 6, 6, 4), recompute_group_heads(6, 1)), six);
  same_as_coarse(with_recomputation(of(one_f_one_b{}, 6, 6, 4), recompute_group_heads(6, 2)), six);
  same_as_coarse(with_replicas(of(async_1f1b{}, 3, 3, 2), 2), three);
  same_as_coarse(with_replicas(of(one_f_one_b{}, 3, 3, 2), 2), three);
}

TEST_CASE("a rank's share is as uneven as the groups", "[schedule]") {
  program p = refined(of(one_f_one_b{}, 2, 2, 2), {0, 0, 0, 1});
  CHECK(ranks_of(p.view()) == std::vector<int>{0, 0, 0, 1});
  static_assert([] {
    program one = generate(one_f_one_b{}, {2, 2, 3});
    program fine = refined(std::move(one), {0, 1, 1, 1});
    return static_cast<bool>(prove(fine.view()));
  }());
}

TEST_CASE("groups that do not fit a program are refused", "[schedule]") {
  program const p = generate(gpipe{}, {3, 3, 2});
  for (std::vector<int> const& group : {std::vector<int>{}, {0, 1}, {0, 2, 2}, {1, 1, 2}, {0, 1, 0, 2}, {0, 1, 2, 3}})
    CHECK_THROWS_WITH(refined(p, group), Catch::Contains("cannot refine a program of 3 stages into ") &&
                                             Catch::Contains("give the groups 0 to 2 in their order"));
}
