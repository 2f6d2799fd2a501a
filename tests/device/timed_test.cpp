// device::timed: waits are not too short, the rest of a run is the host's.
#include <catch2/catch.hpp>
#include <chrono>
#include <foal/device/timed.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

namespace {

using foal::device::timed;

struct net
    : foal::stages<foal::input<8>, foal::linear<8>, foal::linear<8>, foal::linear<8>, foal::linear<8>, foal::linear<4>> {};

template <class Schedule, class... Policies>
using run = foal::trainer<net, foal::loss::cross_entropy, Schedule, foal::optim::momentum, Policies...>;

/// A run on the timed device must not read it.
struct untouchable {
  void inputs(long long, float*, float*) const { throw foal::error("inputs were read"); }
  void targets(long long, std::int32_t*) const { throw foal::error("targets were read"); }
};

struct zeros {
  void inputs(long long, float* x, float*) const { std::fill_n(x, 16, 0.5F); }
  void targets(long long, std::int32_t* t) const { std::fill_n(t, 2, 1); }
};

double seconds(auto f) {
  auto const begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Weight versions by (stage, microbatch), as F and B read them.
struct versions_seen {
  std::vector<long long> all = std::vector<long long>(5 * 24 * 2, -1);
  foal::executor::observer watch() {
    return {this, nullptr, [](void* self, int stage, long long m, long long f, long long b) {
              auto& seen = static_cast<versions_seen*>(self)->all;
              auto const at = static_cast<std::size_t>((stage * 24 + m) * 2);
              seen[at] = f;
              seen[at + 1] = b;
            }};
  }
};

template <class Trainer>
std::string refusal(typename Trainer::config c) {
  try {
    Trainer const t(c);
  } catch (foal::error const& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a wait lasts as long as it is told and no time at all where that is zero") {
  for (double const ms : {0.2, 3.0, 12.5}) CHECK(seconds([ms] { timed::wait(ms); }) >= ms * 1e-3);
  CHECK(seconds([] {
          for (int i = 0; i < 1000; ++i) timed::wait(0);
        }) < 0.5);
}

TEST_CASE("ops last what the schedule's model says or longer, and side by side on several workers") {
  // a minibatch of 4 over 5 ranks: (4 + 4) (8 + 16) ms with a worker per rank, 4 * 5 * (8 + 16) ms on one worker
  auto const time = [](int workers) {
    run<foal::schedule::gpipe, foal::on<timed>> t(
        {.microbatch_size = 2, .workers = workers, .device = {.forward_ms = 8, .backward_ms = 16}});
    foal::executor::run_request request;
    request.minibatches = 1;
    double const s = t.run(untouchable{}, request).seconds;
    CHECK(t.updates() == 1);
    return s;
  };
  double const alone = time(1), together = time(5);
  CHECK(alone >= 0.480);
  CHECK(together >= 0.192);
  CHECK(together < alone);
}

TEST_CASE("a stage's factor multiplies its times") {
  run<foal::schedule::gpipe, foal::on<timed>> t(
      {.microbatch_size = 2,
       .microbatches = 1,
       .device = {.forward_ms = 1, .backward_ms = 1, .weight_ms = 1, .update_ms = 1, .stage_factor = {0, 0, 10, 0, 0}}});
  foal::executor::run_request request;
  request.minibatches = 1;
  CHECK(t.run(untouchable{}, request).seconds >= 0.040);
}

TEST_CASE("program, versions and memory plan are those of the host, weights stay as they were") {
  using on_clock = run<foal::schedule::pipemare, foal::delay::discrepancy_correction, foal::on<timed>>;
  using on_host = run<foal::schedule::pipemare, foal::delay::discrepancy_correction>;
  on_clock a({.microbatch_size = 2, .workers = 5, .device = {.forward_ms = 0.1, .backward_ms = 0.2}});
  on_host b({.microbatch_size = 2, .workers = 5, .evaluation = false});
  auto const before = a.all_weights();
  CHECK(before == b.all_weights());
  versions_seen seen_a, seen_b;
  foal::executor::run_request request;
  request.minibatches = 6;
  request.every_loss = true;
  request.watch = seen_a.watch();
  auto const result = a.run(untouchable{}, request);
  request.watch = seen_b.watch();
  b.run(zeros{}, request);
  CHECK(seen_a.all == seen_b.all);
  CHECK(std::count(seen_a.all.begin(), seen_a.all.end(), -1) == 0);
  CHECK(a.all_weights() == before);
  CHECK(b.all_weights() != before);
  CHECK(result.losses.size() == 24);
  CHECK(result.losses[0].weight == 2);
  CHECK_FALSE(result.diverged);

  auto const& plan_a = a.engine().memory().plan();
  auto const& plan_b = b.engine().memory().plan();
  CHECK(a.engine().memory().allocated_bytes() == plan_a.bytes());
  REQUIRE(plan_a.entries().size() == plan_b.entries().size());
  for (std::size_t i = 0; i < plan_a.entries().size(); ++i)
    if (plan_a[i].what != "library workspace") CHECK(plan_a[i].bytes == plan_b[i].bytes);
}

TEST_CASE("the facts state the length of a slot") {
  run<foal::schedule::pipemare, foal::on<timed>> t({.device = {.forward_ms = 3, .backward_ms = 6}});
  CHECK(t.facts().text().find("a slot with a forward and a backward side by side lasts 9 ms") != std::string::npos);
  run<foal::schedule::gpipe, foal::on<timed>> u({.device = {.forward_ms = 3, .backward_ms = 6}});
  CHECK(u.facts().text().find("ops wait instead of computing: F 3 ms, BW 6 ms, U 0 ms\n") != std::string::npos);
}

TEST_CASE("times that cannot be waited for and evaluations are refused with a sentence") {
  using t = run<foal::schedule::gpipe, foal::on<timed>>;
  CHECK(refusal<t>({}) == "");
  CHECK(refusal<t>({.device = {.backward_ms = -2}}).find("cannot wait -2 ms for an op") == 0);
  CHECK(refusal<t>({.device = {.stage_factor = {1, 2}}}).find("cannot give times to 5 stages") == 0);
  CHECK(refusal<t>({.device = {.stage_factor = {1, 2, -3, 4, 5}}}).find("cannot multiply a stage's times by -3") == 0);
  CHECK(refusal<t>({.evaluation = true}).find("because its ops wait instead of computing") != std::string::npos);
}
