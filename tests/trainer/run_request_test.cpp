// Runs that end before their time: by a callback's answer, or by what something beside the training throws. All stages then
// have had the same updates, the bits are those of a run of so many, and the trainer trains on.
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>
#include <foal/trainer/run_request.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "tests/support/learned.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/sleeper.hpp"

namespace {

using namespace foal;
using namespace std::chrono_literals;

constexpr int samples = 4, n = 2;
constexpr long long every = 7, minibatches = 40;

/// Batch norm in front: a forward that is one too many shows in its statistics.
struct normed : stages<input<test::mlp_inputs>, linear<4>, batch_norm, foal::tanh, linear<4>, foal::tanh, linear<3>> {};
/// The same without updates.
struct bottom_frozen
    : stages<input<test::mlp_inputs>, frozen<linear<4>, batch_norm, foal::tanh>, linear<4>, foal::tanh, linear<3>> {};

template <class Net, class Schedule, class... More>
using run = trainer<Net, loss::cross_entropy, Schedule, optim::momentum, scalar<double>, More...>;
using warmed = run<test::mlp<4>, schedule::pipemare, warmup::synchronous>;

template <class Run>
typename Run::config values(int workers) {
  typename Run::config c{.microbatch_size = samples, .microbatches = n, .workers = workers, .lr = {.rate = 0.05}};
  if constexpr (requires { c.warmup.minibatches; }) c.warmup.minibatches = 10;
  return c;
}

/// Runs with what `change` asks for, and gives how many updates were made: every stage the same number, with the bits of a
/// run that was asked for so many; both go on alike.
template <class Run, class Change>
long long updates_of(int workers, std::uint64_t seed, char const* thrown, Change change) {
  INFO(workers << " workers, seed " << seed);
  test::stream const data{.samples = samples};
  test::first_samples const tests;
  executor::any_source<double, std::int32_t> const evaluation(tests);
  Run t(values<Run>(workers)), reference(values<Run>(1));
  test::sleeper late{seed};
  executor::run_request request{.minibatches = minibatches};
  if (workers > 1) request.disturb = late.hook();
  request.evaluation = evaluation.functions;
  change(t, request);
  if (thrown != nullptr) {
    CHECK_THROWS_WITH(t.run(data, request), thrown);
  } else {
    auto const result = t.run(data, request);
    CHECK(result.ended);
    CHECK(result.microbatches == t.updates() * n);
    CHECK_FALSE(result.diverged);
  }
  long long const updates = t.updates();
  REQUIRE(updates <= minibatches);
  for (executor::bound_stage const& b : t.engine().stages())
    if (!b.forward_only && !b.input_gradient_only) CHECK(b.updates == updates);
  reference.run(data, {.minibatches = updates});
  CHECK(test::learned(t) == test::learned(reference));
  t.run(data, {.minibatches = 5});
  reference.run(data, {.minibatches = 5});
  CHECK(test::learned(t) == test::learned(reference));
  return updates;
}

/// The same number for any workers and any timing.
template <class Run, class Change>
long long always(char const* thrown, Change change) {
  long long const alone = updates_of<Run>(1, 0, thrown, change);
  for (int workers : {2, 3})
    for (std::uint64_t seed : {1U, 2U}) CHECK(updates_of<Run>(workers, seed, thrown, change) == alone);
  return alone;
}

/// Trained with a pause in its midst, and with none.
template <class Run>
void pauses() {
  test::stream const data{.samples = samples};
  Run t(values<Run>(2)), reference(values<Run>(1));
  auto const first = t.run(data, {.minibatches = 6, .pause = executor::run_place{0, 40}});
  REQUIRE(first.paused);
  CHECK_THROWS_WITH(t.run(data, {.minibatches = 1}), Catch::Contains("let it go on with resume()"));
  auto const rest = t.resume(data, {});
  CHECK_FALSE(rest.paused);
  CHECK(first.microbatches < rest.microbatches);
  CHECK(rest.microbatches == 6 * n);
  reference.run(data, {.minibatches = 6});
  CHECK(test::learned(t) == test::learned(reference));
}

template <class Run>
long long ended_at(long long evaluation) {
  return always<Run>(nullptr, [&](Run&, executor::run_request& request) {
    request.evaluate_every = every;
    request.evaluated = [evaluation](evaluation_result const& r) {
      std::this_thread::sleep_for(2ms);
      CHECK(r.update <= evaluation * every);
      return r.update == evaluation * every ? training::ends : training::goes_on;
    };
  });
}

}  // namespace

TEST_CASE("A callback that ends a run leaves what a run of so many updates leaves", "[request]") {
  // Stages of a synchronous schedule are at the evaluated weights.
  CHECK(ended_at<run<normed, schedule::gpipe>>(1) == every);
  CHECK(ended_at<run<normed, schedule::gpipe>>(3) == 3 * every);
  // Of pipemare (2S + N - 2) / N minibatches are under way when the first stage makes an update.
  constexpr int stages = run<normed, schedule::pipemare>::stages;
  CHECK(ended_at<run<normed, schedule::pipemare>>(1) == every + (2 * stages + n - 2) / n);
  CHECK(ended_at<run<normed, schedule::pipemare>>(2) == 2 * every + (2 * stages + n - 2) / n);
  long long const frozen = ended_at<run<bottom_frozen, schedule::pipemare>>(2);
  CHECK((frozen > 2 * every && frozen < 3 * every));
  CHECK(ended_at<warmed>(1) == every);  // in the synchronous phase
  CHECK(ended_at<warmed>(2) > 2 * every);
}

TEST_CASE("What an evaluation or its callback throws comes out an evaluation later", "[request]") {
  auto const callback = [](auto&, executor::run_request& request) {
    request.evaluate_every = every;
    request.evaluated = [](evaluation_result const& r) {
      if (r.update == 2 * every) throw std::runtime_error("enough");
    };
  };
  CHECK(always<run<normed, schedule::gpipe>>("enough", callback) == 3 * every);
  CHECK(always<run<bottom_frozen, schedule::pipemare>>("enough", callback) < 4 * every);
  long long const warm = always<warmed>("enough", callback);
  CHECK((warm > 2 * every && warm < 4 * every));
  auto const source = [](auto&, executor::run_request& request) {
    request.evaluate_every = every;
    request.evaluation.targets = [](void const*, long long, int, lengths_of_axes, void*) {
      throw std::runtime_error("the disk is gone");
    };
  };
  CHECK(always<run<normed, schedule::pipemare>>("the disk is gone", source) < 3 * every);
}

TEST_CASE("What an observer throws comes out, at a place that the program gives", "[request]") {
  auto const updates = [](auto&, executor::run_request& request) {
    request.watch.after_update = [](void*, executor::bound_stage const& b) {
      if (b.number >= 1 && b.updates >= 5) throw std::runtime_error(sentence("update ", b.updates));
    };
  };
  long long const first = always<run<normed, schedule::pipemare>>("update 5", updates);
  CHECK((first > 5 && first < minibatches));
  CHECK(always<run<bottom_frozen, schedule::pipemare>>("update 5", updates) < minibatches);
  auto const versions = [](auto&, executor::run_request& request) {
    request.watch.versions = [](void*, int stage, long long microbatch, long long, long long) {
      if (stage == 2 && microbatch == 9) throw std::runtime_error("microbatch 9");
    };
  };
  long long const second = always<run<normed, schedule::gpipe>>("microbatch 9", versions);
  CHECK((second > 5 && second < minibatches));
}

TEST_CASE("What a disturbance throws comes out", "[request]") {
  for (int const workers : {1, 2, 3}) {
    auto const change = [&](auto&, executor::run_request& request) {
      request.disturb = {nullptr, [](void*, int worker, long long ops) {
                           if (worker == 0 && ops == 25) throw std::runtime_error("disturbed");
                         }};
    };
    using type = run<normed, schedule::pipemare>;
    long long const first = updates_of<type>(workers, 0, "disturbed", change);
    CHECK((first > 0 && first < minibatches));
    CHECK(updates_of<type>(workers, 0, "disturbed", change) == first);
  }
}

TEST_CASE("What a clock's callback throws comes out, and all stages have had the same updates", "[request]") {
  for (int const workers : {1, 2, 3})
    for (long long const after : {0, 9, 30}) {
      auto const change = [&](auto& t, executor::run_request& request) {
        request.tick = [&t, after](long long microbatches) {
          if (microbatches < after) return;
          CHECK_THROWS_WITH(t.weights(0, 0), Catch::Contains("cannot read weights now") && Catch::Contains("at work"));
          throw std::runtime_error("ticked");
        };
      };
      updates_of<run<normed, schedule::gpipe>>(workers, 3, "ticked", change);
      updates_of<run<normed, schedule::pipemare>>(workers, 4, "ticked", change);
      updates_of<run<bottom_frozen, schedule::pipemare>>(workers, 5, "ticked", change);
    }
}

TEST_CASE("Sums of losses are told as they are complete, before the evaluation of their update", "[request]") {
  test::stream const data{.samples = samples};
  test::first_samples const tests;
  executor::any_source<double, std::int32_t> const evaluation(tests);
  for (int const workers : {1, 3}) {
    run<normed, schedule::pipemare> t(values<run<normed, schedule::pipemare>>(workers));
    executor::run_request request{.minibatches = 4 * every + 2, .every_loss = true};
    request.loss_every = request.evaluate_every = every;
    request.evaluation = evaluation.functions;
    std::vector<loss::loss_result> told;
    request.summed = [&](long long i, loss::loss_result const& sum) {
      CHECK(i == static_cast<long long>(told.size()));
      told.push_back(sum);
    };
    request.evaluated = [&](evaluation_result const& r) { CHECK(static_cast<long long>(told.size()) * every >= r.update); };
    auto const result = t.run(data, request);
    REQUIRE(result.sums.size() == 5);
    REQUIRE(told.size() == 4);
    REQUIRE(result.losses.size() == static_cast<std::size_t>(request.minibatches * n));
    for (std::size_t i = 0; i < 5; ++i) {
      std::size_t const first = i * every * n, last = std::min<std::size_t>(first + every * n, result.losses.size());
      double sum = 0;
      for (std::size_t m = first; m < last; ++m) sum += result.losses[m].sum;
      CHECK(result.sums[i].sum == sum);
      CHECK(result.sums[i].weight == static_cast<double>(last - first) * samples);
      if (i < 4) CHECK(told[i].sum == sum);
    }
  }
}

namespace {

struct stalling : test::stream {
  template <class S>
  void inputs(long long microbatch, S* x, S* scratch) const {
    if (microbatch == 17) std::this_thread::sleep_for(600ms);
    test::stream::inputs(microbatch, x, scratch);
  }
};

}  // namespace

TEST_CASE("A run says what it waits for", "[request]") {
  using type = run<normed, schedule::pipemare>;
  test::first_samples const tests;
  executor::any_source<double, std::int32_t> const evaluation(tests);
  for (int const workers : {1, 3}) {
    type t(values<type>(workers)), reference(values<type>(1));
    executor::run_request request{.minibatches = 2 * every};
    request.evaluate_every = every;
    request.evaluation = evaluation.functions;
    request.patience = 0.05;
    std::vector<std::string> told;
    double longest = 0;
    request.waits = [&](std::string const& what, double seconds) {
      if (told.empty() || told.back() != what) told.push_back(what);
      longest = std::max(longest, seconds);
    };
    stalling const data{{.samples = samples}};
    t.run(data, request);
    CHECK(longest > 0.2);
    CHECK(std::count(told.begin(), told.end(), "data of microbatch 17") == 1);
    CHECK(std::count(told.begin(), told.end(), sentence("the evaluation of update ", every)) == 1);
    reference.run(data, {.minibatches = 2 * every});
    CHECK(test::learned(t) == test::learned(reference));
  }
}

TEST_CASE("a trainer's run that paused goes on to the bits of one that did not") {
  pauses<run<test::mlp<4>, schedule::pipemare>>();
}
