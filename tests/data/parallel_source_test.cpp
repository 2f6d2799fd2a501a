// Sentence pairs as sequences, against values written out by hand.
#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/data/parallel_source.hpp>
#include <foal/data/sequence.hpp>

#include "tests/support/sequences.hpp"

using namespace foal::data;
using foal_test::entry;
using foal_test::target;
using ids = std::vector<std::int32_t>;
using sides = std::vector<ids>;
using values = std::vector<double>;

TEST_CASE("a pair is source and eos, its length, bos and target, and its answer target and eos") {
  parallel_source const s(sides{{10, 11}, {12}}, sides{{20}, {21, 22, 23}});
  CHECK(s.size() == 2);
  CHECK(s.axes() == 2);
  CHECK(s.entries() == 3);
  CHECK(s.length(0, 1) == 3);
  CHECK(s.length(0, 2) == 2);
  CHECK(s.longest(1) == 3);
  CHECK(s.longest(2) == 4);
  CHECK(s.entry_axis(0) == 1);
  CHECK(s.entry_axis(1) == 0);
  CHECK(s.entry_axis(2) == 2);
  CHECK(entry(s, 0, 0, 4) == values{10, 11, 2, 0});
  CHECK(entry(s, 0, 1, 1) == values{3});
  CHECK(entry(s, 0, 2, 4) == values{1, 20, 0, 0});
  CHECK(target(s, 0, 4) == ids{20, 2, -100, -100});
  CHECK(entry(s, 1, 2, 4) == values{1, 21, 22, 23});
  CHECK(target(s, 1, 4) == ids{21, 22, 23, 2});
  CHECK(s.weight(0) == 2);
  CHECK(s.weight(1) == 4);
}

TEST_CASE("pairs beyond the limits are dropped and counted") {
  parallel_source const s(sides{{5, 5, 5}, {6}, {7}, {8, 8}}, sides{{5}, {6}, {7, 7, 7, 7}, {8, 8, 8}},
                          {.source = 3, .target = 4});
  CHECK(s.size() == 2);
  CHECK(s.dropped() == 2);
  CHECK(s.given(0) == 1);
  CHECK(s.given(1) == 3);
  CHECK(s.longest(1) == 3);
  CHECK(s.longest(2) == 4);
  CHECK(entry(s, 1, 0, 3) == values{8, 8, 2});
}

TEST_CASE("an empty side is a sequence, too") {
  parallel_source const s(sides{{}}, sides{{}});
  CHECK(entry(s, 0, 0, 2) == values{2, 0});
  CHECK(entry(s, 0, 2, 1) == values{1});
  CHECK(target(s, 0, 2) == ids{2, -100});
}

TEST_CASE("the number of classes is a number for every token that is taken") {
  CHECK(parallel_source(sides{{5}}, sides{{2147483646}}).classes() == 2147483647);
  CHECK_THROWS_AS(parallel_source(sides{{5}}, sides{{2147483647}}), foal::error);
}

TEST_CASE("pairs that do not fit are refused") {
  CHECK_THROWS_AS(parallel_source(sides{{5}}, sides{}), foal::error);
  CHECK_THROWS_AS(parallel_source(sides{}, sides{}), foal::error);
  CHECK_THROWS_AS(parallel_source(sides{{5, 5}}, sides{{5}}, {.source = 2}), foal::error);
  CHECK_THROWS_AS(parallel_source(sides{{9}}, sides{{5}}, {.source_vocabulary = 9}), foal::error);
  CHECK_THROWS_AS(parallel_source(sides{{5}}, sides{{9}}, {.target_vocabulary = 9}), foal::error);
  CHECK_THROWS_AS(parallel_source(sides{{0}}, sides{{5}}), foal::error);  // padding in a text
  CHECK_THROWS_WITH(parallel_source(sides{{5}}, sides{{5}}, {.source = 0}), Catch::Contains("its source is 0"));
  CHECK_THROWS_WITH(parallel_source(sides{{5}}, sides{{5}}, {.target_vocabulary = -1}),
                    Catch::Contains("its target_vocabulary is -1"));
  CHECK_NOTHROW(parallel_source(sides{{8}}, sides{{3}}, {.source_vocabulary = 9, .target_vocabulary = 4}));
}
