// Programs written out and drawn.
#include <algorithm>

#include <catch2/catch.hpp>

#include <foal/schedule/draw/svg.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>

#include "tests/report/markup.hpp"

using namespace foal::schedule;

namespace {

std::size_t count(std::string const& in, std::string const& what) {
  std::size_t n = 0;
  for (std::size_t at = in.find(what); at != std::string::npos; at = in.find(what, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a grid shows idle slots and the update's slot") {
  program p = generate(gpipe{}, {2, 2, 2});
  CHECK(grid(p.view()) ==
        "F0    F1    .     .     B0    B1+U1\n"
        ".     F0    F1    B0    B1+U1 .\n");
}

TEST_CASE("split backwards are told apart") {
  program p({1, 1, 1}, 4, false);
  p(0, {.kind = op_kind::F, .slot = 0});
  p(0, {.kind = op_kind::B, .slot = 1});
  p(0, {.kind = op_kind::W, .slot = 2});
  p(0, {.kind = op_kind::U, .slot = 3});
  CHECK(lists(p.view()) == "F0 B0 W0 U0\n");
}

TEST_CASE("a run has every op of its minibatches once, in the order of slots") {
  program p = generate(pipemare{}, {3, 3, 2});
  for (int minibatches : {1, 2, 5}) {
    auto const run = unroll(p.view(), minibatches);
    for (auto const& rank : run) {
      CHECK(rank.size() == static_cast<std::size_t>(minibatches * 5));
      CHECK(std::is_sorted(rank.begin(), rank.end(), [](op const& a, op const& b) {
        return a.slot < b.slot || (a.slot == b.slot && a.lane < b.lane);
      }));
    }
  }
  CHECK(two_units(p.view()));
  program q = generate(gpipe{}, {3, 3, 2});
  CHECK_FALSE(two_units(q.view()));
}

TEST_CASE("a picture has a cell for every op and a label where there is room") {
  program p = generate(pipemare{}, {4, 4, 4});
  std::string const small = svg(p.view(), 3, "S < 5 & more");
  CHECK(count(small, "v") > 0);
  std::size_t cells = 0;
  for (std::size_t at = small.find(" d=\""); at != std::string::npos; at = small.find(" d=\"", at + 1))
    cells += count(small.substr(at, small.find("/>", at) - at), "z");
  CHECK(cells == 4 * (12 + 12 + 3));
  CHECK(count(small, "class=\"c tF\"") == 4 * 12);
  CHECK(count(small, "S &lt; 5 &amp; more") == 2);
  CHECK(count(small, "steady state") == 1);
  CHECK(count(small, "<svg") == 1);
  CHECK(count(small, "</svg>") == 1);

  program big = generate(pipemare{}, {107, 107, 8});
  std::string const large = svg(big.view(), 30, "107 stages");
  CHECK(count(large, "class=\"c tF\"") == 0);
  CHECK(count(large, "rank 106") == 1);
  CHECK(large.size() < 2'000'000);
}

TEST_CASE("any title makes a well-formed picture, on light and on dark paper") {
  program p = generate(pipemare{}, {2, 2, 2});
  std::string title = "a\x1b[31m\xff\x00 \xC2\x9B \xEF\xBF\xBF \xF0\x9F\xBF\xBE \"</title><script>&";
  title += '\0';
  std::string const s = svg(p.view(), 2, title);
  auto const d = markup::parse(s);
  INFO(d.problem);
  CHECK(d.well_formed);
  CHECK(d.count("script") == 0);
  CHECK(markup::characters(s) == "");
  CHECK(count(s, "prefers-color-scheme:dark") == 1);
  CHECK(count(s, "fill=\"#") == 0);  // colours are rules, which the dark ones replace
}

TEST_CASE("what cannot be drawn is refused with a sentence") {
  program p({1, 1, 1}, 0, false);
  p(0, {.kind = op_kind::F});
  CHECK_THROWS_WITH(svg(p.view(), 1, ""), Catch::Contains("F(stage 0, microbatch 0), because it has no slot"));
  CHECK(lists(p.view()) == "F0\n");  // what is not proved can be looked at
  CHECK(grid(p.view()) == "\n");
  program far({1, 1, 1}, 0, false);
  far(0, {.kind = op_kind::F, .slot = 200'000'000});
  CHECK_THROWS_WITH(svg(far.view(), 1, ""), Catch::Contains("200000001 slots"));
  CHECK_THROWS_WITH(grid(far.view()), Catch::Contains("200000001 slots"));
  CHECK_THROWS_WITH(lists(far.view(), -1), Catch::Contains("-1 minibatches"));
  CHECK_THROWS_WITH(lists(far.view(), 2'000'000'000), Catch::Contains("write out fewer"));
  program_view broken = far.view();
  std::vector<int> const begin{0, 7};
  broken.begin = begin;
  CHECK_THROWS_WITH(svg(broken, 1, ""), Catch::Contains("cannot read the list of rank 1"));
}

TEST_CASE("a picture shows R") {
  program p = generate(recomputed<pipemare>{}, {4, 4, 2});
  std::string const s = svg(p.view(), 3, "R");
  CHECK(s.find("<path class=\"R\"") != std::string::npos);
  CHECK(s.find("R forward again") != std::string::npos);
  CHECK(s.find("from above: forward, recompute and backward unit") != std::string::npos);
  program q = generate(pipemare{}, {4, 4, 2});
  CHECK(svg(q.view(), 3, "F").find("R forward again") == std::string::npos);
}
