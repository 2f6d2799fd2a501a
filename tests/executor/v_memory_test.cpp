// The memory of saved activations that a run plans: of every schedule what the replay of its program holds at once, in bytes
// of the arenas; of V schedules what they promise, beside that of 1F1B.
#include <foal/plan/run_plan.hpp>

#include <catch2/catch.hpp>
#include <numeric>

#include "examples/schedules/catalogue.hpp"
#include "tests/executor/support.hpp"

namespace {

using namespace foal;

/// Equal stages, of which each saves the 16 floats of its input, for each sample, and no more.
template <int Stages>
struct equal : stages<input<16>, repeat<Stages, linear<16>>> {};
/// Each saves what its layers have made, too.
template <int Stages>
struct equal_deep : stages<input<16>, repeat<Stages, stage<linear<16>, foal::tanh, linear<16>, foal::tanh>>> {};

constexpr int samples = 4;
constexpr std::size_t one = 16 * samples * sizeof(float);

bool is_saved(category of) { return of == category::saved; }

/// Bytes by rank of the categories that are asked for, in a run of one worker a rank.
std::vector<std::size_t> plan_of(table::run_tables t, schedule::program p, int n, bool (*asked)(category) = is_saved) {
  schedule::program_view const v = p.view();
  int const ranks = v.size.ranks;
  t.ranks = ranks;
  t.replicas = v.size.replicas;
  t.rank_of = schedule::ranks_of(v);
  t.phases.clear();
  t.phases.push_back(lower::detail::make_phase("test", std::move(p), versions::live{}));
  executor::run_plan const plan(t, {samples, n, ranks, 5, false, 64, false}, test::shares(ranks, ranks));
  std::vector<std::size_t> bytes(static_cast<std::size_t>(ranks), 0);
  for (plan_entry const& e : plan.memory().entries())
    if (asked(e.purpose)) bytes[static_cast<std::size_t>(e.worker)] += e.bytes;
  return bytes;
}

/// What a rank saves at most, in stages of a microbatch.
template <int Stages, class Schedule>
std::size_t saved_by_worst_rank(Schedule const& g, int ranks, int n) {
  schedule::program p = schedule::generate(g, schedule::extent_of(g, Stages, ranks, n));
  bool const split = lower::detail::splits_weight_gradient(p.view());
  std::vector<std::size_t> const bytes = plan_of(test::lowered<equal<Stages>>({Stages, ranks, n}, split), std::move(p), n);
  std::size_t const most = *std::max_element(bytes.begin(), bytes.end());
  INFO(Schedule::name << " on " << ranks << " ranks: " << most << " bytes");
  CHECK(most % one == 0);
  return most / one;
}

template <template <int> class Net>
table::run_tables tables_of(schedule::program_view v) {
  bool const split = lower::detail::splits_weight_gradient(v);
  int const s = v.size.stages;
  return s == 4    ? test::lowered<Net<4>>({4, 4, 8}, split)
         : s == 8  ? test::lowered<Net<8>>({8, 4, 8}, split)
         : s == 12 ? test::lowered<Net<12>>({12, 4, 8}, split)
                   : test::lowered<Net<16>>({16, 4, 8}, split);
}

/// Bytes that a stage saves of a microbatch.
std::size_t saved_by(table::stage_table const& t) {
  std::size_t bytes = 0;
  for (table::wire_entry const& e : t.wire_in) bytes += e.last == until::forward ? 0 : padded(e.bytes(samples));
  for (table::tensor const& x : t.tensors) bytes += x.where == table::place::kept ? padded(x.bytes(samples)) : 0;
  return bytes;
}

}  // namespace

TEST_CASE("V-Half and V-Min save in their arenas what they promise, of what 1F1B saves", "[executor]") {
  CHECK(saved_by_worst_rank<8>(schedule::one_f_one_b{}, 4, 8) == 8);
  CHECK(saved_by_worst_rank<8>(schedule::v_half{}, 4, 8) == 6);
  CHECK(saved_by_worst_rank<8>(schedule::v_min{}, 4, 8) == 4);
  CHECK(saved_by_worst_rank<16>(schedule::one_f_one_b{}, 8, 16) == 16);
  CHECK(saved_by_worst_rank<16>(schedule::v_half{}, 8, 16) == 10);
  CHECK(saved_by_worst_rank<16>(schedule::v_min{}, 8, 16) == 8);
  CHECK(saved_by_worst_rank<16>(schedule::zb_v{}, 8, 16) == 16);
}

TEST_CASE("What a rank saves is planned as what the replay of its program holds at once", "[executor]") {
  for (schedules::entry const& e : schedules::catalogue())
    for (int const chunks : {0, 3}) {
      if (e.name == "seq1f1b" || (chunks > 0 && (!e.any_chunks || e.name == "hanayo"))) continue;
      schedule::program p = e.build({.ranks = 4, .microbatches = 8, .chunks = chunks});
      p.evictions({}, 0);  // what is moved: executor/evictions_test.cpp
      schedule::program_view const v = p.view();
      if (schedule::recomputes(v)) continue;  // heads keep what the others do not
      int const n = v.size.microbatches, minibatches = 2 * 8 / n + schedule::periods_late(v) + 2;
      std::vector<schedule::rank_memory> const held =
          schedule::saved_over_time(v, schedule::replay(v, {.side_by_side = false}, minibatches));
      // A unit of its memory is a chunk, here of as many stages each.
      std::vector<int> chunks_of = schedule::chunks_of(v);
      std::sort(chunks_of.begin(), chunks_of.end());
      auto const units = chunks_of.size();
      auto const each =
          units / static_cast<std::size_t>(std::unique(chunks_of.begin(), chunks_of.end()) - chunks_of.begin());
      table::run_tables const stages = tables_of<equal_deep>(v);
      auto const inputs = plan_of(tables_of<equal>(v), p, n), deep = plan_of(stages, p, n);
      REQUIRE(saved_by(stages.stages[1]) >= 3 * one);
      for (std::size_t r = 0; r < held.size(); ++r) {
        INFO(e.name << ", rank " << r);
        std::size_t const peak = each * static_cast<std::size_t>(held[r].peak), most = saved_by(stages.stages[1]) * peak;
        CHECK(inputs[r] == one * peak);
        CHECK(deep[r] <= most);  // what B alone reads is given back before W
        if (!lower::detail::splits_weight_gradient(v)) CHECK(deep[r] == most);
      }
    }
}

TEST_CASE("Messages that are kept until W share slots, too", "[executor]") {
  schedule::interleaved_zb const g;
  schedule::program p = schedule::generate(g, schedule::extent_of(g, 16, 8, 16));
  std::vector<std::size_t> const bytes = plan_of(test::lowered<equal<16>>({16, 8, 16}, true), std::move(p), 16,
                                                 [](category of) { return of == category::saved || of == category::wires; });
  // With rings for each unit it would be 44 on one rank, and 309 on all of them.
  CHECK(*std::max_element(bytes.begin(), bytes.end()) <= 34 * one);
  CHECK(std::accumulate(bytes.begin(), bytes.end(), std::size_t{0}) <= 221 * one);
}
