#include <foal/tried.hpp>

#include <catch2/catch.hpp>

#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/cost/planner.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

struct tried_net
    : stages<input<test::mlp_inputs>, linear<8>, relu, linear<8>, relu, linear<8>, relu, linear<test::mlp_classes>> {};

std::vector<schedule::plan_choice> choices_of(std::vector<char const*> const& names) {
  std::vector<schedule::plan_choice> all;
  for (char const* n : names)
    all.emplace_back(), all.back().candidate = 0, all.back().name = n, all.back().group = {0}, all.back().time = 0.25;
  return all;
}

}  // namespace

TEST_CASE("contenders run in turns, and the fastest by its median is taken") {
  std::string order;
  auto const all = choices_of({"a", "b", "c"});
  trial const found = tried(all, 3, [&](schedule::plan_choice const& c) {
    return [&order, name = c.name, turn = 0]() mutable {
      order += name;
      // The first turn of b is slow, and one of c: neither counts.
      double const of_b[] = {9, 2, 2, 2}, of_c[] = {1, 1, 3, 3};
      return name == "a" ? 2.5 : name == "b" ? of_b[turn++] : of_c[turn++];
    };
  });
  CHECK(order == "cbaabccbaabc");
  CHECK(found.fastest == 1);
  CHECK(found.best().name == "b");
  CHECK(found.plans[2].seconds == std::vector<double>{1, 3, 3});
  schedule::plan_problem p;
  p.minibatch = 4;
  CHECK(text_of(found, p) ==
        "  a, 1 microbatch of 4 samples, 1 chunk on each of 1 rank, 1 replica, items 0: planned 250 ms, took 2500 (2500 to "
        "2500)\n"
        "* b, 1 microbatch of 4 samples, 1 chunk on each of 1 rank, 1 replica, items 0: planned 250 ms, took 2000 (2000 to "
        "2000)\n"
        "  c, 1 microbatch of 4 samples, 1 chunk on each of 1 rank, 1 replica, items 0: planned 250 ms, took 3000 (2000 to "
        "3000)\n");
}

TEST_CASE("a contender that cannot run says why, and the others go on") {
  auto const all = choices_of({"a", "b"});
  auto const only = [](char const* can) {
    return [can](schedule::plan_choice const& c) {
      require(c.name == can, "cannot run ", c.name, " here");
      return [] { return 1.0; };
    };
  };
  trial const found = tried(all, 1, only("b"));
  CHECK(found.best().name == "b");
  CHECK(found.plans[0].refused == "cannot run a here");
  CHECK(text_of(found, {}).find("planned 250 ms, refused: cannot run a here\n") != std::string::npos);
  trial const none = tried(all, 1, only("c"));
  CHECK_THROWS_WITH(none.best(),
                    "cannot choose a plan, because none of 2 could run: cannot run a here; give contenders that can");
  CHECK_THROWS_WITH(tried(all, 0, only("b")), Catch::Contains("cannot try plans in 0 rounds"));
}

TEST_CASE("trainers try a planner's contenders, and what they choose trains to the bits of sequential") {
  std::vector<schedule::plan_item> const items(4, schedule::plan_item{});
  schedule::plan_candidate const list[] = {schedule::candidate_of<schedule::one_f_one_b{}>(),
                                           schedule::candidate_of<schedule::zb_h1{}>(),
                                           schedule::candidate_of<schedule::async_1f1b{}>()};
  schedule::plan_problem const p{.items = items,
                                 .ranks = 2,
                                 .minibatch = 8,
                                 .microbatches = 4,
                                 .recompute = false,
                                 .replicas = false,
                                 .contenders = 4,
                                 .within = 1};
  auto const found = schedule::plan(p, list);
  REQUIRE(found.contenders.size() == 4);
  auto const source = [](int samples) { return test::stream{.samples = samples}; };
  trial const done = tried<tried_net, loss::cross_entropy, optim::momentum>(found.contenders, p, list, source, 2, 3);
  for (tried_plan const& t : done.plans) {
    CHECK(t.choice.asynchronous != t.refused.empty());
    CHECK(t.seconds.size() == (t.choice.asynchronous ? 0U : 2U));
    if (t.choice.asynchronous) CHECK(t.refused.find("without a flush") != std::string::npos);
  }
  schedule::plan_choice const& best = done.best();
  schedule::plan_choice const again = schedule::choice_of(p, list, best.name, best.microbatches, best.group);
  auto const weights = [](auto schedule, int ranks) {
    using run = trainer<tried_net, loss::cross_entropy, decltype(schedule), optim::momentum>;
    typename run::config c{.microbatch_size = 2, .microbatches = 4, .workers = ranks, .ranks = ranks};
    c.schedule = std::move(schedule);
    run t(c);
    t.run(test::stream{.samples = 2}, {.minibatches = 5});
    return t.all_weights();
  };
  CHECK(weights(schedule::listed{schedule::program_of(again, p, list)}, 2) == weights(schedule::sequential{}, 1));
  CHECK_THROWS_WITH((tried<tried_net, loss::cross_entropy>(found.contenders, p, list, source, 2, 1)),
                    Catch::Contains("cannot try plans for 1 minibatches"));
}
