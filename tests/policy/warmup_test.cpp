// What comes before the asynchronous phase: a policy of a user's own says with which program.
#include <foal/policy/warmup.hpp>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

/// GPipe first.
struct filled {
  using role = foal::role::warmup;
  [[maybe_unused]] static constexpr char const* name = "filled";
  long long minibatches = 0;
  static schedule::program program(schedule::program_view main) { return schedule::generate(schedule::gpipe{}, main.size); }
};
/// No warm-up at all.
struct hasty : filled {
  static schedule::program program(schedule::program_view main) {
    return schedule::generate(schedule::pipemare{}, main.size);
  }
};
/// Every stage with its neighbour's rank.
struct moving : filled {
  static schedule::program program(schedule::program_view main) {
    schedule::program const straight = schedule::generate(schedule::gpipe{}, main.size);
    schedule::program program = straight, turned(main.size, 0, false);
    for (int r = 0; r < main.size.ranks; ++r)
      for (schedule::op o : program.view().rank(r)) {
        o.slot = -1;
        turned(main.size.ranks - 1 - r, o);
      }
    return turned;
  }
};

template <class Warmup>
using run = trainer<test::mlp<3>, loss::cross_entropy, schedule::pipemare, optim::momentum, Warmup>;

template <class Warmup>
run<Warmup> made(long long minibatches, int workers = 1) {
  return run<Warmup>({.microbatch_size = 2, .microbatches = 3, .workers = workers, .warmup = {minibatches}});
}

}  // namespace

TEST_CASE("a user's warm-up trains on the program that it makes", "[warmup]") {
  auto own = made<filled>(4);
  auto t3 = made<warmup::synchronous>(4);
  REQUIRE(own.tables().phases.size() == 2);
  CHECK(own.tables().phases[0].name == "filled");
  CHECK(t3.tables().phases[0].name == "synchronous warm-up");
  CHECK(own.tables().phases[0].facts.stage[0].saved_peak == 3);  // GPipe keeps a minibatch
  own.run(test::stream{}, {.minibatches = 9});
  t3.run(test::stream{}, {.minibatches = 9});
  CHECK(own.all_weights() == t3.all_weights());  // both sum in order: the same bits
  auto two = made<filled>(4, 2);
  two.run(test::stream{}, {.minibatches = 9});
  CHECK(two.all_weights() == own.all_weights());
  CHECK(made<filled>(0).tables().phases.size() == 1);
  CHECK(own.facts().json().find("filled") != std::string::npos);
}

TEST_CASE("a warm-up that is none, or that moves stages, is refused with both values", "[warmup]") {
  CHECK(made<hasty>(0).tables().phases.size() == 1);
  CHECK_THROWS_WITH(made<hasty>(4), Catch::StartsWith("cannot warm up with filled, because its program is of 3 stages on 3 "
                                                      "ranks, asynchronous, where a synchronous one of 3 on 3 comes"));
  CHECK_THROWS_WITH(made<moving>(4), Catch::Contains("because its program has stage 2 on rank 0 and the schedule has it on "
                                                     "rank 2; leave every stage where it is"));
}
