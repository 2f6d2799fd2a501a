// Offloads in the plan: device memory has the slots that the program says, host memory the rest, and what a run cannot
// offload is refused.
#include <catch2/catch.hpp>

#include <functional>
#include <string>

#include <foal/schedule/rules/offloaded.hpp>

#include "tests/executor/support.hpp"

namespace {

using namespace foal;

/// The program with offloads of all stages.
schedule::program all_moved(schedule::program p, int slots, int ahead) {
  return schedule::with_offloads(std::move(p), {0, 1, 2, 3}, slots, ahead);
}

/// A stage that keeps what comes and what it makes.
template <int Stages>
struct deep : stages<input<16>, repeat<Stages, stage<linear<16>, foal::tanh, linear<16>, foal::tanh>>> {};

constexpr int samples = 4;

memory_plan planned(schedule::program p, int workers, bool thick = false) {
  table::run_tables t = test::lowered<deep<4>>(p.view().size, false, thick);
  int const n = p.view().size.microbatches;
  t.rank_of = schedule::ranks_of(p.view());
  t.phases.clear();
  t.phases.push_back(lower::detail::make_phase("test", std::move(p), versions::live{}, thick));
  return executor::run_plan(t, {samples, n, workers, 5, false, 64, false}, test::shares(t.ranks, workers)).memory();
}

std::size_t bytes_of(memory_plan const& plan, int stage, std::function<bool(plan_entry const&)> const& is) {
  std::size_t sum = 0;
  for (plan_entry const& e : plan.entries())
    if (e.stage == stage && is(e)) sum += e.bytes;
  return sum;
}

}  // namespace

TEST_CASE("device memory has the slots that the program says, and host memory the rest") {
  schedule::extent const e{4, 4, 8};
  // By stage: the input, tanh, linear, tanh of the stage, of 16 floats for each of 4 samples. linear needs its input, tanh
  // its output, so the input and two more are kept.
  constexpr std::size_t one = samples * 16 * sizeof(float), kept = 3 * one;
  auto const saved = [](plan_entry const& x) { return x.purpose == category::saved; };
  auto const host = [](plan_entry const& x) { return x.on_host; };
  memory_plan const plain = planned(schedule::generate(schedule::pipemare{}, e), 4);
  for (int const slots : {1, 2, 3}) {
    memory_plan const moves = planned(all_moved(schedule::generate(schedule::pipemare{}, e), slots, slots - 1), 4);
    for (int s = 0; s < 4; ++s) {
      INFO("stage " << s << " slots " << slots);
      auto const held = static_cast<std::size_t>(2 * (4 - s)), ring = static_cast<std::size_t>(slots);
      // What F reads of a wire, or of the model's input, lies in the slots of wires; all else in both rings.
      CHECK(bytes_of(plain, s, saved) == held * kept);
      CHECK(bytes_of(moves, s, saved) == 2 * ring * kept - ring * one);
      CHECK(bytes_of(moves, s, host) == held * kept);
    }
    CHECK(moves.bytes(category::offloaded) == (8 + 6 + 4 + 2) * kept);
    std::size_t in_host = 0, in_device = 0;
    for (int w = 0; w < 4; ++w) in_host += moves.host_bytes(w), in_device += moves.arena_bytes(w);
    CHECK(in_host == moves.bytes(category::offloaded));
    CHECK(in_device == moves.bytes());  // which does not count it
    CHECK(plain.bytes(category::offloaded) == 0);
  }
  memory_plan const default_slots = planned(schedule::generate(schedule::offloaded<schedule::gpipe>{}, {4, 4, 16}), 4);
  memory_plan const all = planned(schedule::generate(schedule::gpipe{}, {4, 4, 16}), 4);
  CHECK(default_slots.bytes() < all.bytes());
}

TEST_CASE("what a run cannot offload is refused with the reason") {
  schedule::program const p = all_moved(schedule::generate(schedule::gpipe{}, {4, 4, 8}), 2, 1);
  CHECK_THROWS_WITH(planned(p, 4, true), Catch::Contains("use accumulate::each"));
  // A warm-up that does not offload what the main program does.
  test::choice const warm{4, 3, false, 0, 3, 2, 0, true};
  table::run_tables const two = test::tables_of(warm, all_moved(test::program_of(3, {4, 4, 2}), 1, 0));
  CHECK_THROWS_WITH(executor::run_plan(two, {samples, 2, 1, 5, false, 64, false}, test::shares(4, 1)),
                    Catch::Contains("offload alike in all phases"));
  table::run_tables late = test::tables_of({4, 3, false, 0, 3, 2}, all_moved(test::program_of(3, {4, 4, 2}), 1, 0));
  late.device.asynchronous = true;
  CHECK_THROWS_WITH(executor::run_plan(late, {samples, 2, 1, 5, false, 64, false}, test::shares(4, 1)),
                    Catch::Contains("has no copy_queue"));
}
