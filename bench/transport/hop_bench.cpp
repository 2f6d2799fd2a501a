// A hop from one worker to another and back: foal's counters and bells against a bare ring. hop_bench [--json FILE]
// [--rounds N]
//
// Two threads bound to two CPUs send each other 8 bytes in turn through rings of four slots. The bare ring is a slot and a
// flag on a cache line of its own, stored with release and awaited with acquire. foal's side does what a worker does: it
// looks at the counter it remembers, then at the channel's, spins, yields, sleeps on its bell; it publishes with the counter
// and looks whether the other sleeps. Both spin with the processor's pause hint; the bare ring is also shown without.
#include <foal/core/spin_pause.hpp>
#include <foal/executor/drive.hpp>
#include <foal/transport/local.hpp>
#include <latch>
#include <memory>
#include <thread>

#include "../support/outcome.hpp"

namespace {

constexpr std::uint32_t slots = 4, hops = 4000;

struct alignas(foal::alignment) payload {
  std::uint64_t value = 0;
};

/// Bare ring: one direction.
struct bare_ring {
  struct alignas(foal::alignment) flag {
    std::atomic<std::uint32_t> value{0};
  };
  payload slot[slots];
  flag produced;

  void send(std::uint32_t m, std::uint64_t value) {
    slot[m % slots].value = value;
    produced.value.store(m + 1, std::memory_order_release);
  }
  template <bool Pause>
  std::uint64_t receive(std::uint32_t m) {
    while (static_cast<std::int32_t>(produced.value.load(std::memory_order_acquire) - m) <= 0)
      if constexpr (Pause) foal::spin_pause();
    return slot[m % slots].value;
  }
};

/// foal's ring: one direction, as executor::worker and executor::drive_thread use it.
struct foal_ring {
  payload slot[slots];
  foal::transport::channel channel;
  std::uint32_t seen = 0;  // by the receiver

  void send(std::uint32_t m, std::uint64_t value, foal::transport::bell& receiver) {
    slot[m % slots].value = value;
    channel.produced.advance(m + 1, receiver);
  }
  bool arrived(std::uint32_t m) {
    if (static_cast<std::int32_t>(seen - m) > 0) return true;
    seen = channel.produced.value.load(std::memory_order_acquire);
    return static_cast<std::int32_t>(seen - m) > 0;
  }
  std::uint64_t receive(std::uint32_t m, foal::transport::bell& own) {
    constexpr int spins = 200, yields = 8;
    for (int idle = 0; !arrived(m);) {
      if (++idle <= spins) {
        foal::spin_pause();
      } else if (idle <= spins + yields) {
        std::this_thread::yield();
      } else {
        own.sleep_unless([&] { return arrived(m); });
        idle = 0;
      }
    }
    return slot[m % slots].value;
  }
};

/// Nanoseconds of a hop: `there` is called by this thread, `back` by one on the other CPU, both for 0 .. hops / 2 - 1.
template <class There, class Back>
double hop(There there, Back back) {
  std::latch ready(2);
  std::thread other([&] {
    foal::executor::pin_to_cpu(1);
    ready.arrive_and_wait();
    for (std::uint32_t m = 0; m < hops / 2; ++m) back(m);
  });
  ready.arrive_and_wait();
  // The fastest of a few stretches: a stretch in which one of the two threads was not running says nothing about a hop.
  constexpr std::uint32_t stretch = 200;
  double best = 1e300;
  for (std::uint32_t m = 0; m < hops / 2;) {
    double const begin = bench::now_seconds();
    for (std::uint32_t const end = m + stretch; m < end; ++m) there(m);
    best = std::min(best, (bench::now_seconds() - begin) / (2 * stretch) * 1e9);
  }
  other.join();
  return best;
}

template <bool Pause>
double bare_hop() {
  auto const out = std::make_unique<bare_ring>(), in = std::make_unique<bare_ring>();
  return hop(
      [&](std::uint32_t m) {
        out->send(m, m);
        foal::require(in->template receive<Pause>(m) == m + 1, "cannot measure, because a bare ring lost a message");
      },
      [&](std::uint32_t m) { in->send(m, out->template receive<Pause>(m) + 1); });
}

double foal_hop() {
  auto const out = std::make_unique<foal_ring>(), in = std::make_unique<foal_ring>();
  auto const bells = std::make_unique<foal::transport::bell[]>(2);
  return hop(
      [&](std::uint32_t m) {
        out->send(m, m, bells[1]);
        foal::require(in->receive(m, bells[0]) == m + 1, "cannot measure, because a ring lost a message");
      },
      [&](std::uint32_t m) { in->send(m, out->receive(m, bells[1]) + 1, bells[0]); });
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 101);
    bench::outcome out("hop_bench", options);
    foal::require(std::thread::hardware_concurrency() >= 2,
                  "cannot measure a hop, because this machine has one CPU; use one with two");
    foal::executor::pin_to_cpu(0);
    auto const times = bench::take_turns(options.rounds, foal_hop, bare_hop<true>, bare_hop<false>);
    out.add("foal", bench::spread_of(times[0]), "ns/hop");
    out.add("bare ring", bench::spread_of(times[1]), "ns/hop");
    out.add("bare ring that spins without pause", bench::spread_of(times[2]), "ns/hop");
    out.at_most("foal / bare ring", bench::ratio_of(times[0], times[1]), "", 1.15);
    out.add("foal / bare ring without pause", bench::ratio_of(times[0], times[2]), "");
    return out.finish();
  });
}
