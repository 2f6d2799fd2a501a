// Programs read from text.
#include <foal/schedule/parse.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

using namespace foal::schedule;

TEST_CASE("what lists() writes is read again", "[schedule]") {
  auto const same = [](program p) {
    extent const e = p.size();
    std::string const text = lists(p.view());
    program again = parse(text, e.stages, e.microbatches);
    CHECK(lists(again.view()) == text);
    CHECK(grid(again.view()) == grid(p.view()));
    CHECK(prove(again.view()));
  };
  for (extent const e : {extent{3, 3, 4}, extent{5, 2, 3}, extent{2, 1, 1}}) {
    same(generate(gpipe{}, e));
    same(generate(one_f_one_b{}, e));
    same(generate(zb_h1{}, e));
  }
}

TEST_CASE("an asynchronous body is read with its microbatches below 0", "[schedule]") {
  program p = generate(async_1f1b{}, {2, 2, 1});
  program q = parse("F0 B-1 U-1\nF0 B0 U0\n\n", 2, 1, true);
  CHECK(prove(q.view()));
  CHECK(lists(q.view(), 3) == lists(p.view(), 3));
}

TEST_CASE("text that is no list is refused with a sentence", "[schedule]") {
  for (char const* text : {"X0", "F", "F0.", "F.1", "F0x", "0", "G1", "F99999999999", "F0 B0\x1b[1m", "F0\n\xFF"})
    CHECK_THROWS_WITH(parse(text, 2, 1), Catch::Contains("cannot read '") && Catch::Contains("in the list of rank "));
  CHECK_THROWS_WITH(parse("F0 \x1b[1m", 2, 1), Catch::Contains("'\\x1b[1m'"));
  CHECK_THROWS_WITH(parse("", 2, 1), Catch::Contains("2 stages on 0 ranks"));
  CHECK_THROWS_WITH(parse("F0\nF0\nF0", 2, 1), Catch::Contains("2 stages on 3 ranks"));
  program p = parse("F0.0 F7.0 B0.0 U0.0", 2, 1);
  CHECK(prove(p.view()).what == flaw::range);
}
