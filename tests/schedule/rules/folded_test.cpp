// Schedules folded onto other placements: lists without slots, and what the base has.
#include <foal/schedule/rules/folded.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>

using namespace foal::schedule;

TEST_CASE("a program without slots is folded as the one with them", "[schedule]") {
  extent const e{9, 9, 5}, onto{.stages = 9, .ranks = 3, .microbatches = 5, .placed = vee};
  program timed = generate(one_f_one_b{}, e), lists_alone(e, 0, false);
  for (int r = 0; r < e.ranks; ++r)
    for (op o : timed.view().rank(r)) {
      o.slot = -1;
      o.lane = 0;
      lists_alone(r, o);
    }
  std::vector<int> ranks;
  for (int s = 0; s < e.stages; ++s) ranks.push_back(rank_of(onto, s));
  program a = fold(timed, onto, ranks), b = fold(lists_alone, onto, ranks);
  CHECK(text(prove(b.view())) == text(verdict{}));
  CHECK(lists(a.view()) == lists(b.view()));
}

TEST_CASE("a folded schedule merges minibatches where its base does, and says its numbers", "[schedule]") {
  folded<injected> f{.base = {.delays = {4, 2, 0}, .whole_batches = true}, .placed = loop};
  int size = 8, n = 2;
  f.merge(size, n);
  CHECK(size == 16);
  CHECK(n == 1);
  CHECK(f.base.delays == std::vector<int>{2, 1, 0});
  int told = 0;
  f.numbers([&]<class T>(char const*, T const& value) {
    ++told;
    if constexpr (std::is_same_v<T, std::string_view>) CHECK(value == "loop");
  });
  CHECK(told == 2);
}
