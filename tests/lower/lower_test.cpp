#include <foal/lower/lower.hpp>

#include <catch2/catch.hpp>

#include <foal/device/host.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/layer/relu.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>

namespace lowering {

struct net : foal::stages<foal::input<6>, foal::linear<5>, foal::batch_norm, foal::relu, foal::linear<4>, foal::linear<3>> {
};

}  // namespace lowering

namespace {

using lowering::net;

/// The values that tables point to, alive as long as the tables.
template <class Schedule, class Optimizer, class Delay, class Versions, class Warmup, class Loss>
struct lowered {
  Loss loss{};
  Schedule schedule{};
  Optimizer optimizer{};
  foal::lr::constant rate{};
  Delay delay{};
  Warmup warmup{};
  foal::clip::none clip{};
  Versions versions{};
  foal::accumulate::each accumulate{};
  foal::initialisation::declared initial{};

  foal::table::run_tables tables(int ranks, int n) const {
    return foal::lower::lower<net, foal::device::host, double>(
        schedule, {foal::stage_count<net>, ranks, n},
        foal::lower::by_role(loss, optimizer, rate, delay, versions, accumulate, warmup, clip, initial));
  }
};

using asynchronous = lowered<foal::schedule::pipemare, foal::optim::momentum, foal::delay::discrepancy_correction,
                             foal::versions::live, foal::warmup::synchronous, foal::loss::cross_entropy>;
using synchronous = lowered<foal::schedule::gpipe, foal::optim::adam, foal::delay::none, foal::versions::flush,
                            foal::warmup::none, foal::loss::mean_squared_error>;

}  // namespace

TEST_CASE("A run's tables hold its model, policies and phases", "[lower]") {
  asynchronous run;
  run.warmup.minibatches = 5;
  auto const t = run.tables(4, 2);
  CHECK(t.model_name == "lowering::net");
  CHECK(t.stages.size() == 4);  // batch norm has weights: a stage of its own
  CHECK(t.types.weights == foal::element::float64);
  CHECK(t.rank_of == std::vector<int>{0, 1, 2, 3});
  CHECK(t.policies.optimizer_states == 1);
  CHECK(t.policies.delay_states == 1);
  CHECK(t.policies.backward_weight != nullptr);
  CHECK(t.policies.forward_weight == nullptr);
  CHECK(t.compensates);
  CHECK(t.least_samples == 2);
  CHECK(t.loss.target_bytes == sizeof(std::int32_t));
  REQUIRE(t.phases.size() == 2);
  CHECK(t.phases[0].facts.stage[0].delay == 0);
  CHECK(t.phases[1].facts.stage[0].delay == 7);
  CHECK(t.phases[1].name == "pipemare");
  for (auto const& stage : t.stages)
    for (auto const& l : stage.layers) {
      CHECK(l.call.forward != nullptr);
      CHECK(l.call.backward_input != nullptr);
      CHECK((l.parameters == 0) == (l.call.backward_weight == nullptr));
    }
}

TEST_CASE("What is not asked for is not there", "[lower]") {
  auto const t = synchronous{}.tables(4, 2);
  CHECK(t.policies.optimizer_states == 2);
  CHECK(t.policies.delay_states == 0);
  CHECK(t.policies.backward_weight == nullptr);
  CHECK(!t.compensates);
  CHECK(t.clip.scale == nullptr);
  CHECK(t.phases.size() == 1);
  CHECK(t.loss.target_bytes == sizeof(double));
  CHECK(t.loss.targets_per_sample == 3);
  CHECK(asynchronous{}.tables(4, 2).phases.size() == 1);  // a warm-up of no minibatches is no phase
}

TEST_CASE("Stages are spread over fewer ranks in order, more ranks than stages are refused", "[lower]") {
  CHECK(synchronous{}.tables(2, 2).rank_of == std::vector<int>{0, 0, 1, 1});
  CHECK(synchronous{}.tables(3, 2).rank_of == std::vector<int>{0, 0, 1, 2});
  CHECK(synchronous{}.tables(1, 2).rank_of == std::vector<int>{0, 0, 0, 0});
  CHECK_THROWS_AS(synchronous{}.tables(5, 2), foal::error);
}

TEST_CASE("The rate is a function of the policy's present value", "[lower]") {
  asynchronous run;
  auto const t = run.tables(4, 1);
  CHECK(t.rate(t.rate_value, {}) == 0.01);
  run.rate.rate = 0.5;  // tables point to the value: a sweep needs no new tables
  CHECK(t.rate(t.rate_value, {}) == 0.5);
}
