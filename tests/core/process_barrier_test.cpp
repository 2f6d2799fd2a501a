// A barrier of all threads: the store-buffer test, one side of which has no barrier of its own.
#include <foal/core/process_barrier.hpp>
#include <foal/core/spin_pause.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdint>
#include <thread>

namespace {

struct alignas(64) number {
  std::atomic<std::uint32_t> value{0};
};

/// Spins at first: a barrier that comes while the other side is off its processor shows nothing.
void pause(std::uint32_t& idle) {
  if (++idle < 1000)
    foal::spin_pause();
  else
    std::this_thread::yield();
}

}  // namespace

TEST_CASE("the barrier works exactly where the system says that it has it") {
  CHECK(foal::process_barrier() == foal::has_process_barrier());
}

TEST_CASE("of a plain store and look and a store, the barrier and a look one sees the other") {
  constexpr std::uint32_t rounds = 4000;
  bool const has = foal::has_process_barrier();
  number plain, barred, turn;
  std::atomic<std::uint32_t> done{0};
  std::uint32_t seen = 0;
  std::thread other([&] {
    for (std::uint32_t i = 1; i <= rounds; ++i) {
      std::uint32_t idle = 0;
      while (turn.value.load(std::memory_order_acquire) != i) pause(idle);
      plain.value.store(i, std::memory_order_relaxed);
      if (has)
        std::atomic_signal_fence(std::memory_order_seq_cst);
      else
        std::atomic_thread_fence(std::memory_order_seq_cst);
      seen = barred.value.load(std::memory_order_relaxed);
      done.store(i, std::memory_order_release);
    }
  });
  std::uint32_t lost = 0;
  for (std::uint32_t i = 1; i <= rounds; ++i) {
    turn.value.store(i, std::memory_order_release);
    for (std::uint32_t spin = 0; spin < i % 200; ++spin) std::atomic_signal_fence(std::memory_order_seq_cst);
    barred.value.store(i, std::memory_order_relaxed);
    if (has)
      REQUIRE(foal::process_barrier());
    else
      std::atomic_thread_fence(std::memory_order_seq_cst);
    std::uint32_t const looked = plain.value.load(std::memory_order_relaxed);
    std::uint32_t idle = 0;
    while (done.load(std::memory_order_acquire) != i) pause(idle);
    lost += looked != i && seen != i ? 1U : 0U;
  }
  other.join();
  CHECK(lost == 0);
}
