// Hand-off between the threads of one process: counters of microbatches, no locks, no copies.
//
// A channel is one wire in one direction. Its ring lies in the receiver's arena; the sender writes into it in place.
//
//   sender:    wait until m is released - ring    write slot m mod ring    produced := m + 1   ring the receiver's bell
//   receiver:  wait until produced > m            read the slot           released := m + 1   ring the sender's bell
//
// A store to a counter releases what was written before it; a load of the counter acquires it. A counter has one writer.
// Sleep: the waiter says `asleep`, then looks at its counter once more, then sleeps on the bell; the writer stores the
// counter, then looks at `asleep`. Both pairs are sequentially consistent, so one of the two sees the other and no wake-up
// is lost.
#pragma once

#include <atomic>
#include <cstdint>

#include <foal/core/config.hpp>

namespace foal::transport {

/// One per worker: what it sleeps on when an op is not ready.
struct alignas(alignment) bell {
  std::atomic<std::uint32_t> rings{0};
  std::atomic<bool> asleep{false};

  /// Wakes the worker if it sleeps or is about to.
  void ring() {
    if (!asleep.load(std::memory_order_seq_cst)) return;
    rings.fetch_add(1, std::memory_order_seq_cst);
    rings.notify_one();
  }

  /// Sleeps until ring(), unless ready() holds already. ready is called after `asleep` is set.
  template <class Ready>
  void sleep_unless(Ready ready) {
    asleep.store(true, std::memory_order_seq_cst);
    std::uint32_t const before = rings.load(std::memory_order_seq_cst);
    if (!ready()) rings.wait(before, std::memory_order_seq_cst);
    asleep.store(false, std::memory_order_relaxed);
  }
};

/// Number of microbatches that passed a point, modulo 2^32; one writer, one reader that waits.
struct alignas(alignment) counter {
  std::atomic<std::uint32_t> value{0};

  /// Publishes `to` and wakes the one who may wait for it.
  void advance(std::uint32_t to, bell& waiter) {
    value.store(to, std::memory_order_seq_cst);
    waiter.ring();
  }
  bool reached(std::uint32_t target) const {
    return static_cast<std::int32_t>(value.load(std::memory_order_seq_cst) - target) >= 0;
  }
};

/// One wire, one direction. read: the receiver is through with what it needs only in its F (or B); released: with all.
struct channel {
  counter produced, read, released;

  void reset() {
    produced.value.store(0, std::memory_order_relaxed);
    read.value.store(0, std::memory_order_relaxed);
    released.value.store(0, std::memory_order_relaxed);
  }
};

}  // namespace foal::transport
