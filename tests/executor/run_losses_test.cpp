// Sums of losses whose microbatches come in another order than their numbers, and after a pause.
#include <foal/executor/run_losses.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/generate.hpp>

#include "tests/executor/support.hpp"

using namespace foal;

namespace {

loss::loss_result loss_of(long long microbatch) { return {static_cast<double>(1 << microbatch), 1, 0}; }

/// Forward passes cross minibatches of two: of microbatches 0, 2, 1, 4, 3, ... Needs N = 2 and one rank.
struct crossing {
  static constexpr char const* name = "crossing";
  static constexpr bool asynchronous = true;

  template <class Sink>
  constexpr void emit(schedule::extent e, Sink& sink) const {
    using schedule::op;
    using schedule::op_kind;
    for (int m : {0, -1})
      for (int s = 0; s < e.stages; ++s) sink(0, op{.kind = op_kind::F, .stage = s, .microbatch = m});
    for (int m : {-2, -1})
      for (int s = e.stages - 1; s >= 0; --s) sink(0, op{.kind = op_kind::BW, .stage = s, .microbatch = m});
    for (int s = e.stages - 1; s >= 0; --s) sink(0, op{.kind = op_kind::U, .stage = s, .microbatch = -1});
  }
};

}  // namespace

TEST_CASE("A stretch is complete when each of its microbatches has been added", "[executor]") {
  executor::run_losses losses(0, 6, 2, true);
  losses.add(0, loss_of(0));
  losses.add(2, loss_of(2));
  CHECK(losses.complete() == 0);
  losses.add(1, loss_of(1));
  CHECK(losses.complete() == 1);
  CHECK(losses.sum(0).sum == 3);
  losses.add(4, loss_of(4));
  losses.add(3, loss_of(3));
  CHECK(losses.complete() == 2);
  CHECK(losses.sum(1).sum == 12);
  CHECK(losses.count() == 5);
  losses.add(5, loss_of(5));
  CHECK(losses.sums().size() == 3);
  CHECK(losses.take_each().at(4).sum == 16);
}

TEST_CASE("A run that goes on after a pause completes the sums that were open", "[executor]") {
  executor::run_losses before(0, 6, 2, false);
  for (long long m : {0, 1, 2, 4}) before.add(m, loss_of(m));
  CHECK(before.complete() == 1);
  executor::run_losses after(0, 6, 2, false, before.so_far());
  CHECK(after.before() == 1);
  CHECK(after.complete() == 0);
  after.add(3, loss_of(3));
  CHECK(after.complete() == 1);
  CHECK(after.sum(0).sum == 12);
  after.add(5, loss_of(5));
  CHECK(after.sum(1).sum == 48);
  CHECK(after.count() == 6);
}

TEST_CASE("A program whose forward passes cross minibatches tells the sums of its minibatches", "[executor]") {
  test::choice const c{.optimizer = 1, .n = 2, .ranks = 1};
  table::run_tables const t = test::tables_of(c, schedule::generate(crossing{}, {4, 1, 2}));
  executor::engine engine(t, {2, 2, 1, 5, false, 64, false}, test::driver(false), {0});
  test::stream const data = test::data_of(c, 2);
  std::vector<double> told;
  executor::run_request request;
  request.minibatches = 5;
  request.loss_every = 1;
  request.every_loss = true;
  request.source = test::source_of(data);
  auto const r = engine.run(request, 0);
  REQUIRE(r.losses.size() == 10);
  REQUIRE(r.sums.size() == 5);
  for (std::size_t k = 0; k < 5; ++k) {
    CHECK(r.sums[k].weight == 4);
    CHECK(r.sums[k].sum == Approx(r.losses[2 * k].sum + r.losses[2 * k + 1].sum).epsilon(1e-12));
  }
  CHECK_FALSE(executor::losses_in_order(t));
  request.pause = executor::run_place{0, 400};
  CHECK_THROWS_WITH(engine.run(request, 0), Catch::Contains("cannot give every loss of a run that is paused"));
}
