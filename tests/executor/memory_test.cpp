// After warm-up a worker calls neither the allocator nor a lock, and what was allocated is what was planned.
//
// The allocator, mmap and the mutex are interposed in this program: calls are counted on threads that a run has marked.
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>

#include "tests/executor/support.hpp"
#include "tests/support/sanitized.hpp"

namespace {

// Sanitizers interpose the same symbols themselves; there only the plan is checked.
#ifdef FOAL_TEST_SANITIZED
constexpr bool counts = false;
#else
constexpr bool counts = true;
#endif

thread_local bool watched = false;
std::atomic<long long> calls{0};
std::atomic<char const*> last_call{""};

[[maybe_unused]] void count(char const* what) {
  if (!watched) return;
  calls.fetch_add(1);
  last_call.store(what);
}

}  // namespace

#ifndef FOAL_TEST_SANITIZED
extern "C" {

void* __libc_malloc(std::size_t);                 // NOLINT: glibc's own names
void* __libc_calloc(std::size_t, std::size_t);    // NOLINT
void* __libc_realloc(void*, std::size_t);         // NOLINT
void* __libc_memalign(std::size_t, std::size_t);  // NOLINT
void __libc_free(void*);                          // NOLINT

void* malloc(std::size_t n) {
  count("malloc");
  return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t size) {
  count("calloc");
  return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t n) {
  count("realloc");
  return __libc_realloc(p, n);
}
void free(void* p) {
  count("free");
  __libc_free(p);
}
void* memalign(std::size_t align, std::size_t n) {
  count("memalign");
  return __libc_memalign(align, n);
}
void* aligned_alloc(std::size_t align, std::size_t n) {
  count("aligned_alloc");
  return __libc_memalign(align, n);
}
int posix_memalign(void** p, std::size_t align, std::size_t n) {
  count("posix_memalign");
  *p = __libc_memalign(align, n);
  return *p == nullptr ? 12 : 0;
}
void* mmap(void* at, std::size_t n, int protection, int flags, int file, off_t offset) {
  count("mmap");
  return reinterpret_cast<void*>(
      syscall(SYS_mmap, at, n, protection, flags, file, offset));  // NOLINT: the system call's type
}
int pthread_mutex_lock(pthread_mutex_t* mutex) {
  count("pthread_mutex_lock");
  using function = int (*)(pthread_mutex_t*);
  static std::atomic<function> real{nullptr};
  function f = real.load();
  if (f == nullptr) {
    f = reinterpret_cast<function>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));  // NOLINT: how dlsym gives functions
    real.store(f);
  }
  return f(mutex);
}

}  // extern "C"
#endif

namespace {

using namespace foal;
using test::choice;

std::size_t requested = 0;  // from the device, by the run under test

/// Which ops of a worker are watched: from its 200th to its last but one; a thread that ends frees what it began with.
struct watch {
  std::vector<long long> last;  // by worker
  std::atomic<long long> ops{0};

  static void between(void* self, int worker, long long op) {
    auto& w = *static_cast<watch*>(self);
    watched = op >= 200 && op < w.last[static_cast<std::size_t>(worker)];
    if (watched) w.ops.fetch_add(1, std::memory_order_relaxed);
  }
};

/// Runs a choice for 1,050 minibatches (where nothing is counted, for 50), after the synchronous ones where there are any.
void run_watched(choice const& c, int workers) {
  INFO(c.text() << "  workers " << workers);
  table::run_tables t = test::tables_of(c);
  t.device.allocate = [](std::size_t n, int) {
    requested += n;
    return device::host::allocate(n);
  };
  requested = 0;
  table::run_values const values{test::bit_samples, c.n, workers, 5, false, 64, false};
  executor::engine engine(t, values, executor::driver_of<executor::threads>(), test::shares(t.ranks, workers));
  CHECK(requested == engine.memory().plan().bytes());
  CHECK(engine.memory().allocated_bytes() == engine.memory().plan().bytes());
  std::size_t sum = 0;
  for (plan_entry const& e : engine.memory().plan().entries()) sum += e.bytes;
  CHECK(sum == requested);

  test::stream const data = test::data_of(c, test::bit_samples);
  executor::run_request request;
  request.source = test::source_of(data);
  if (c.t3) {
    request.minibatches = test::t3_minibatches;
    REQUIRE(!engine.run(request, test::t3_minibatches).diverged);
  }
  request.minibatches = counts ? 1050 : 50;
  watch which{std::vector<long long>(static_cast<std::size_t>(workers), 0), {}};
  for (executor::bound_stage const& b : engine.stages())
    which.last[static_cast<std::size_t>(b.worker)] += request.minibatches * (2 * c.n + 1);
  request.disturb = {&which, &watch::between};
  calls = 0;
  executor::run_result const result = engine.run(request, c.t3 ? test::t3_minibatches : 0);
  REQUIRE(!result.diverged);
  if (counts) CHECK(which.ops.load() > 1000LL * c.net * (2 * c.n + 1));
  CHECK(requested == engine.memory().plan().bytes());
  INFO("last call: " << last_call.load());
  CHECK(calls.load() == 0);
}

}  // namespace

TEST_CASE("a worker neither allocates nor locks on the path of a microbatch") {
  run_watched({4, 4, false, 1, 3, 2}, 1);
  run_watched({4, 4, false, 1, 1, 1}, 2);
  run_watched({4, 3, true, 0, 4, 4}, 4);
  run_watched({4, 1, false, 0, 1, 4, 0, false, true}, 2);
  run_watched({9, 4, false, 1, 1, 2, 0, true}, 3);
  run_watched({9, 3, false, 2, 3, 3, 3}, 2);
}

TEST_CASE("a wire between two workers has a slot to spare, one within a worker has none") {
  choice const c{4, 3};
  table::run_tables const t = test::tables_of(c);
  executor::engine const alone(t, {test::bit_samples, c.n, 1, 5, false, 64, false}, executor::driver_of<executor::threads>(),
                               {0, 0, 0, 0});
  executor::engine const two(t, {test::bit_samples, c.n, 2, 5, false, 64, false}, executor::driver_of<executor::threads>(),
                             {0, 0, 1, 1});
  for (std::size_t s = 0; s + 1 < 4; ++s) {
    executor::bound_stage const &a = alone.stages()[s], &b = two.stages()[s];
    std::uint32_t const spare = s == 1 ? 1 : 0;
    auto const slots = [](transport::outbox const& out) { return out.transit_slots + out.kept_slots; };
    auto const back = [&](executor::engine const& e) { return slots(e.stages()[s + 1].gradient_out); };
    REQUIRE(slots(a.wire_out) >= 1);
    REQUIRE(back(alone) >= 1);
    CHECK(slots(b.wire_out) == slots(a.wire_out) + spare);
    CHECK(back(two) == back(alone) + spare);
  }
}

TEST_CASE("the counters do count") {
  if (!counts) return;
  calls = 0;
  std::thread t([] {
    watched = true;
    auto* const p = new int(3);
    auto* volatile kept = p;
    delete kept;
    watched = false;
  });
  t.join();
  CHECK(calls.load() >= 2);
}
