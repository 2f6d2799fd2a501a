// Hand-off between the threads of one process: counters of microbatches, no locks, no copies.
//
// A channel is one wire in one direction. In one process the outbox is the inbox: its ring lies in the receiver's arena, and
// the sender writes into it in place.
//
//   sender:    wait until m is released - ring    write slot m mod ring    produced := m + 1   ring the receiver's bell
//   receiver:  wait until produced > m            read the slot           released := m + 1   ring the sender's bell
//
// A store to a counter releases what was written before it; a load of the counter acquires it. A counter has one writer.
// Sleep: the waiter says `asleep`, then looks at its counter once more, then sleeps on the bell; the writer stores the
// counter, then looks at `asleep`. Between the two each needs a full barrier, so that one of them sees the other and no
// wake-up is lost. Messages are many and sleeps few: where the system lets it, the waiter makes that barrier in the writers
// too (process_barrier), and a message costs two plain stores and a look.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include <foal/core/config.hpp>
#include <foal/core/process_barrier.hpp>

namespace foal::transport {

/// One per worker: what it sleeps on when an op is not ready. Any thread may ring it, its worker alone sleeps.
struct alignas(alignment) bell {
  std::atomic<std::uint32_t> rings{0};
  std::atomic<bool> asleep{false};
  bool const sleeper_pays;  ///< for the barriers of those who ring; else each ring has its own

  bell() : bell(has_process_barrier()) {}
  /// pays: needs has_process_barrier().
  explicit bell(bool pays) : sleeper_pays(pays) {}

  /// Wakes the worker if it sleeps or is about to. What was stored before is seen by who does not hear it.
  void ring() {
    if (sleeper_pays)
      std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler, too, keeps the order
    else
      std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!asleep.load(std::memory_order_relaxed)) return;
    rings.fetch_add(1, std::memory_order_seq_cst);
    rings.notify_one();
  }

  /// Sleeps until ring(), unless ready() holds already. ready is called after `asleep` is set. It may return before, so who
  /// calls looks again.
  template <class Ready>
  void sleep_unless(Ready ready) {
    asleep.store(true, std::memory_order_relaxed);
    bool const ordered = order_rings();
    std::uint32_t const before = rings.load(std::memory_order_seq_cst);
    if (!ready()) {
      if (ordered)
        rings.wait(before, std::memory_order_seq_cst);
      else
        std::this_thread::yield();  // a ring may go unheard
    }
    asleep.store(false, std::memory_order_relaxed);
  }

 private:
  bool order_rings() const {
    if (sleeper_pays) return process_barrier();
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return true;
  }
};

/// Number of microbatches that passed a point, modulo 2^32; one writer, one reader that waits.
struct alignas(alignment) counter {
  std::atomic<std::uint32_t> value{0};

  /// Publishes `to` and wakes the one who may wait for it.
  void advance(std::uint32_t to, bell& waiter) {
    value.store(to, std::memory_order_release);
    waiter.ring();
  }
  bool reached(std::uint32_t target) const {
    return static_cast<std::int32_t>(value.load(std::memory_order_acquire) - target) >= 0;
  }
};

struct channel_events;

/// One wire, one direction. read: the receiver is through with what it needs only in its F (or B); released: with all.
struct channel {
  counter produced, read, released;
  channel_events* events = nullptr;  ///< where a message is there later than it is counted

  void reset() {
    produced.value.store(0, std::memory_order_relaxed);
    read.value.store(0, std::memory_order_relaxed);
    released.value.store(0, std::memory_order_relaxed);
  }
};

/// Which slots of a pool are free for the messages of a channel: those whose microbatches before, of any unit that shares
/// the pool, have been given back.
struct slot_gate {
  struct condition {
    counter const* freed = nullptr;
    long long first = 0, step = 0;  ///< it must have reached `first`, and `step` more with each cycle
  };
  std::uint32_t cycle = 1;           ///< microbatches
  std::vector<std::uint32_t> begin;  ///< by microbatch of a cycle, where its conditions begin
  std::vector<condition> all;

  bool open(std::uint32_t m) const {
    std::uint32_t const i = m % cycle;
    for (std::uint32_t k = begin[i]; k < begin[i + 1]; ++k) {
      long long const least = all[k].first + m / cycle * all[k].step;
      if (least > 0 && !all[k].freed->reached(static_cast<std::uint32_t>(least))) return false;
    }
    return true;
  }
};

/// The sender's end of a channel. What is sent is counted in messages, which arrive in the order in which they are taken
/// (the proof says so); room is counted in microbatches, which give their slots back in their own order.
struct outbox {
  channel* through = nullptr;  ///< null: nobody receives
  bell* receiver = nullptr;
  std::uint32_t transit_slots = 0;  ///< of entries that the receiver reads in one op only; 0: no such entry
  std::uint32_t kept_slots = 0;     ///< of entries that it keeps longer; 0: none
  std::uint32_t seen_read = 0, seen_released = 0;
  slot_gate const* gate = nullptr;  ///< of entries in a pool; null: none

  /// Whether slot m mod slots is free: the receiver is through with microbatch m - slots. Every op of a run asks, and a call
  /// would be a twentieth of what it costs.
  [[gnu::always_inline]] bool room(std::uint32_t m) {
    if (through == nullptr) return true;
    auto const free = [m](counter const& c, std::uint32_t slots, std::uint32_t& seen) {
      if (slots == 0 || static_cast<std::int32_t>(seen + slots - m) > 0) return true;
      seen = c.value.load(std::memory_order_acquire);
      return static_cast<std::int32_t>(seen + slots - m) > 0;
    };
    return free(through->read, transit_slots, seen_read) && free(through->released, kept_slots, seen_released) &&
           (gate == nullptr || gate->open(m));
  }
  /// What has been written since the message before is the next one; `count` with it.
  void send(std::uint32_t count) {
    if (through != nullptr) through->produced.advance(count, *receiver);
  }
};

/// The receiver's end.
struct inbox {
  channel* through = nullptr;  ///< null: nobody sends
  bell* sender = nullptr;
  bool transit = false, kept = false;  ///< it has such entries
  std::uint32_t seen = 0;

  /// Whether there are more messages than the `count` that were taken.
  bool arrived(std::uint32_t count) {
    if (through == nullptr || static_cast<std::int32_t>(seen - count) > 0) return true;
    seen = through->produced.value.load(std::memory_order_acquire);
    return static_cast<std::int32_t>(seen - count) > 0;
  }
  /// All microbatches before `up_to` have been read by the one op that reads what is in transit.
  void read(std::uint32_t up_to) {
    if (transit) through->read.advance(up_to, *sender);
  }
  /// Nothing of the microbatches before `up_to` is needed any more.
  void release(std::uint32_t up_to) {
    if (kept) through->released.advance(up_to, *sender);
  }
};

}  // namespace foal::transport
