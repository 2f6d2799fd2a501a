// The threads executor gives the single thread's bits: every schedule, policy and number of workers, disturbed or not.
#include <atomic>
#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "tests/executor/support.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/sleeper.hpp"

namespace {

using namespace foal;
using test::choice;

constexpr long long minibatches = foal_test::repeats(50, 10);

/// schedule x versions x delay x optimizer as far as they go together, all of them for the small net and one optimizer in
/// turn for the large one, with microbatches, ranks, warm-up and clipping in turn.
std::vector<choice> cases() {
  std::vector<choice> all;
  for (int net : {4, 9})
    for (int schedule = 0; schedule < 5; ++schedule)
      for (int stash = 0; stash < 2; ++stash)
        for (int delay = 0; delay < 3; ++delay) {
          bool const asynchronous = schedule >= 3;
          if (!asynchronous && (stash != 0 || delay != 0)) continue;
          if (stash != 0 && delay == 1) continue;  // refused by types: the correction has nothing to correct
          for (int optimizer = 0; optimizer < 5; ++optimizer) {
            auto const i = static_cast<int>(all.size());
            if (net == 9 && optimizer != (3 * schedule + 2 * delay + stash) % 5) continue;
            int const n = 1 + (i + optimizer) % 4;
            all.push_back({net, schedule, stash != 0, delay, optimizer, n, i % 3 == 0 ? 3 : 0, asynchronous && i % 4 == 1,
                           i % 5 == 2});
          }
        }
  return all;
}

}  // namespace

TEST_CASE("threads give the single thread's bits") {
  std::vector<choice> const all = cases();
  REQUIRE(all.size() >= 60);
  foal_test::turns turns(3);
  for (choice const& c : all) {
    INFO(c.text());
    test::traces const reference = test::train(c, 1, false, minibatches);
    REQUIRE(!reference.state.empty());
    int const ranks = c.ranks > 0 ? c.ranks : c.net;
    for (int workers : std::set<int>{1, 2, 3, ranks}) {
      if (!turns.take()) continue;
      INFO("workers " << workers);
      CHECK(test::train(c, workers, true, minibatches) == reference);
    }
  }
}

TEST_CASE("threads that sleep at random give the same bits") {
  std::vector<choice> const all = cases();
  for (std::size_t i = 0; i < all.size(); i += 7) {
    INFO(all[i].text());
    test::traces const reference = test::train(all[i], 1, false, minibatches);
    for (int workers : {2, 3}) {
      test::sleeper late{i};
      CHECK(test::train(all[i], workers, true, minibatches, late.hook()) == reference);
    }
  }
}

#if defined(__SSE__) || defined(__aarch64__)
TEST_CASE("workers flush denormals, and leave the caller as it was") {
  struct seen {
    std::atomic<int> flushed{0}, kept{0};
    static bool tiny_product_is_zero() {
      float volatile a = 1e-30f, b = 1e-10f;
      float volatile c = a * b;
      return c == 0;
    }
  } count;
  executor::disturbance const look{&count, [](void* self, int, long long) {
                                     auto& s = *static_cast<seen*>(self);
                                     ++(seen::tiny_product_is_zero() ? s.flushed : s.kept);
                                   }};
  test::train({4, 4, false, 0, 1, 2}, 3, true, 4, look);
  CHECK(count.flushed > 0);
  CHECK(count.kept == 0);
  test::train({4, 4, false, 0, 1, 2}, 1, false, 4);
  CHECK(!seen::tiny_product_is_zero());
}
#endif

TEST_CASE("a chain with nothing else is the policy alone, and a chain of two runs on threads") {
  for (int net : {4, 9})
    for (int optimizer : {1, 3}) {
      choice const alone{net, 4, false, 1, optimizer, 2}, chained{net, 4, false, 4, optimizer, 2},
          both{net, 4, false, 3, optimizer, 2};
      test::traces const expected = test::train(alone, 1, false, minibatches);
      CHECK(test::train(chained, 1, false, minibatches) == expected);
      test::traces const two = test::train(both, 1, false, minibatches);
      CHECK(test::train(both, 3, true, minibatches) == two);
      CHECK(two.losses != expected.losses);
      CHECK(two.losses != test::train({net, 4, false, 2, optimizer, 2}, 1, false, minibatches).losses);
    }
}

TEST_CASE("the bits that are compared do depend on the choice") {
  std::set<std::vector<double>> losses;
  std::vector<choice> const some = {{4, 1, false, 0, 1, 2},
                                    {4, 4, false, 0, 1, 2},
                                    {4, 3, false, 0, 1, 2},
                                    {4, 4, true, 0, 1, 2},
                                    {4, 4, false, 1, 1, 2},
                                    {4, 4, false, 2, 1, 2},
                                    {4, 4, false, 1, 2, 2},
                                    {4, 4, false, 1, 3, 2},
                                    {4, 4, false, 1, 4, 2},
                                    {4, 4, false, 1, 1, 2, 0, true},
                                    {4, 4, false, 1, 1, 2, 0, false, true},
                                    {4, 4, false, 1, 1, 3},
                                    {4, 4, false, 1, 1, 2, 3}};
  for (choice const& c : some) losses.insert(test::train(c, 1, false, minibatches).losses);
  CHECK(losses.size() == some.size());
}

TEST_CASE("one thread calls who disturbs it after each op, too, and what that throws comes out") {
  choice const c{4, 4, false, 0, 1, 2};
  long long called = 0;
  test::train(c, 1, false, 4, {&called, [](void* self, int worker, long long ops) {
                                 auto& n = *static_cast<long long*>(self);
                                 CHECK(worker == 0);
                                 CHECK(ops == ++n);
                               }});
  CHECK(called > 4 * 2 * 2 * 4);
  CHECK_THROWS_WITH(test::train(c, 1, false, 4, {nullptr, [](void*, int, long long) { throw error("disturbed"); }}),
                    "disturbed");
}

TEST_CASE("a CPU is one of those that there are, also where the system does not know how many") {
  CHECK(executor::cpu_of(5, 4) == 1);
  CHECK(executor::cpu_of(5, 0) == 0);
}

#if defined(__linux__)
TEST_CASE("one thread runs pinned, and its caller is where it was afterwards") {
  auto const cpus = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    REQUIRE(pthread_getaffinity_np(pthread_self(), sizeof set, &set) == 0);
    return CPU_COUNT(&set);
  };
  int const before = cpus();
  {
    executor::pinned const one(0);
    CHECK(cpus() == 1);
  }
  CHECK(cpus() == before);
  static int inside;
  choice const c{4, 1, false, 0, 1, 2};
  table::run_tables const t = test::tables_of(c);
  executor::engine engine(t, {test::bit_samples, c.n, 1, 5, false, 64, true}, test::driver(false), test::shares(t.ranks, 1));
  test::stream const data = test::data_of(c, test::bit_samples);
  executor::run_request request;
  request.minibatches = 1;
  request.source = test::source_of(data);
  request.disturb.between = [](void*, int, long long) {
    cpu_set_t set;
    CPU_ZERO(&set);
    pthread_getaffinity_np(pthread_self(), sizeof set, &set);
    inside = CPU_COUNT(&set);
  };
  engine.run(request, 0);
  CHECK(inside == 1);
  CHECK(cpus() == before);
}
#endif
