// From a traced run on one thread to a plan, and a planned model in training.
#include <foal/schedule/cost/measured_items.hpp>

#include <catch2/catch.hpp>

#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/model/planned.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/listed.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

struct planned_net : stages<input<test::mlp_inputs>, linear<8>, relu, linear<8>, relu, linear<test::mlp_classes>> {};
using plan_type = planned<planned_net, 2, 8, 4, schedule::one_f_one_b{}, schedule::gpipe{}>;

}  // namespace

TEST_CASE("a planned model trains with the planned schedule") {
  using planned_trainer = trainer<plan_type::model, loss::cross_entropy, plan_type::schedule_type>;
  planned_trainer t({.microbatch_size = plan_type::microbatch_size,
                     .microbatches = plan_type::microbatches,
                     .schedule = plan_type::schedule});
  CHECK(t.run(test::stream{.samples = plan_type::microbatch_size}, {.minibatches = 3}).microbatches ==
        3 * plan_type::microbatches);
}

TEST_CASE("a trace of one thread gives the planner its costs") {
  trainer<planned_net, loss::cross_entropy, schedule::sequential> t({.microbatch_size = 2, .microbatches = 4});
  report::trace traces(1, 1000);
  t.run(test::stream{.samples = 2}, {.minibatches = 3, .traces = &traces});
  auto const items = schedule::measured_items(traces.spans(), stage_count<planned_net>, 2);
  REQUIRE(items.size() == 3);
  for (schedule::plan_item const& i : items) CHECK(i.backward == i.weight);
  schedule::plan_candidate const list[] = {schedule::candidate_of<schedule::gpipe{}>(),
                                           schedule::candidate_of<schedule::one_f_one_b{}>()};
  auto const found = schedule::plan({.items = items, .ranks = 2, .minibatch = 8}, list);
  CHECK(found.best.group.size() == 3);
}

TEST_CASE("a plan is a program that trains, grouped as it says, to the bits of sequential") {
  auto const weights = [](auto schedule, int ranks) {
    using run = trainer<planned_net, loss::cross_entropy, decltype(schedule)>;
    typename run::config c{.microbatch_size = 2, .microbatches = 4, .workers = ranks, .ranks = ranks};
    c.schedule = std::move(schedule);
    run t(c);
    t.run(test::stream{.samples = 2}, {.minibatches = 5});
    return t.all_weights();
  };
  std::vector<schedule::plan_item> const items{{}, {.forward = 4, .backward = 4, .weight = 4}, {}};
  schedule::plan_candidate const list[] = {schedule::candidate_of<schedule::one_f_one_b{}>()};
  schedule::plan_problem p{
      .items = items, .ranks = 2, .minibatch = 8, .microbatches = 4, .recompute = false, .replicas = false};
  auto const found = schedule::plan(p, list);
  REQUIRE((found.best.group == std::vector<int>{0, 1, 1} || found.best.group == std::vector<int>{0, 0, 1}));
  schedule::program made = schedule::program_of(found.best, p, list);
  std::vector<int> const ranks = schedule::ranks_of(made.view());
  CHECK(ranks == found.best.group);
  CHECK(weights(schedule::listed{made}, 2) == weights(schedule::sequential{}, 1));
  CHECK_THROWS_WITH(schedule::program_of(schedule::plan_choice{}, p, list),
                    "cannot make a program of choice -1 among 1 candidates for 3 items, because it is none of a plan for "
                    "these; give what plan() was asked and what it found");
}
