// Links that are slow, stand still and lose messages: these come later, when the link says, and otherwise as they were sent.
#include <foal/transport/delayed.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "tests/support/boxes.hpp"
#include "tests/support/wire_side.hpp"

namespace {

using namespace foal;
using test::hand_clock;
using transport::link_times;
using transport::link_values;
using slow = transport::delayed<test::boxes, hand_clock>;
static_assert(transport::connects<slow> && transport::connects<transport::delayed<test::boxes>>);

/// One wire with an entry of two slots and one of three, from a unit to another, and a channel of slow links between them.
class wire {
 public:
  static constexpr std::uint32_t slots = 2;

  wire(link_values const& link, std::uint32_t total, int number = 7) : total_(total) {
    hand_clock::now = 0;
    slow::link() = link;
    test::boxes::all.erase(number);
    number_ = number;
    end_ = total;
    open(0);
  }
  ~wire() { slow::link() = {}; }
  wire(wire const&) = delete;

  /// The n-th message is the last.
  void end_at(std::uint32_t n) {
    end_ = n;
    from_channel_->end_at(n);
    to_channel_->end_at(n);
  }
  /// From there to the program's end, over new channels.
  void go_on() { open(std::exchange(end_, total_)); }

  /// Both ends do what they can; the receiver reads what is there, where it `takes`.
  void turn(bool takes = true) {
    for (bool moved = true; std::exchange(moved, false);) {
      moved = turn_sender();
      moved = to_channel_->progress() || moved;
      for (; takes && there_.arrived(read_) && read_ < end_; moved = true) {
        CHECK(to_.holds(read_));
        arrived_at.push_back(hand_clock::now);
        there_.read(++read_);
        there_.release(read_);
      }
    }
  }
  /// The sender alone.
  bool turn_sender() {
    bool moved = false;
    for (; sent_ < end_ && room_.room(sent_); ++sent_, moved = true) {
      from_.write(sent_);
      room_.send(sent_ + 1);
    }
    return from_channel_->progress() || moved;
  }
  std::uint32_t sent() const { return sent_; }
  std::uint32_t read() const { return read_; }
  bool done() const { return from_channel_->done() && to_channel_->done(); }

  std::vector<double> arrived_at;

 private:
  void open(std::uint32_t begun) {
    transport::open_end from = from_.end(true, total_, number_), to = to_.end(false, total_, number_);
    from.begun = to.begun = begun;
    from_channel_.reset();
    to_channel_.reset();
    from_all_ = std::make_unique<slow>();
    to_all_ = std::make_unique<slow>();
    from_channel_ = std::make_unique<slow::channel>(*from_all_, std::move(from), 1);
    to_channel_ = std::make_unique<slow::channel>(*to_all_, std::move(to), 0);
  }

  std::uint32_t total_, end_ = 0, sent_ = 0, read_ = 0;
  int number_ = 0;
  test::wire_side from_, to_;
  transport::outbox room_{&from_.counts, &from_.mine, 2, 3};
  transport::inbox there_{&to_.counts, &to_.mine, true, true};
  std::unique_ptr<slow> from_all_, to_all_;
  std::unique_ptr<slow::channel> from_channel_, to_channel_;
};

std::vector<double> arrivals(link_values const& link, int channel, std::uint32_t count) {
  link_times times(link);
  std::vector<double> all;
  for (std::uint32_t n = 0; n < count; ++n) all.push_back(times.arrival(channel, n, 100, 1000.0 * n) - 1000.0 * n);
  return all;
}

}  // namespace

TEST_CASE("messages come whole, in order, and as late as the link is long") {
  wire w({.latency = 2}, 20);
  w.turn();
  CHECK(w.sent() == 20);  // who sends has its slots back at once
  CHECK(w.read() == 0);
  hand_clock::now = 1.5;
  w.turn();
  CHECK(w.read() == 0);
  CHECK_FALSE(w.done());
  hand_clock::now = 2;
  w.turn();
  CHECK(w.read() == 20);
  CHECK(w.done());
}

TEST_CASE("the link sends one message after the other, of all channels to a process") {
  link_times one({.latency = 5, .bandwidth = 100});
  CHECK(one.arrival(0, 0, 100, 0) == 6);
  CHECK(one.arrival(1, 0, 200, 0) == 8);
  CHECK(one.arrival(0, 1, 100, 0.5) == 9);
  CHECK(one.arrival(0, 2, 100, 50) == 56);  // it was idle
  wire w({.bandwidth = 4}, 6);              // a message has four bytes
  for (int second = 0; second <= 6; ++second) {
    hand_clock::now = second;
    w.turn();
    CHECK(w.read() == static_cast<std::uint32_t>(second));
  }
}

TEST_CASE("what happens to a message depends on the seed, its channel and its number alone") {
  link_values const link{.latency = 1, .jitter = 2, .stall_share = 0.25, .stall = 10, .drop_share = 0.5, .resend = 100};
  auto const of = arrivals(link, 4, 2000);
  CHECK(of == arrivals(link, 4, 2000));
  CHECK(of != arrivals(link, 5, 2000));
  link_values other = link;
  other.seed = 2;
  CHECK(of != arrivals(other, 4, 2000));
  link_times backwards(link);
  CHECK(backwards.arrival(4, 1999, 100, 1e6) - 1e6 == Approx(of[1999]));

  int stalled = 0, resent = 0, most = 0;
  double jitter = 0;
  for (double const late : of) {
    int const times = static_cast<int>(late / 100);
    double const rest = late - 100 * times, beside = rest >= 11 ? rest - 10 : rest;
    stalled += rest >= 11 ? 1 : 0;
    resent += times;
    most = std::max(most, times);
    CHECK(beside >= 1);
    CHECK(beside < 3);
    jitter += (beside - 1) / static_cast<double>(of.size());
  }
  CHECK(stalled == Approx(500).margin(80));
  CHECK(resent == Approx(2000).margin(300));  // lost once with 1/2, twice with 1/4 ...
  CHECK(most > 5);
  CHECK(jitter == Approx(1).margin(0.1));
}

TEST_CASE("messages that others overtake on their way are waited for") {
  wire w({.latency = 0.1, .jitter = 5, .stall_share = 0.2, .stall = 3, .drop_share = 0.3, .resend = 7}, 200);
  for (int tick = 0; tick < 100'000 && w.read() < 200; ++tick) {
    hand_clock::now += 0.05;
    w.turn(tick % 3 == 0);
  }
  CHECK(w.read() == 200);
  CHECK(w.done());
  CHECK(std::is_sorted(w.arrived_at.begin(), w.arrived_at.end()));
  CHECK(w.arrived_at.back() > 100);
}

TEST_CASE("so many messages are on their way, and more wait at the sender") {
  for (int in_flight : {1, 3}) {
    INFO(in_flight);
    wire w({.latency = 10, .in_flight = in_flight}, 50);
    for (int turns = 0; turns < 3; ++turns) w.turn();
    // On their way, one in the box, two behind the sender's slots, and in these.
    CHECK(w.sent() == static_cast<std::uint32_t>(in_flight) + 1 + 2 + wire::slots);
    for (; w.read() < 50 && hand_clock::now < 10'000; hand_clock::now += 1) w.turn();
    CHECK(w.done());
  }
}

TEST_CASE("a link that delays nothing brings messages as they are sent, and a receiver without room keeps them") {
  wire w({}, 30);
  w.turn(false);
  CHECK(w.read() == 0);
  w.turn();
  CHECK(w.read() == 30);
  CHECK(w.done());
}

TEST_CASE("a channel behind a slow link ends before the program's last message, and goes on from there") {
  wire w({.latency = 1}, 30);
  w.end_at(12);
  w.turn();
  CHECK_FALSE(w.done());
  hand_clock::now = 1;
  w.turn();
  CHECK(w.read() == 12);
  CHECK(w.done());
  w.go_on();
  for (; w.read() < 30 && hand_clock::now < 100; hand_clock::now += 1) w.turn();
  CHECK(w.read() == 30);
  CHECK(w.done());
}

TEST_CASE("where the sender's clock is ahead a message is late by the link alone") {
  wire w({.latency = 2}, 1);
  hand_clock::now = 500;
  w.turn_sender();
  hand_clock::now = 0;
  w.turn();
  CHECK(w.read() == 0);
  hand_clock::now = 2;
  w.turn();
  CHECK(w.read() == 1);
}

TEST_CASE("links that there cannot be are refused with a sentence") {
  auto const refuses = [](link_values const& link, char const* why) {
    slow::link() = link;
    CHECK_THROWS_WITH(slow(), Catch::Contains("cannot delay messages by a link whose ") && Catch::Contains(why));
    slow::link() = {};
  };
  refuses({.latency = -1}, "latency is -1, because that is none; give 0 to 3600");
  refuses({.bandwidth = std::numeric_limits<double>::quiet_NaN()}, "bandwidth is nan");
  refuses({.jitter = std::numeric_limits<double>::infinity()}, "jitter is inf");
  refuses({.stall_share = 1.5}, "stall_share is 1.5, because that is none; give 0 to 1");
  refuses({.stall = -1e-9}, "stall is ");
  refuses({.drop_share = 1}, "drop_share is 1, because that is none; give 0 to 0.9");
  refuses({.resend = 1e9}, "resend is ");
  refuses({.in_flight = 0}, "in_flight is 0, because so many cannot be on their way; give 1 to 1048576");
  CHECK_NOTHROW(slow());
}

TEST_CASE("place, texts and the end of all are the other transport's") {
  CHECK(slow::place().number == test::boxes::place().number);
  CHECK(slow::place().count == 2);
  CHECK(slow().exchange("x") == std::vector<std::string>{"x", "x"});
  slow::end_all("why");
  CHECK(test::boxes::ended == "why");
}
