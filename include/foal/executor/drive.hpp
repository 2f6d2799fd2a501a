// Drivers of workers: the calling thread alone (the reference), or one thread per worker.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <thread>
#include <vector>

#include <foal/core/denormals.hpp>
#include <foal/core/role.hpp>
#include <foal/core/spin_pause.hpp>
#include <foal/executor/worker.hpp>

namespace foal::executor {

/// Called between ops, for tests that disturb the timing: worker number and its count of ops so far.
struct disturbance {
  void* self = nullptr;
  void (*between)(void* self, int worker, long long ops) = nullptr;
};

// Every thread that runs ops flushes denormals, the one that evaluates too: bits are the same whoever runs what.

/// Drives a worker to its end on the calling thread, running `service` after each op. `service` does not throw. The one
/// worker hosts every rank, so nothing can be blocked except by an evaluation, which `service` runs.
template <class Service>
void drive_alone(worker& w, Service service) {
  flushed_denormals const flushed;
  for (;;) {
    progress const p = w.advance();
    service();
    if (p == progress::done) return;
    if (p == progress::blocked && !w.could_advance())
      throw error(sentence("cannot run ", w.next_op(),
                           ", because it waits although every rank is on this thread; the program "
                           "was not proved: prove it with foal::schedule::prove"));
  }
}

/// Drives a worker on its own thread: spins a little when blocked, then yields, then sleeps on its bell.
inline void drive_thread(worker& w, transport::bell& bell, disturbance const& disturb) {
  constexpr int spins = 200, yields = 8;
  flushed_denormals const flushed;
  long long ops = 0;
  for (int idle = 0;;) {
    progress const p = w.advance();
    if (p == progress::done) return;
    if (p == progress::ran) {
      idle = 0;
      if (disturb.between != nullptr) try {
          disturb.between(disturb.self, w.number(), ++ops);
        } catch (...) {
          w.keep_beside(std::current_exception());
        }
      continue;
    }
    if (++idle <= spins) {
      spin_pause();
    } else if (idle <= spins + yields) {
      std::this_thread::yield();
    } else {
      bell.sleep_unless([&w] { return w.could_advance(); });
      idle = 0;
    }
  }
}

/// Binds the calling thread to one CPU. Gives false where the system refuses.
inline bool pin_to_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu) % std::thread::hardware_concurrency(), &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
}

/// Runs all workers, one thread each, while the calling thread runs `service` every few milliseconds until they are done.
/// Throws foal::error before any op has been run where the system gives no more threads. `service` does not throw.
template <class Service>
void drive_threads(std::vector<worker>& workers, std::vector<transport::bell>& bells, bool pin, disturbance const& disturb,
                   Service service) {
  flushed_denormals const flushed;
  std::atomic<int> running{static_cast<int>(workers.size())};
  enum { waits, goes, ends };
  std::atomic<int> start{waits};  // nobody begins before all threads are there
  std::vector<std::thread> threads;
  auto const join = [&](int how) {
    start = how;
    start.notify_all();
    if (how == goes)
      while (running.load() > 0) {
        service();
        if (running.load() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    for (auto& t : threads) t.join();
  };
  try {
    threads.reserve(workers.size());
    for (std::size_t i = 0; i < workers.size(); ++i)
      threads.emplace_back([&, i] {
        start.wait(waits);
        if (start.load() == ends) return;
        if (pin) pin_to_cpu(static_cast<int>(i));
        drive_thread(workers[i], bells[i], disturb);
        running.fetch_sub(1);
      });
  } catch (std::exception const& refused) {  // std::system_error, std::bad_alloc
    join(ends);
    throw error(sentence("cannot start ", workers.size(), " threads, because the system refused number ", threads.size() + 1,
                         " (", refused.what(),
                         "); use fewer .workers, which train the same, or raise the limit of threads (ulimit -u)"));
  }
  join(goes);
  service();
}

/// The calling thread hosts every rank: the reference for every other executor.
struct single_thread {
  using role = foal::role::executor;
  static constexpr char const* name = "single_thread";
  static constexpr bool threaded = false;
};

/// One thread per worker; workers from 1 to the number of ranks.
struct threads {
  using role = foal::role::executor;
  static constexpr char const* name = "threads";
  static constexpr bool threaded = true;
};

}  // namespace foal::executor
