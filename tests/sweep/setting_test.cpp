// Which runs a sweep consists of, and under which names they are found again.
#include "examples/sweep/setting.hpp"

#include <catch2/catch.hpp>

namespace {

std::array<std::vector<double>, sweep::value_count> usual() {
  std::array<std::vector<double>, sweep::value_count> lists;
  for (std::size_t v = 0; v < sweep::value_count; ++v) lists[v] = {sweep::values[v].usual};
  return lists;
}

sweep::setting base() {
  sweep::setting s;
  s.net = "mlp";
  s.data = "handwritten";
  return s;
}

}  // namespace

TEST_CASE("a number that a method does not read makes no further runs of it") {
  auto lists = usual();
  lists[sweep::t2_decay] = {0.1, 0.5};
  auto const all = sweep::combinations(base(), {"gpipe", "t1", "t1t2"}, lists, 2);
  CHECK(all.size() == 2 + 2 + 4);
  for (auto const& s : all) CHECK(s.uses(sweep::t2_decay) == (s.method == "t1t2"));
}

TEST_CASE("all combinations are there, once, each under a name of its own") {
  auto lists = usual();
  lists[sweep::rate] = {0.01, 0.02, 0.04};
  lists[sweep::t1_epochs] = {0, 2};
  auto const all = sweep::combinations(base(), {"none", "t1"}, lists, 5);
  CHECK(all.size() == 3 * 5 + 3 * 2 * 5);
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK(all[i].name() != all[j].name());
}

TEST_CASE("runs of one group differ in the seed alone") {
  auto const all = sweep::combinations(base(), {"t1t2t3"}, usual(), 2);
  REQUIRE(all.size() == 2);
  CHECK(all[0].group() == all[1].group());
  CHECK(all[0].name() == all[0].group() + " seed=1");
  CHECK(all[1].name() == all[0].group() + " seed=2");
}

TEST_CASE("the control reads the warm-up's length and not the run's") {
  auto lists = usual();
  lists[sweep::epochs] = {8, 12};
  CHECK(sweep::combinations(base(), {"sync_only"}, lists, 1).size() == 1);
  lists[sweep::t3_epochs] = {2, 3};
  CHECK(sweep::combinations(base(), {"sync_only"}, lists, 1).size() == 2);
}

TEST_CASE("an unknown method is refused with the known ones") {
  CHECK_THROWS_WITH(sweep::method_named("t4"), Catch::Contains("'t4'") && Catch::Contains("t1t2t3"));
}
