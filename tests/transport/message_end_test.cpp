// What every transport between processes does with an open end: messages whole, in order, and slots given back.
#include <foal/transport/message_end.hpp>

#include <array>
#include <catch2/catch.hpp>

namespace {

using namespace foal::transport;

/// One wire with an entry of two slots and one of three, and the counters of its ends.
struct wire {
  channel counts;
  bell mine;
  std::array<std::byte, 2> small{};
  std::array<std::byte, 9> large{};
  bool sends;

  explicit wire(bool from_here) : sends(from_here) {}
  open_end end(long long total) {
    return {.id = {3, 0, channel_kind::gradient},
            .number = 7,
            .sends = sends,
            .out = {&counts, &mine, true, true},
            .in = {&counts, &mine, 2, 3},
            .entries = {{small.data(), 1, 1, 2}, {large.data(), 3, 3, 3}},
            .order = {{0, 1}, 2, total}};
  }
  void write(std::uint32_t m) {
    small[m % 2] = static_cast<std::byte>(m);
    for (std::uint32_t i = 0; i < 3; ++i) large[m % 3 * 3 + i] = static_cast<std::byte>(10 * m + i);
  }
};

}  // namespace

TEST_CASE("messages go from slot to slot, and no slot is overwritten before it is free") {
  constexpr std::uint32_t total = 6;
  wire from(true), to(false);
  message_end out(from.end(total)), in(to.end(total));
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
