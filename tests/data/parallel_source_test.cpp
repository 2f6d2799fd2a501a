// Sources of sequences: sentence pairs and windows over a text, against values written out by hand.
#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/data/parallel_source.hpp>
#include <foal/data/sequence.hpp>
#include <foal/data/window_source.hpp>

using namespace foal::data;
using ids = std::vector<std::int32_t>;
using sides = std::vector<ids>;

namespace {

template <class Source>
std::vector<double> entry(Source const& s, long long i, int e, int longest) {
  std::vector<double> x(static_cast<std::size_t>(longest), -7.0);
  s.write_entry(i, e, longest, x.data());
  return x;
}

template <class Source>
ids target(Source const& s, long long i, int longest) {
  ids t(static_cast<std::size_t>(longest), -7);
  s.write_target(i, longest, t.data());
  return t;
}

using values = std::vector<double>;

}  // namespace

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

TEST_CASE("pairs that do not fit are refused") {
  CHECK_THROWS_AS(parallel_source(sides{{5}}, sides{}), foal::error);
  CHECK_THROWS_AS(parallel_source(sides{}, sides{}), foal::error);
  CHECK_THROWS_AS(parallel_source(sides{{5, 5}}, sides{{5}}, {.source = 2}), foal::error);
  CHECK_THROWS_AS(parallel_source(sides{{9}}, sides{{5}}, {.source_vocabulary = 9}), foal::error);
  CHECK_THROWS_AS(parallel_source(sides{{5}}, sides{{9}}, {.target_vocabulary = 9}), foal::error);
  CHECK_THROWS_AS(parallel_source(sides{{0}}, sides{{5}}), foal::error);  // padding in a text
  CHECK_NOTHROW(parallel_source(sides{{8}}, sides{{3}}, {.source_vocabulary = 9, .target_vocabulary = 4}));
}

TEST_CASE("windows follow each other, and every token but the first is a target once") {
  window_source const s({10, 11, 12, 13, 14, 15, 16, 17}, {.length = 3});
  CHECK(s.size() == 3);
  CHECK(s.axes() == 1);
  CHECK(entry(s, 0, 0, 3) == values{10, 11, 12});
  CHECK(target(s, 0, 3) == ids{11, 12, 13});
  CHECK(entry(s, 1, 0, 3) == values{13, 14, 15});
  CHECK(target(s, 1, 3) == ids{14, 15, 16});
  CHECK(s.length(2, 1) == 1);  // the text ends in the last window
  CHECK(entry(s, 2, 0, 3) == values{16, 0, 0});
  CHECK(target(s, 2, 3) == ids{17, -100, -100});
  CHECK(s.weight(0) + s.weight(1) + s.weight(2) == 7);
}

TEST_CASE("windows may overlap") {
  window_source const s({10, 11, 12, 13, 14, 15}, {.length = 3, .stride = 1});
  CHECK(s.size() == 3);
  CHECK(entry(s, 1, 0, 3) == values{11, 12, 13});
  CHECK(target(s, 2, 3) == ids{13, 14, 15});
}

TEST_CASE("the number of windows is what covers the text") {
  for (int n = 2; n < 30; ++n)
    for (int length = 1; length < 8; ++length)
      for (int stride = 1; stride <= length; ++stride) {
        window_source const s(ids(static_cast<std::size_t>(n), 5), {.length = length, .stride = stride});
        long long const last = s.size() - 1;
        INFO(n << " tokens, length " << length << ", stride " << stride);
        REQUIRE(s.length(last, 1) >= 1);
        REQUIRE(last * stride + s.length(last, 1) == n - 1);
        REQUIRE((last == 0 || (last - 1) * stride + length < n - 1));
        REQUIRE(s.longest(1) == (length < n - 1 ? length : n - 1));
      }
}

TEST_CASE("windows that make no sense are refused") {
  CHECK_THROWS_AS(window_source({1}, {.length = 3}), foal::error);
  CHECK_THROWS_AS(window_source({1, 2}, {.length = 0}), foal::error);
  CHECK_THROWS_AS(window_source({1, 2}, {.length = 2, .stride = 3}), foal::error);
  CHECK_THROWS_AS(window_source({1, 9}, {.length = 1, .vocabulary = 9}), foal::error);
  CHECK_THROWS_AS(window_source({1, -1}, {.length = 1}), foal::error);
}
