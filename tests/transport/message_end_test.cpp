// What every transport between processes does with an open end: messages whole, in order, and slots given back.
#include <foal/transport/message_end.hpp>

#include <array>
#include <catch2/catch.hpp>
#include <utility>

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

TEST_CASE("a channel ends at a message before the program's last, and goes on from there with the slots given back") {
  constexpr std::uint32_t total = 20, pause = 7;
  wire_side from, to;
  std::array<std::byte, 4> message{};
  outbox room{&from.counts, &from.mine, 2, 3};
  inbox there{&to.counts, &to.mine, true, true};
  std::uint32_t m = 0;
  auto const bring = [&](message_end& out, message_end& in, std::uint32_t up_to) {
    for (; m < up_to; ++m) {
      REQUIRE(room.room(m));
      from.write(m);
      room.send(m + 1);
      REQUIRE(out.ready());
      out.pass(message.data());
      REQUIRE(in.ready());
      in.pass(message.data());
      CHECK(to.holds(m));
      there.read(m + 1);
      there.release(m + 1);
    }
  };
  {
    message_end out(from.end(true, total)), in(to.end(false, total));
    bring(out, in, pause);
    out.end_at(pause);
    in.end_at(pause);
    CHECK(out.done());
    CHECK(in.done());
    CHECK_FALSE(out.ready());
    CHECK_FALSE(in.ready());
  }
  from.counts.read.value = from.counts.released.value = 1;  // as who restores a run may know it: the receiver's, of long ago
  room.seen_read = room.seen_released = 0;
  open_end sends = from.end(true, total), takes = to.end(false, total);
  sends.begun = takes.begun = pause;
  message_end out(std::move(sends)), in(std::move(takes));
  bring(out, in, total);
  CHECK(out.done());
  CHECK(in.done());
}
