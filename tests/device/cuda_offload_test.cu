// What stages save on the GPU goes to pinned host memory and comes back on a stream of copies, and the bits are those of the
// run that keeps it: in any order of the streams, with any number of workers.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/data/memory.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/offloaded.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "../support/cuda_array.hpp"
#include "../support/orders.hpp"

namespace {

using namespace foal::test;
using foal::schedule::offloaded;
namespace schedule = foal::schedule;

struct offloading_net : foal::stages<foal::input<12>, foal::linear<24>, foal::relu, foal::linear<16>, foal::tanh,
                                     foal::dropout<10>, foal::linear<5>> {};

template <class Schedule, class... Policies>
using run_with = foal::trainer<offloading_net, foal::loss::cross_entropy, Schedule, foal::on<foal::device::cuda>,
                               foal::executor::threads, Policies...>;

foal::data::memory<float, std::int32_t> offloading_table() {
  std::size_t const samples = 96;
  auto x = numbers<float>(samples * 12, 1);
  std::vector<std::int32_t> y(samples);
  for (std::size_t i = 0; i < samples; ++i) y[i] = static_cast<std::int32_t>(i % 5);
  return {foal::features(12), x, y};
}

struct left_behind {
  std::vector<float> weights;
  std::vector<double> losses;
  bool operator==(left_behind const&) const = default;
};

template <class Run, class Set>
left_behind train_with(int workers, Set set) {
  auto const data = offloading_table();
  typename Run::config config{.microbatch_size = 2, .microbatches = 6, .workers = workers, .seed = 3};
  set(config);
  Run run(config);
  auto const report = run.fit(data, {.epochs = 2, .quiet = true});
  REQUIRE_FALSE(report.diverged);
  return {run.all_weights(), report.epoch_loss};
}

/// The bits of the schedule alone; slots and distance in turn.
template <class Schedule, class... Policies, class Set>
void check_offloaded(Set set) {
  left_behind const expected = train_with<run_with<Schedule, Policies...>>(1, set);
  for (int order = 0; order <= 2 * orders; ++order) {
    int const workers = order % 2 == 0 ? 1 : 3, slots = 1 + order % 3;
    choose_order(order);
    INFO("order " << order << ", workers " << workers << ", slots " << slots);
    CHECK(train_with<run_with<offloaded<Schedule>, Policies...>>(workers, [&](auto& c) {
            set(c);
            c.schedule.stages = {0, 1, 2};
            c.schedule.slots = slots;
            c.schedule.ahead = slots - 1;
          }) == expected);
  }
  choose_order(0);
}

}  // namespace

TEST_CASE("GPipe offloads on the GPU", "[cuda]") {
  check_offloaded<schedule::gpipe, foal::optim::momentum>([](auto& c) { c.lr.rate = 0.1; });
}

TEST_CASE("1F1B offloads on the GPU, with Adam", "[cuda]") {
  check_offloaded<schedule::one_f_one_b, foal::optim::adam>([](auto& c) { c.lr.rate = 0.02; });
}

TEST_CASE("PipeMare with T1, T2 and T3 offloads on the GPU", "[cuda]") {
  check_offloaded<schedule::pipemare, foal::optim::momentum, foal::lr::reschedule<foal::lr::constant>,
                  foal::delay::discrepancy_correction, foal::warmup::synchronous>([](auto& c) {
    c.lr.base.rate = 0.1;
    c.lr.steps = 20;
    c.warmup.minibatches = 4;
  });
}

TEST_CASE("the facts of a run that offloads count the memory of the GPU and the host's apart", "[cuda]") {
  auto const make = [](auto& c) { c.microbatch_size = 32; };
  using plain = run_with<schedule::gpipe>;
  using moves = run_with<offloaded<schedule::gpipe>>;
  plain::config a{.microbatches = 8};
  moves::config b{.microbatches = 8};
  make(a), make(b);
  auto const keeps = plain(a).facts(), offloads = moves(b).facts();
  CHECK(keeps.bytes[foal::category::offloaded] == 0);
  CHECK(offloads.bytes[foal::category::offloaded] > 0);
  CHECK(offloads.bytes[foal::category::saved] < keeps.bytes[foal::category::saved]);
  CHECK(offloads.bytes.total() < keeps.bytes.total());
  CHECK(offloads.text().find("host memory") != std::string::npos);
  CHECK(offloads.text().find("nothing is saved") == std::string::npos);
}
