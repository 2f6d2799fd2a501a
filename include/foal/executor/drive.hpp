// Executors: who calls the workers' advance(), and when. A type with drive(workers, service), a user's own as well.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <exception>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include <foal/core/denormals.hpp>
#include <foal/core/role.hpp>
#include <foal/core/spin_pause.hpp>
#include <foal/executor/phase_end.hpp>
#include <foal/executor/pin.hpp>
#include <foal/executor/worker.hpp>
#include <foal/transport/contract.hpp>

namespace foal::executor {

/// Called between ops, for tests that disturb the timing: worker number and its count of ops so far.
struct disturbance {
  void* self = nullptr;
  void (*between)(void* self, int worker, long long ops) = nullptr;
};

using transport::process_place;

class run_memory;
struct evaluation_rounds;
class stall_guard;

/// The phase that is run: for an executor of several processes, which brings messages between them (open_channels), agrees
/// with them on its places, gathers its end over all of them
/// (with phase_end::common), brings its evaluations on (shared_evaluation; null: there are none), and finds with them
/// whether it stands still (stall_agreement; null: nobody looks).
struct hosted_phase {
  run_memory& memory;
  schedule::program_view program;
  phase_state& shared;
  phase_end& end;
  evaluation_rounds* evaluations = nullptr;
  stall_guard* guard = nullptr;
};

/// What a run asks of its executor besides advance(): to be called now and then, on the thread that called drive(), and once
/// more when all workers are done. It does not throw. Evaluations and progress are done there, so a worker may be blocked
/// until it has been called.
class service {
 public:
  /// f is kept by reference.
  template <class F>
  service(F& f, bool pin, disturbance const& between, hosted_phase const& at_work)
      : pins(pin),
        phase(at_work),
        disturb(between),
        self_(const_cast<void*>(static_cast<void const*>(&f))),
        call_([](void* self) { (*static_cast<F*>(self))(); }) {}
  void operator()() const { call_(self_); }

  bool pins;  ///< worker i is wanted on CPU i; an executor that cannot do that says so
  hosted_phase phase;
  disturbance const& disturb;  ///< to be called after an op of a worker: disturb_after()

 private:
  void* self_;
  void (*call_)(void* self);
};

/// The worker has run an op, its ops-th.
inline void disturb_after(worker& w, disturbance const& by, long long ops) {
  if (by.between == nullptr) return;
  try {
    by.between(by.self, w.number(), ops);
  } catch (...) {
    w.keep_beside(std::current_exception());
  }
}

/// An executor drives all workers to their end: until advance() of each gives progress::done. Any order, any threads, but
/// one thread at a time for one worker. `threaded`: it takes more than one worker. Threads that run ops flush denormals
/// (flushed_denormals), so that bits are the same whoever runs what.
template <class E>
concept drives = requires(std::span<worker> workers, service const& run) {
  { E::threaded } -> std::convertible_to<bool>;
  E::drive(workers, run);
};

/// An executor as a function, for what is compiled once whatever the executor. One that is a template may have a type
/// `needs`, whose static_asserts say what its arguments lack.
struct driver {
  bool threaded = false;
  void (*drive)(std::span<worker> workers, service const& run) = nullptr;
};
template <class E>
constexpr driver driver_of() {
  if constexpr (requires { typename E::needs; })
    static_assert(sizeof(typename E::needs) > 0);
  else
    static_assert(drives<E>,
                  "foal: cannot run on this executor, because it lacks `static constexpr bool threaded` or `static void "
                  "drive(std::span<foal::executor::worker>, foal::executor::service const&)`; give it both");
  if constexpr (drives<E>)
    return {E::threaded, [](std::span<worker> workers, service const& run) { E::drive(workers, run); }};
  else
    return {};
}

/// The calling thread hosts every rank: the reference for every other executor.
struct single_thread {
  using role = foal::role::executor;
  static constexpr char const* name = "single_thread";
  static constexpr bool threaded = false;

  /// The one worker hosts every rank, so nothing can be blocked except by an evaluation, which `run` does.
  static void drive(std::span<worker> workers, service const& run) {
    flushed_denormals const flushed;
    std::optional<pinned> pin;
    if (run.pins) pin.emplace(0);
    worker& w = workers.front();
    for (long long ops = 0;;) {
      progress const p = w.advance();
      if (p == progress::ran) disturb_after(w, run.disturb, ++ops);
      run();
      if (p == progress::done) return;
      if (p == progress::blocked && !w.could_advance())
        throw error(sentence("cannot run ", w.next_op(),
                             ", because it waits although every rank is on this thread; the program "
                             "was not proved: prove it with foal::schedule::prove"));
    }
  }
};

/// Drives a worker on its own thread: spins a little when blocked, then yields, then sleeps on its bell.
inline void drive_thread(worker& w, disturbance const& disturb) {
  constexpr int spins = 200, yields = 8;
  flushed_denormals const flushed;
  long long ops = 0;
  for (int idle = 0;;) {
    progress const p = w.advance();
    if (p == progress::done) return;
    if (p == progress::ran) {
      idle = 0;
      disturb_after(w, disturb, ++ops);
      continue;
    }
    if (++idle <= spins) {
      spin_pause();
    } else if (idle <= spins + yields) {
      std::this_thread::yield();
    } else {
      w.bell().sleep_unless([&w] { return w.could_advance(); });
      idle = 0;
    }
  }
}

/// A thread per worker, and on the calling one serve(running), again and again until it gives false; running: how many of
/// the workers are not at their end. Needs that it does not throw. Throws foal::error before any op has been run where the
/// system gives no more threads.
template <class Serve>
void drive_team(std::span<worker> workers, service const& run, Serve const& serve) {
  std::atomic<int> running{static_cast<int>(workers.size())};
  enum { waits, goes, ends };
  std::atomic<int> start{waits};  // nobody begins before all threads are there
  std::vector<std::thread> all;
  auto const join = [&](int how) {
    start = how;
    start.notify_all();
    if (how == goes)
      while (serve(running)) {
      }
    for (auto& t : all) t.join();
  };
  try {
    all.reserve(workers.size());
    for (std::size_t i = 0; i < workers.size(); ++i)
      all.emplace_back([&, i] {
        start.wait(waits);
        if (start.load() == ends) return;
        if (run.pins) pin_to_cpu(static_cast<int>(i));
        drive_thread(workers[i], run.disturb);
        running.fetch_sub(1);
      });
  } catch (std::exception const& refused) {  // std::system_error, std::bad_alloc
    join(ends);
    throw error(sentence("cannot start ", workers.size(), " threads, because the system refused number ", all.size() + 1,
                         " (", refused.what(),
                         "); use fewer .workers, which train the same, or raise the limit of threads (ulimit -u)"));
  }
  join(goes);
}

/// One thread per worker; workers from 1 to the number of ranks.
struct threads {
  using role = foal::role::executor;
  static constexpr char const* name = "threads";
  static constexpr bool threaded = true;

  /// The calling thread runs `run` every few milliseconds until all are done.
  static void drive(std::span<worker> workers, service const& run) {
    flushed_denormals const flushed;
    drive_team(workers, run, [&run](std::atomic<int> const& running) {
      if (running.load() == 0) return false;
      run();
      if (running.load() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return true;
    });
    run();
  }
};

}  // namespace foal::executor
