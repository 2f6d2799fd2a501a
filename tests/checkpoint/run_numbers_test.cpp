// The numbers of a run part come back as they were, and counts that do not fit each other are refused.
#include <foal/checkpoint/run_numbers.hpp>

#include <catch2/catch.hpp>

#include "tests/support/files.hpp"

using namespace foal;
using Catch::Contains;
using checkpoint::part_content;
using checkpoint::part_view;
using foal_test::complaint;
namespace parts = checkpoint::detail;

namespace {

std::string const run_path = "p/run-000";

/// A cut of `units` units whose numbers all differ.
executor::run_cut numbered_cut(int units, std::vector<int> hosted) {
  executor::run_cut cut;
  cut.units.resize(static_cast<std::size_t>(units));
  cut.hosted = std::move(hosted);
  int n = 1;
  for (executor::unit_state& u : cut.units)
    executor::each_number_of_unit(u, [&](std::string const&, auto& x) {
      using T = std::remove_cvref_t<decltype(x)>;
      x = static_cast<T>(std::is_same_v<T, bool> ? n % 2 : n) / static_cast<T>(std::is_floating_point_v<T> ? 4 : 1);
      ++n;
    });
  return cut;
}
std::vector<double> numbers_of(executor::unit_state s) {
  std::vector<double> all;
  executor::each_number_of_unit(s, [&](std::string const&, auto& x) { all.push_back(static_cast<double>(x)); });
  return all;
}

}  // namespace

TEST_CASE("a share of units comes back at its places") {
  for (std::vector<int> const& hosted : {std::vector<int>{}, {1, 3}, {0}}) {
    executor::run_cut const cut = numbered_cut(4, hosted);
    part_content c;
    parts::add_units(c, cut);
    checkpoint::safetensors_content const of = c.whole();
    executor::run_cut back;
    parts::read_units(back, part_view(run_path, of));
    CHECK(back.hosted == hosted);
    REQUIRE(back.units.size() == 4);
    for (int u = 0; u < 4; ++u) {
      auto const i = static_cast<std::size_t>(u);
      CHECK(numbers_of(back.units[i]) == numbers_of(cut.has(u) ? cut.units[i] : executor::unit_state{}));
    }
  }
}

TEST_CASE("units that are not so many, not in order, or twice there are refused") {
  part_content c;
  parts::add_units(c, numbered_cut(4, {1, 3}));
  checkpoint::safetensors_content const whole = c.whole();
  auto const refusal = [&](std::string const& units, std::vector<std::int64_t> const& numbers) {
    checkpoint::safetensors_content of = whole;
    of.about[parts::units_key] = units;
    for (checkpoint::stored_tensor& t : of.tensors)
      if (t.name == parts::hosted_units) std::memcpy(of.buffer.data() + t.begin, numbers.data(), 16);
    executor::run_cut back;
    return complaint([&] { parts::read_units(back, part_view(run_path, of)); });
  };
  CHECK(refusal("4", {1, 3}) == "");
  for (std::vector<std::int64_t> const& numbers : std::vector<std::vector<std::int64_t>>{{3, 1}, {1, 1}, {-1, 1}, {1, 4}})
    CHECK_THAT(refusal("4", numbers), Contains("its 'unit.number' are not 2 of 4 units"));
  for (char const* units : {"0", "-1", "3", "16777216", "9223372036854775807"})
    CHECK_THAT(refusal(units, {1, 3}), Contains(std::string("2 of ") + units));
  CHECK_THAT(refusal("4x", {1, 3}), Contains("'foal.units' is '4x'"));

  checkpoint::safetensors_content few = whole;
  for (checkpoint::stored_tensor& t : few.tensors)
    if (t.name == "unit.version") t.end -= 8;
  executor::run_cut back;
  CHECK_THAT(complaint([&] { parts::read_units(back, part_view(run_path, few)); }),
             Contains("it has 1 numbers 'unit.version' where there are 2 units"));
}

TEST_CASE("losses so far come back, and counts of more than there are do not") {
  std::vector<executor::losses_so_far> const all{
      {9, 2, {{{1.5, 2, 3}, 4}, {{0.25, 1, 0}, 1}}}, {}, {7, 1, {{{-1, 0, 0}, 2}}}};
  part_content c;
  parts::add_losses(c, all);
  checkpoint::safetensors_content of = c.whole();
  auto const back = parts::losses_of(part_view(run_path, of));
  REQUIRE(back.size() == 3);
  for (std::size_t r = 0; r < 3; ++r) {
    CHECK(back[r].count == all[r].count);
    CHECK(back[r].complete == all[r].complete);
    REQUIRE(back[r].open.size() == all[r].open.size());
    for (std::size_t i = 0; i < all[r].open.size(); ++i) {
      CHECK(back[r].open[i].sum.sum == all[r].open[i].sum.sum);
      CHECK(back[r].open[i].sum.weight == all[r].open[i].sum.weight);
      CHECK(back[r].open[i].sum.correct == all[r].open[i].sum.correct);
      CHECK(back[r].open[i].count == all[r].open[i].count);
    }
  }
  for (std::int64_t const n : {std::int64_t{3}, std::int64_t{-1}, std::int64_t{1} << 62U}) {
    std::memcpy(of.buffer.data() + 16, &n, sizeof n);  // how many the first has
    CHECK_THAT(complaint([&] { parts::losses_of(part_view(run_path, of)); }), Contains("'losses.open' are fewer"));
  }
}

TEST_CASE("what a fit has told comes back, with the faults of its evaluations") {
  fit_history told;
  told.epochs = {{1, 2, 3}, {0.5, 0.25, 1}};
  told.evaluations = {{6, 0.5, 0.75, 48, ""}, {12, 1, 0, 48, "it went wrong"}};
  told.seconds = 0.1;
  told.ended = true;
  part_content c;
  parts::add_history(c, told);
  checkpoint::safetensors_content of = c.whole();
  fit_history const back = parts::history_of(part_view(run_path, of), of.about);
  REQUIRE(back.epochs.size() == 2);
  CHECK(back.epochs[1].weight == 0.25);
  REQUIRE(back.evaluations.size() == 2);
  CHECK(back.evaluations[0].fault.empty());
  CHECK(back.evaluations[1].fault == "it went wrong");
  CHECK(back.evaluations[1].update == 12);
  CHECK(back.seconds == 0.1);
  CHECK(back.ended);
  of.about.erase("fit.ended");
  CHECK_THAT(complaint([&] { parts::history_of(part_view(run_path, of), of.about); }), Contains("it has no 'fit.ended'"));
}
