// What every transport between processes does with an open end: messages whole, in order, and slots given back.
#include <foal/transport/message_end.hpp>

#include <array>
#include <catch2/catch.hpp>

#include "tests/support/wire_side.hpp"

namespace {

using namespace foal::transport;
using foal::test::wire_side;

}  // namespace

TEST_CASE("messages go from slot to slot, and no slot is overwritten before it is free") {
  constexpr std::uint32_t total = 6;
  wire_side from, to;
  message_end out(from.end(true, total)), in(to.end(false, total));
  CHECK(out.bytes() == 4);
  CHECK(out.number() == 7);
  std::array<std::byte, 4> message{};
  outbox room{&from.counts, &from.mine, 2, 3};
  inbox there{&to.counts, &to.mine, true, true};
  std::uint32_t written = 0, taken = 0;
  CHECK_FALSE(out.ready());
  for (std::uint32_t m = 0; m < total; ++m) {
    for (; written < total && room.room(written); ++written) {
      from.write(written);
      room.send(written + 1);
    }
    CHECK(written == std::min(m + 2, total));
    REQUIRE(out.ready());
    out.pass(message.data());
    if (!in.ready()) {  // both slots wait to be read
      CHECK(m - taken == 2);
      there.read(++taken);
      there.release(taken);
    }
    REQUIRE(in.ready());
    in.pass(message.data());
    CHECK(there.arrived(m));
    CHECK(to.small[m % 2] == static_cast<std::byte>(m));
    CHECK(to.large[m % 3 * 3 + 2] == static_cast<std::byte>(10 * m + 2));
  }
  CHECK(out.done());
  CHECK(in.done());
  CHECK_FALSE(out.ready());
}
