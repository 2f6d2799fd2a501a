// A device whose ops are done later than they return trains to the bits of the host: a queue for each unit, events between
// them, numbers from blocks, losses and flags read late.
#include <catch2/catch.hpp>

#include <utility>
#include <vector>

#include <foal/foal.hpp>
#include <foal/policy/replica/sharded.hpp>

#include "tests/executor/in_processes.hpp"
#include "tests/support/deferred.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using test::deferred;

static_assert(device::device<deferred> && device::asynchronous<deferred>);
static_assert(device::has_events<device::host> && !device::asynchronous<device::host>);

struct mlp : stages<input<test::mlp_inputs>, linear<8>, foal::tanh, linear<8>, foal::tanh, dropout<20>, linear<8>,
                    foal::tanh, linear<test::mlp_classes>> {};
struct maps : stages<input<2, 5, 5>, conv<3, 3>, batch_norm, relu, residual<conv<3, 3>, batch_norm, relu>, flatten,
                     dropout<10>, linear<test::mlp_classes>> {};

/// The first samples of a stream, in the shape of a net's inputs.
struct shaped_samples : test::first_samples {
  shape in{};
  shape sample() const { return in; }
};

/// All that a run leaves behind.
struct trace {
  std::vector<float> weights;
  std::vector<double> losses, evaluations;
  bool operator==(trace const&) const = default;
};

template <class Trainer, class Config>
trace of_trainer(Config const& config, int workers, long long minibatches, int features) {
  Config own = config;
  own.workers = workers;
  Trainer t(own);
  test::stream const data{.features = features, .samples = own.microbatch_size};
  test::stream const one{.features = features, .samples = 1};
  shape const in = features == 50 ? image(2, 5, 5) : foal::features(features);
  shaped_samples const others{{12, one}, in};
  trace out;
  executor::run_request request{.minibatches = minibatches, .every_loss = true};
  auto const result = t.run(data, request);
  REQUIRE(!result.diverged);
  for (auto const& l : result.losses) out.losses.push_back(l.sum);
  out.weights = t.all_weights();
  if (own.evaluation) out.evaluations.push_back(t.evaluate(others).loss);
  auto const fit = t.fit(shaped_samples{{24, one}, in}, {.epochs = 2, .evaluate = others, .quiet = true});
  for (auto const& e : fit.evaluations) out.evaluations.push_back(e.loss);
  for (double const l : fit.epoch_loss) out.evaluations.push_back(l);
  auto const last = t.all_weights();
  out.weights.insert(out.weights.end(), last.begin(), last.end());
  return out;
}

/// A trainer of these types on the host and on the deferred device, for 1 worker to all of them.
template <class Net, class Schedule, class... Policies>
struct compared {
  using of_host = trainer<Net, loss::cross_entropy, Schedule, on<device::host>, executor::threads, Policies...>;
  using of_queues = trainer<Net, loss::cross_entropy, Schedule, on<deferred>, executor::threads, Policies...>;

  template <class Set>
  static void run(Set set, int features = test::mlp_inputs, long long minibatches = 9) {
    typename of_host::config a{.microbatch_size = 2, .microbatches = 2};
    typename of_queues::config b{.microbatch_size = 2, .microbatches = 2};
    set(a);
    set(b);
    trace const expected = of_trainer<of_host>(a, 1, minibatches, features);
    for (int workers = 1; workers <= of_host::stages; ++workers) {
      deferred::delays = static_cast<unsigned>(workers % 3);
      INFO("workers " << workers);
      CHECK(of_trainer<of_queues>(b, workers, minibatches, features) == expected);
    }
    deferred::delays = 0;
  }
};

/// Without the losses of replicas, of which no process has all.
bool alike(test::outcome found, test::outcome expected, test::pausing const& of) {
  expected.last_sum = 0;
  if (of.own.size().replicas > 1) found.losses = expected.losses = {};
  return found == expected;
}

}  // namespace

// Under a sanitizer, which sees as much in a part of them, every so many.
#if defined(FOAL_TEST_SANITIZED)
constexpr int every_case = 5;
#else
constexpr int every_case = 1;
#endif

TEST_CASE("every schedule, versions rule and delay policy has the host's bits on queues, with any number of workers") {
  long long const before = deferred::waits;
  int runs = 0, turn = 0;
  for (test::pausing const& of : test::pausing_cases()) {
    if (++turn % every_case != 0) continue;
    INFO(of.what.text());
    test::outcome const expected = test::in_one_piece(of);
    int const ranks = of.what.ranks > 0 ? of.what.ranks : of.what.net;
    for (int workers = 1; workers <= ranks; ++workers) {
      deferred::delays = static_cast<unsigned>(runs++ % 3);
      INFO("workers " << workers << " delays " << deferred::delays);
      test::outcome found;
      REQUIRE_FALSE(test::piece<deferred>(of, workers).run(found, {}));
      CHECK(found == expected);
    }
  }
  deferred::delays = 0;
  CHECK(deferred::waits > before);  // some events were not there yet
}

TEST_CASE("replicas on queues that share out the states of an optimizer have the host's bits") {
  auto const replicated = [](auto& c) {
    c.microbatches = 4;
    c.replicas = 2;
  };
  compared<mlp, schedule::gpipe, optim::momentum, replica::sharded>::run(replicated);
  compared<mlp, schedule::pipemare, optim::adam, replica::sharded, delay::discrepancy_correction>::run(replicated);
  compared<maps, schedule::one_f_one_b, optim::momentum, replica::sharded>::run(
      [&](auto& c) {
        replicated(c);
        c.evaluation = true;
      },
      50);
}

TEST_CASE("a run on queues pauses, goes on, and is cut and restored to the host's bits") {
  int turn = 0;
  for (test::pausing const& of : test::pausing_cases()) {
    if (++turn % (3 * every_case) != 0) continue;
    INFO(of.what.text());
    test::outcome const expected = test::in_one_piece(of);
    auto const places = test::places_of(of);
    test::outcome all;
    test::piece<deferred> p(of, 2);
    bool resumes = false;
    for (std::size_t i = 0; i < places.size(); i += 5) {
      REQUIRE(p.run(all, places[i], resumes));
      resumes = true;
    }
    REQUIRE_FALSE(p.run(all, {}, true));
    CHECK(all == expected);
    test::outcome parts;
    test::piece<deferred> first(of, 2), second(of, 1);
    REQUIRE(first.run(parts, places[places.size() / 2]));
    second.engine().restore(first.engine().cut());
    REQUIRE_FALSE(second.run(parts, {}, true));
    CHECK(parts == expected);
  }
}

TEST_CASE("trainers on queues have the host's bits: clipped, fitted, evaluated, with optimizers of their own") {
  compared<mlp, schedule::one_f_one_b, optim::adam, clip::per_stage>::run([](auto& c) { c.clip.norm = 0.3; });
  compared<mlp, schedule::gpipe, optim::muon, clip::global_norm>::run([](auto& c) { c.clip.norm = 0.3; });
  compared<maps, schedule::pipemare, optim::momentum, delay::discrepancy_correction>::run([](auto&) {}, 50);
}

TEST_CASE("a gradient or a loss that is not finite ends a run on queues with the host's sentence") {
  using host = trainer<mlp, loss::cross_entropy, schedule::pipemare, optim::momentum, on<device::host>>;
  using queues = trainer<mlp, loss::cross_entropy, schedule::pipemare, optim::momentum, on<deferred>>;
  test::stream const poisoned{.samples = 2, .poisoned = 30};
  host a({.microbatch_size = 2, .microbatches = 2});
  queues b({.microbatch_size = 2, .microbatches = 2});
  auto expected = a.run(poisoned, {.minibatches = 20}), found = b.run(poisoned, {.minibatches = 20});
  REQUIRE(expected.diverged.has_value());
  CHECK(expected.diverged->from.stage == 0);
  expected.diverged->from = {};  // when queues tell of a loss, what stages kept of its microbatch may have been written over
  REQUIRE(found.diverged.has_value());
  CHECK(found.diverged->text() == expected.diverged->text());
  // What was trained before is the same.
  host c({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 1e30}});
  queues d({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 1e30}});
  auto const large = c.run(test::stream{.samples = 2}, {.minibatches = 20});
  auto const late = d.run(test::stream{.samples = 2}, {.minibatches = 20});
  REQUIRE(large.diverged.has_value());
  REQUIRE(late.diverged.has_value());
  CHECK(late.diverged->text() == large.diverged->text());
}

TEST_CASE("queues of several processes have the bits of one thread, whatever order they come in") {
  int runs = 0, turn = 0;
  for (test::pausing const& of : test::pausing_cases()) {
    if (++turn % every_case != 0) continue;
    INFO(of.what.text());
    test::outcome const expected = test::in_one_piece(of);
    int const ranks = of.what.ranks > 0 ? of.what.ranks : of.what.net;
    for (test::spread const s : {test::spread{2, 1}, test::spread{2, 2}, test::spread{3, 1}}) {
      if (s.processes * s.workers > ranks) continue;
      deferred::delays = static_cast<unsigned>(runs++ % 3);
      INFO(s.processes << " processes of " << s.workers << ", delays " << deferred::delays);
      auto const found = test::in_processes<deferred>(of, s, [](auto& p, test::outcome& to, int) { test::train(p, to); });
      CHECK(alike(found, expected, of));
    }
  }
  deferred::delays = 0;
}

TEST_CASE("queues of several processes pause and go on to the bits of a run without a pause") {
  int turn = 0;
  for (test::pausing const& of : test::pausing_cases()) {
    if (++turn % (3 * every_case) != 0) continue;
    INFO(of.what.text());
    test::outcome const expected = test::in_one_piece(of);
    auto const places = test::places_of(of);
    auto const found = test::in_processes<deferred>(of, {2, 1}, [&](auto& p, test::outcome& to, int) {
      bool resumes = false;
      for (std::size_t i = 3; i < places.size(); i += 17, resumes = true)
        if (!p.run(to, places[i], resumes)) throw error(sentence("has not paused at place ", i));
      if (p.run(to, {}, resumes)) throw error("has paused at the end");
    });
    CHECK(alike(found, expected, of));
  }
}
