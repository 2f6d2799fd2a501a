// Names of pieces are read back, and pieces are joined to one tensor, or refused where some are missing.
#include <foal/checkpoint/tensor_pieces.hpp>

#include <catch2/catch.hpp>
#include <cstring>

namespace {

using namespace foal;
using checkpoint::piece_name;

/// What an array of 4 to 19 of the bytes 0, 1, 2 ... has, as pieces of a tensor that begins at byte 2 and has two bytes an
/// element.
checkpoint::safetensors_content pieces_of(std::vector<executor::byte_range> const& has) {
  executor::saved_array a{{}, {{-1, {}}}, has, 20};
  for (executor::byte_range const& r : has)
    for (std::size_t i = r.begin; i < r.end; ++i) a.slots[0].bytes.push_back(static_cast<std::byte>(i));
  checkpoint::part_content to;
  checkpoint::detail::add_pieces(to, a, "x", {2, 16}, 2, 2, "BF16");
  checkpoint::safetensors_content c = to.whole();
  return c;
}

}  // namespace

TEST_CASE("the name of a piece says what it is of, and no other name is one") {
  piece_name const own{"optimizer.0.3.linear.weight", 128, 256};
  CHECK(own.text() == "optimizer.0.3.linear.weight[128:256]");
  auto const read = piece_name::read(own.text());
  REQUIRE(read);
  CHECK(read->of == own.of);
  CHECK(read->begin == 128);
  CHECK(read->end == 256);
  for (char const* const other : {"", "3.linear.weight", "x[1:2", "x[:]", "x[1:]", "x[2:2]", "x[a:2]", "x[1:2]y", "x]1:2[",
                                  "x[-1:2]", "x[1:99999999999999999999]"})
    CHECK_FALSE(piece_name::read(other));
}

TEST_CASE("pieces of all processes are one tensor, and what one of them lacks is said") {
  checkpoint::safetensors_content first = pieces_of({{0, 6}, {10, 20}}), second = pieces_of({{6, 10}});
  REQUIRE(first.tensors.size() == 2);
  CHECK(first.tensors[0].name == "x[0:2]");
  CHECK(first.tensors[1].name == "x[4:7]");
  CHECK(second.tensors.at(0).name == "x[2:4]");
  checkpoint::detail::pieces_of_tensors alone, all;
  alone.take(first);
  CHECK(first.tensors.empty());
  CHECK_THROWS_WITH(alone.joined("x", "file", false),
                    "cannot go on from file, because a piece of x begins at element 4 where 2 is expected; use another "
                    "checkpoint");
  CHECK(alone.joined("x", "file", true)->bytes.size() == 10);
  first = pieces_of({{0, 6}, {10, 20}});
  all.take(first);
  all.take(second);
  CHECK(all.names() == std::vector<std::string>{"x"});
  auto const whole = all.joined("x", "file", false);
  REQUIRE(whole);
  CHECK(whole->dtype == "BF16");
  CHECK(whole->bytes == std::vector<std::uint8_t>{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  CHECK_FALSE(all.joined("y", "file", false));
  all.take(second = pieces_of({{6, 10}}));
  CHECK_THROWS_WITH(all.joined("x", "file", true), Catch::Contains("begins at element 2 where 4 is expected"));
}
