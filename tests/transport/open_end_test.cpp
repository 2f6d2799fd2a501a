// The order of a channel's messages, and what of them has left.
#include <foal/transport/open_end.hpp>

#include <catch2/catch.hpp>

using foal::transport::left_in_order;
using foal::transport::message_order;

namespace {

std::vector<std::uint32_t> all_of(message_order order) {
  std::vector<std::uint32_t> all;
  for (; !order.done(); order.next()) all.push_back(order.microbatch());
  return all;
}

}  // namespace

TEST_CASE("a channel's messages are the phase's microbatches in the program's order, each once") {
  CHECK(all_of({{0, 1}, 2, 6}) == std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5});
  CHECK(all_of({{1, 0}, 2, 4}) == std::vector<std::uint32_t>{1, 0, 3, 2});
  CHECK(all_of({{-3, -2}, 2, 4}) == std::vector<std::uint32_t>{0, 1, 2, 3});  // periods overlap: two later than the first
  CHECK(all_of({{-1, 2}, 2, 6}) == std::vector<std::uint32_t>{2, 1, 4, 3, 5});
  CHECK(all_of({{}, 2, 6}).empty());
  CHECK(all_of({{0, 1}, 2, 0}).empty());
}

TEST_CASE("a phase has as many messages of a channel as microbatches, where any go over it") {
  CHECK(message_order({-1, 2}, 2, 6).count() == 6);
  CHECK(message_order({0, 1}, 2, 0).count() == 0);
  CHECK(message_order({}, 2, 6).count() == 0);
}

TEST_CASE("a slot is free again when all microbatches before have left") {
  left_in_order left(3);
  CHECK(left.pass(1) == 0);
  CHECK(left.pass(0) == 2);
  CHECK(left.pass(4) == 2);
  CHECK(left.pass(2) == 3);
  CHECK(left.pass(3) == 5);
}
