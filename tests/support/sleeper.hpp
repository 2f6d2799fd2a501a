// Workers that are disturbed: so that they, and evaluations, meet in other places each time.
#pragma once

#include <chrono>
#include <cstdint>
#include <foal/core/random.hpp>
#include <foal/executor/drive.hpp>
#include <thread>

namespace foal::test {

/// Sleeps now and then, as a function of (seed, worker, ops).
struct sleeper {
  std::uint64_t seed;
  executor::disturbance hook() {
    return {this, [](void* self, int worker, long long ops) {
              random_key const key{static_cast<sleeper*>(self)->seed, purpose::user, static_cast<std::uint32_t>(worker)};
              std::uint32_t const word = random_word(key, static_cast<std::uint32_t>(ops));
              if (word % 16 == 0)
                std::this_thread::sleep_for(std::chrono::microseconds(word / 16 % 200));
              else if (word % 16 == 1)
                std::this_thread::yield();
            }};
  }
};

}  // namespace foal::test
