// What a run takes of memory and threads: nothing leaks and every refusal is a sentence, whichever allocation fails; and a
// long run takes no more than a short one.
//
// The allocator and pthread_create are replaced in this program: they fail when a case asks for it, and count.
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include <foal/layer/batch_norm.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"
#include "tests/support/sanitized.hpp"

namespace {

std::atomic<long long> until_failure{-1};  // allocations; below 0: none fails
std::atomic<long long> live{0}, taken{0};  // bytes, as the heap gives them; and as they were asked for
std::atomic<long long> threads_until_failure{-1};

void* take(std::size_t bytes, std::size_t align) {
  if (until_failure.load() >= 0 && until_failure.fetch_sub(1) == 0) throw std::bad_alloc();
  void* const p = std::aligned_alloc(align, (bytes + align) / align * align);
  if (p == nullptr) throw std::bad_alloc();
  auto const usable = static_cast<long long>(malloc_usable_size(p));
  live += usable;
  taken += static_cast<long long>(bytes);
  return p;
}
void give_back(void* p) {
  if (p == nullptr) return;
  live -= static_cast<long long>(malloc_usable_size(p));
  std::free(p);
}

}  // namespace

void* operator new(std::size_t n) { return take(n, alignof(std::max_align_t)); }
void* operator new(std::size_t n, std::align_val_t align) { return take(n, static_cast<std::size_t>(align)); }
// Those that do not throw too: the sanitizers' own would not come to these.
void* operator new(std::size_t n, std::align_val_t align, std::nothrow_t const&) noexcept {
  try {
    return operator new(n, align);
  } catch (std::bad_alloc const&) {
    return nullptr;
  }
}
void* operator new(std::size_t n, std::nothrow_t const& none) noexcept {
  return operator new(n, std::align_val_t{alignof(std::max_align_t)}, none);
}
void operator delete(void* p) noexcept { give_back(p); }
void operator delete(void* p, std::nothrow_t const&) noexcept { give_back(p); }
void operator delete(void* p, std::align_val_t, std::nothrow_t const&) noexcept { give_back(p); }
void operator delete(void* p, std::size_t) noexcept { give_back(p); }
void operator delete(void* p, std::align_val_t) noexcept { give_back(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { give_back(p); }

#if defined(__clang__) && defined(FOAL_TEST_SANITIZED)
constexpr bool counts_all = false;  // libraries may call the operator new of clang's sanitizers, and this delete
#else
constexpr bool counts_all = true;
#endif
#ifdef FOAL_TEST_SANITIZED
constexpr bool refuses_threads = false;  // sanitizers have a pthread_create of their own
#else
constexpr bool refuses_threads = true;
extern "C" int pthread_create(pthread_t* thread, pthread_attr_t const* how, void* (*run)(void*), void* of) {
  if (threads_until_failure.load() >= 0 && threads_until_failure.fetch_sub(1) == 0) return EAGAIN;
  using function = int (*)(pthread_t*, pthread_attr_t const*, void* (*)(void*), void*);
  static auto const real = reinterpret_cast<function>(dlsym(RTLD_NEXT, "pthread_create"));  // NOLINT: how dlsym gives them
  return real(thread, how, run, of);
}
#endif

namespace {

using namespace foal;

struct net : stages<input<test::mlp_inputs>, linear<4>, batch_norm, foal::tanh, linear<4>, foal::tanh, linear<3>> {};
struct counting {
  using role = foal::role::hook;
  long long calls = 0;
  void after_update(update_view<float> const&) { ++calls; }
};
using run = trainer<net, loss::cross_entropy, schedule::pipemare, optim::momentum, delay::discrepancy_correction, counting>;

/// Everything that allocates: evaluations, the hook's copies, diagnostics with a net of their own.
run::config everything() {
  run::config c{.microbatch_size = 4, .microbatches = 2, .evaluation_samples = 8};
  c.diagnostics.every = 100;
  c.diagnostics.fresh = true;
  return c;
}

/// How many allocations are passed over; under a sanitizer some are left to the builds without one.
constexpr int every = foal_test::repeats(1, 11);

/// Calls f() with the n-th allocation failing, for n = 0, every, ... until there is no n-th. Gives how many calls failed.
/// What comes out is a sentence that says bytes, and all that was taken has been given back.
template <class F>
int fail_each_allocation(F f) {
  int failures = 0;
  for (long long n = 0;; n += every) {
    long long const before = live;
    char what[2000] = "nothing";  // takes no memory
    bool failed = false, is_sentence = false;
    until_failure = n;
    try {
      f();
    } catch (std::exception const& e) {
      failed = true;
      is_sentence = dynamic_cast<error const*>(&e) != nullptr;
      std::strncpy(what, e.what(), sizeof what - 1);
    }
    long long const left = live - before;
    bool const met = until_failure.exchange(-1) < 0;
    INFO("allocation " << n << ": " << what);
    if (counts_all) CHECK(left == 0);
    if (failed) {
      ++failures;
      CHECK(is_sentence);
      CHECK_THAT(what, Catch::StartsWith("cannot ") && (Catch::Contains(" bytes") || Catch::Contains("threads")) &&
                           Catch::Contains("; "));
    }
    if (!met) return failures;
  }
}

}  // namespace

TEST_CASE("Whichever allocation of a trainer fails, it says so and leaves nothing behind", "[arena]") {
  { run const once(everything()); }
  CHECK(every * fail_each_allocation([] { run const t(everything()); }) > 100);
}

TEST_CASE("Whichever allocation at the beginning of a run fails, it says so and the trainer trains on", "[arena]") {
  test::stream const data{.samples = 4};
  run t(everything()), reference(everything());
  t.run(data, {.minibatches = 3});
  reference.run(data, {.minibatches = 3});
  int const failures = fail_each_allocation([&] { t.run(data, {.minibatches = 3}); });
  CHECK(every * failures > 10);
  for (; reference.updates() < t.updates();) reference.run(data, {.minibatches = 3});
  CHECK(reference.updates() == t.updates());
  CHECK(t.all_weights() == reference.all_weights());
}

TEST_CASE("A thread that cannot be had is a sentence, and the trainer trains on", "[arena]") {
  if (!refuses_threads) return;
  test::stream const data{.samples = 4};
  auto const values = [] { return run::config{.microbatch_size = 4, .microbatches = 2, .workers = 3}; };
  run t(values()), reference(values());
  for (long long const n : {0, 1, 2}) {
    threads_until_failure = n;
    CHECK_THROWS_WITH(t.run(data, {.minibatches = 10}), Catch::Contains("cannot start 3 threads") &&
                                                            Catch::Contains(sentence("number ", n + 1)) &&
                                                            Catch::Contains(".workers"));
    CHECK(t.updates() == 0);
  }
  t.run(data, {.minibatches = 10});
  reference.run(data, {.minibatches = 10});
  CHECK(t.all_weights() == reference.all_weights());
}

TEST_CASE("A long run takes no more memory than a short one", "[arena]") {
  test::stream const data{.samples = 4};
  run t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.01F}});
  auto const taken_by = [&](executor::run_request const& request) {
    long long const before = taken;
    t.run(data, request);
    return taken - before;
  };
  taken_by({.minibatches = 3});  // what is kept for the next run
  long long const few = taken_by({.minibatches = 10});
  CHECK(taken_by({.minibatches = 2000}) == few);
  CHECK(taken_by({.minibatches = 2000, .every_loss = true}) >= few + 4000 * 24);
}

TEST_CASE("A fit of any number of epochs takes memory as it goes", "[arena]") {
  test::first_samples const data{8};
  run t({.microbatch_size = 4, .microbatches = 2});
  run::fit_options options{.epochs = 1'000'000'000, .evaluate = data, .quiet = true};
  options.hooks.evaluated = [](evaluation_result const& r) { return r.update > 20 ? training::ends : training::goes_on; };
  long long const before = taken;
  fit_report const r = t.fit(data, options);
  CHECK(taken - before < 4'000'000);
  CHECK(r.ended);
  CHECK(r.updates == t.updates());
  CHECK(r.epoch_loss.size() == static_cast<std::size_t>(r.updates));
}
