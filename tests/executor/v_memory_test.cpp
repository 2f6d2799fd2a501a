// The memory of saved activations that a run plans for V schedules, beside that of 1F1B: bytes of the arenas.
#include <foal/plan/run_plan.hpp>
#include <foal/schedule/rules/v_half.hpp>
#include <foal/schedule/rules/v_min.hpp>
#include <foal/schedule/rules/zb_v.hpp>

#include <catch2/catch.hpp>

#include "tests/executor/support.hpp"

namespace {

using namespace foal;

/// Equal stages, of which each saves the 16 floats of its input, for each sample, and no more.
template <int Stages>
struct equal : stages<input<16>, repeat<Stages, linear<16>>> {};

constexpr int samples = 4;
constexpr std::size_t one = 16 * samples * sizeof(float);

/// What a rank saves at most, in stages of a microbatch.
template <int Stages, class Schedule>
std::size_t saved_by_worst_rank(Schedule const& g, int ranks, int n) {
  schedule::program p = schedule::generate(g, schedule::extent_of(g, Stages, ranks, n));
  bool const split = lower::detail::splits_weight_gradient(p.view());
  table::run_tables t = test::lowered<equal<Stages>>({Stages, ranks, n}, split);
  t.ranks = ranks;
  t.rank_of = schedule::ranks_of(p.view());
  t.phases.clear();
  t.phases.push_back(lower::detail::make_phase("test", std::move(p), versions::flush{}));
  executor::run_plan const plan(t, {samples, n, ranks, 5, false, 64, false}, test::shares(ranks, ranks));
  std::vector<std::size_t> bytes(static_cast<std::size_t>(ranks), 0);
  for (plan_entry const& e : plan.memory().entries())
    if (e.purpose == category::saved) bytes[static_cast<std::size_t>(e.worker)] += e.bytes;
  std::size_t const most = *std::max_element(bytes.begin(), bytes.end());
  INFO(Schedule::name << " on " << ranks << " ranks: " << most << " bytes");
  CHECK(most % one == 0);
  return most / one;
}

}  // namespace

TEST_CASE("V-Half and V-Min save in their arenas what they promise, of what 1F1B saves", "[executor]") {
  CHECK(saved_by_worst_rank<8>(schedule::one_f_one_b{}, 4, 8) == 8);
  CHECK(saved_by_worst_rank<8>(schedule::v_half{}, 4, 8) == 6);
  CHECK(saved_by_worst_rank<8>(schedule::v_min{}, 4, 8) == 5);  // 4 at once, but each chunk has room of its own
  CHECK(saved_by_worst_rank<16>(schedule::one_f_one_b{}, 8, 16) == 16);
  CHECK(saved_by_worst_rank<16>(schedule::v_half{}, 8, 16) == 10);
  CHECK(saved_by_worst_rank<16>(schedule::v_min{}, 8, 16) == 8);
  CHECK(saved_by_worst_rank<16>(schedule::zb_v{}, 8, 16) == 17);  // 16 at once
}
