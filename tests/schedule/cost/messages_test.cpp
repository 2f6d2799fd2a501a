// Messages between ranks, counted.
#include <foal/schedule/cost/messages.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>

#include "tests/support/schedules.hpp"

using namespace foal::schedule;

namespace {

template <class G>
constexpr int messages(G const& g, extent e) {
  return total_of(channels_of(generate(g, e).view())).messages;
}

}  // namespace

static_assert(messages(one_f_one_b{}, {4, 4, 8}) == 2 * 3 * 8);
static_assert(messages(gpipe{}, {8, 4, 8}) == 2 * 3 * 8);  // stages of one rank need none
static_assert(messages(pipemare{}, {4, 4, 8}) == 2 * 3 * 8);

TEST_CASE("messages of a minibatch by channel") {
  program p = generate(gpipe{}, {3, 3, 4});
  CHECK(channels_of(p.view()) == std::vector<channel_use>{{0, 1, edge::activation, 4, 0},
                                                          {1, 0, edge::gradient, 4, 0},
                                                          {1, 2, edge::activation, 4, 0},
                                                          {2, 1, edge::gradient, 4, 0}});
  double const sizes[] = {100, 10, 1};
  CHECK(channels_of(p.view(), sizes)[1] == channel_use{1, 0, edge::gradient, 4, 400});
  CHECK(channels_of(p.view(), sizes)[2] == channel_use{1, 2, edge::activation, 4, 40});
  CHECK(total_of(channels_of(p.view(), sizes)).bytes == 880);
  CHECK_THROWS_WITH(channels_of(p.view(), std::span<double const>(sizes, 2)), Catch::Contains("by 2 sizes, because there"));
}

TEST_CASE("a loop has a message at every stage, a V none at its turn, replicas sums") {
  extent e{.stages = 8, .ranks = 4, .microbatches = 4, .placed = loop};
  CHECK(messages(folded<gpipe>{}, e) == 2 * 7 * 4);
  e.placed = vee;
  CHECK(messages(folded<one_f_one_b>{.placed = vee}, e) == 2 * 6 * 4);
  program p = generate(foal::test::two_way{}, foal::test::both_ways(4, 4));
  int sums = 0, others = 0;
  for (channel_use const& c : channels_of(p.view())) (c.via == edge::sum ? sums : others) += c.messages;
  CHECK(others == 2 * 3 * 4);
  CHECK(sums == 2 * 4);
  CHECK(messages(recomputed<gpipe>{.segment = 2}, {4, 4, 4}) > 2 * 3 * 4);
}
