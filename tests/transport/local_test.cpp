// The hand-off between threads: no lost wake-up, slots in order, counters that wrap.
#include <foal/core/spin_pause.hpp>
#include <foal/transport/local.hpp>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

using foal::transport::bell;
using foal::transport::channel;
using foal::transport::counter;

/// Ends the program when the test makes no step for a minute: a lost wake-up would hang for ever. A busy machine makes steps
/// slow, so their sum has no limit here.
class watchdog {
 public:
  watchdog()
      : thread_([this] {
          int const patience = 6000;
          long long seen = -1;
          for (int still = 0; still < patience; ++still) {
            long long const now = steps_.load();
            if (now == through) return;
            if (now != seen) still = 0;
            seen = now;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
          }
          std::abort();
        }) {}
  watchdog(watchdog const&) = delete;
  ~watchdog() {
    steps_.store(through);
    thread_.join();
  }
  /// One thread calls it.
  void step() { ++steps_; }

 private:
  static constexpr long long through = -2;
  std::atomic<long long> steps_{0};
  std::thread thread_;
};

void wait_for(counter const& c, std::uint32_t target, bell& mine) {
  while (!c.reached(target)) mine.sleep_unless([&] { return c.reached(target); });
}

/// Both ways of order between a ring and a sleep: each ring has its own barrier, and, where the system can, the sleeper
/// makes that of all.
std::vector<bool> const& ways() {
  static std::vector<bool> const all =
      foal::has_process_barrier() ? std::vector<bool>{false, true} : std::vector<bool>{false};
  return all;
}

/// Spends a pseudo-random while, mostly short, now and then long enough for the other side to fall asleep.
class seeded_delay {
 public:
  explicit seeded_delay(std::uint32_t seed) : state_(seed) {}
  void operator()() {
    state_ = state_ * 1664525U + 1013904223U;
    std::uint32_t const draw = state_ >> 16U;
    for (std::uint32_t i = 0; i < (draw % 64 == 0 ? draw / 32 : draw % 64); ++i) foal::spin_pause();
  }

 private:
  std::uint32_t state_;
};

}  // namespace

TEST_CASE("two threads that sleep at every hand-off never lose a wake-up") {
  watchdog guard;
  for (bool const pays : ways())
    for (std::uint32_t first : {0U, 0xFFFFFFF0U}) {  // the second run wraps
      constexpr std::uint32_t hops = 10000;
      counter there, back;
      bell mine(pays), theirs(pays);
      there.value = back.value = first;
      std::thread other([&] {
        for (std::uint32_t i = 1; i <= hops; ++i) {
          wait_for(there, first + i, theirs);
          back.advance(first + i, mine);
        }
      });
      for (std::uint32_t i = 1; i <= hops; ++i) {
        there.advance(first + i, theirs);
        wait_for(back, first + i, mine);
        guard.step();
      }
      other.join();
      CHECK(there.value.load() == first + hops);
      CHECK(back.value.load() == first + hops);
    }
}

TEST_CASE("a ring at any moment of a sleep wakes") {
  watchdog guard;
  for (bool const pays : ways())
    for (std::uint32_t seed : {1U, 2U, 3U}) {
      constexpr std::uint32_t hops = 3000;
      counter there, back;
      bell mine(pays), theirs(pays);
      std::thread other([&] {
        seeded_delay delay(seed);
        for (std::uint32_t i = 1; i <= hops; ++i) {
          wait_for(there, i, theirs);
          delay();
          back.advance(i, mine);
        }
      });
      seeded_delay delay(seed + 100);
      for (std::uint32_t i = 1; i <= hops; ++i) {
        delay();
        there.advance(i, theirs);
        delay();
        wait_for(back, i, mine);
        guard.step();
      }
      other.join();
      CHECK(back.value.load() == hops);
    }
}

TEST_CASE("one bell serves several counters") {
  watchdog guard;
  constexpr int writers = 3;
  constexpr std::uint32_t rounds = 2000;
  for (bool const pays : ways()) {
    std::vector<counter> out(writers), in(writers);
    std::array<bell, writers> bells{bell(pays), bell(pays), bell(pays)};
    bell mine(pays);
    std::vector<std::thread> threads;
    for (std::size_t w = 0; w < writers; ++w)
      threads.emplace_back([&, w] {
        for (std::uint32_t i = 1; i <= rounds; ++i) {
          wait_for(out[w], i, bells[w]);
          in[w].advance(i, mine);
        }
      });
    for (std::uint32_t i = 1; i <= rounds; ++i) {
      for (std::size_t w = 0; w < writers; ++w) out[w].advance(i, bells[w]);
      auto const all = [&] {
        for (auto const& c : in)
          if (!c.reached(i)) return false;
        return true;
      };
      while (!all()) mine.sleep_unless(all);
      guard.step();
    }
    for (auto& t : threads) t.join();
    for (auto const& c : in) CHECK(c.value.load() == rounds);
  }
}

TEST_CASE("a ring hands every slot over once, in order, and never ahead of its release") {
  watchdog guard;
  for (bool const pays : ways())
    for (std::uint32_t slots : {1U, 2U, 3U, 7U}) {
      constexpr std::uint32_t messages = 3000;
      channel wire;
      bell sender(pays), receiver(pays);
      std::vector<std::uint64_t> ring(slots, 0);
      std::uint64_t wrong = 0;
      std::thread other([&] {
        for (std::uint32_t m = 0; m < messages; ++m) {
          wait_for(wire.produced, m + 1, receiver);
          wrong += ring[m % slots] != m * 2654435761ULL ? 1U : 0U;
          wire.released.advance(m + 1, sender);
        }
      });
      for (std::uint32_t m = 0; m < messages; ++m) {
        if (m >= slots) wait_for(wire.released, m + 1 - slots, sender);
        ring[m % slots] = m * 2654435761ULL;
        wire.produced.advance(m + 1, receiver);
        guard.step();
      }
      other.join();
      CHECK(wrong == 0);
      wire.reset();
      CHECK((wire.produced.value.load() == 0 && wire.released.value.load() == 0));
    }
}

TEST_CASE("counters compare across the wrap") {
  counter c;
  c.value = 0xFFFFFFFEU;
  CHECK(c.reached(0xFFFFFFFEU));
  CHECK_FALSE(c.reached(0xFFFFFFFFU));
  CHECK_FALSE(c.reached(1));
  c.value = 1;
  CHECK(c.reached(0xFFFFFFFFU));
  CHECK(c.reached(1));
  CHECK_FALSE(c.reached(2));
}

TEST_CASE("a bell that nobody sleeps on costs no wake-up") {
  for (bool const pays : ways()) {
    bell b(pays);
    b.ring();
    CHECK(b.rings.load() == 0);
    bool asked = false;
    b.sleep_unless([&] {
      asked = b.asleep.load();
      b.ring();  // as a writer does between the look at the counter and the sleep
      return false;
    });
    CHECK(asked);  // it slept only until the ring that had already come
    CHECK(b.rings.load() == 1);
    CHECK_FALSE(b.asleep.load());
  }
}

TEST_CASE("a bell asks nothing of those who ring where its sleeper can pay") {
  CHECK(bell().sleeper_pays == foal::has_process_barrier());
}
