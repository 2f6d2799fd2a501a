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

TEST_CASE("a channel that goes on behind its n-th message has what it would have, and has given back the same slots") {
  struct {
    std::vector<int> body;
    int microbatches;
    long long total;
  } const channels[] = {{{0, 1}, 2, 9},          {{1, 0}, 2, 8},        {{-3, -2}, 2, 12},  {{-1, 0}, 2, 10},
                        {{-3, 0, -2, 3}, 4, 40}, {{-7, -9, -2}, 3, 30}, {{2, 1, 0}, 3, 30}, {{}, 2, 6},
                        {{0, 1}, 2, 0}};
  for (auto const& c : channels) {
    constexpr std::uint32_t slots = 16;
    message_order walked(c.body, c.microbatches, c.total);
    left_in_order left(slots);
    for (long long n = 0;; ++n) {
      INFO("behind message " << n << " of a channel whose first is " << (c.body.empty() ? 0 : c.body.front()));
      message_order there(c.body, c.microbatches, c.total);
      left_in_order then = there.begin_at(n, slots), now = left;
      CHECK(then.up_to() == now.up_to());
      CHECK(all_of(there) == all_of(walked));
      for (message_order rest = walked; !rest.done(); rest.next())
        CHECK(then.pass(rest.microbatch()) == now.pass(rest.microbatch()));
      if (walked.done()) break;
      left.pass(walked.microbatch());
      walked.next();
    }
  }
}
