// What a trainer makes of a user's programs with replicas, with several updates of a stage in a minibatch, and with
// offloads.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/offloaded.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"
#include "tests/support/schedules.hpp"

namespace {

using namespace foal;
using net = test::mlp<4>;

template <class Schedule, class... More>
using run = trainer<net, loss::cross_entropy, Schedule, optim::momentum, More...>;

template <class Trainer>
typename Trainer::config config_of(int microbatches, int workers) {
  typename Trainer::config c;
  c.microbatch_size = 2;
  c.microbatches = microbatches;
  c.workers = workers;
  c.lr = {.rate = 0.1F};
  return c;
}

/// Weights, losses, and losses of evaluations on the way and afterwards.
template <class Trainer>
std::vector<double> trained(typename Trainer::config const& c, long long minibatches, long long evaluate_every) {
  Trainer t(c);
  test::first_samples const held_out{};
  auto const evaluation = executor::any_source<float, std::int32_t>(held_out);
  executor::run_request request;
  request.minibatches = minibatches;
  request.loss_every = evaluate_every;
  request.evaluate_every = evaluate_every;
  request.evaluation = evaluation.functions;
  auto const r = t.run(test::stream{.samples = 2}, request);
  REQUIRE(r.evaluations.size() == static_cast<std::size_t>(minibatches / evaluate_every));
  std::vector<double> all;
  for (float const w : t.all_weights()) all.push_back(static_cast<double>(w));
  for (auto const& s : r.sums) all.push_back(s.sum);
  for (auto const& e : r.evaluations) all.push_back(e.loss);
  all.push_back(t.evaluate(held_out).loss);
  CHECK(all.back() == r.evaluations.back().loss);
  return all;
}

}  // namespace

TEST_CASE("A trainer trains and evaluates replicas on any number of workers", "[trainer]") {
  using both = run<test::two_way>;
  auto const one = trained<both>(config_of<both>(4, 1), 12, 3);
  for (int workers : {2, 4}) CHECK(trained<both>(config_of<both>(4, workers), 12, 3) == one);
  both t(config_of<both>(4, 2));
  auto const fitted = t.fit(test::first_samples{}, {.epochs = 2, .quiet = true});
  CHECK(fitted.updates == 6);
  CHECK_FALSE(fitted.diverged);
}

TEST_CASE("A trainer says that it has replicas", "[trainer]") {
  using both = run<test::two_way>;
  using in_turn = run<schedule::async_1f1b>;
  both const t(config_of<both>(4, 1));
  CHECK_THAT(t.facts().text(), Catch::Contains("every stage has 2 replicas with the same weights"));
  // Of the instructions that the kernels were compiled for the facts warn where there is something to warn of.
  std::string const warning = foal::report::warning_of_instructions(foal::report::instructions_of_this_file(),
                                                                    foal::report::instructions_of_this_machine());
  CHECK(t.facts().warnings == (warning.empty() ? std::vector<std::string>() : std::vector<std::string>{warning}));
  CHECK_THAT(report::difference(t.fingerprint(), in_turn(config_of<in_turn>(4, 1)).fingerprint()),
             Catch::Contains("replicas is 2 here and 1 there"));
  CHECK_THROWS_WITH(both(config_of<both>(1, 1)), Catch::Contains("cannot run two_way with 2 replicas and 1 microbatches") &&
                                                     Catch::Contains("replica 1"));
}

TEST_CASE("The synchronous warm-up refuses replicas with a sentence", "[trainer]") {
  using warmed = run<test::two_way_live, warmup::synchronous>;
  auto c = config_of<warmed>(4, 1);
  c.warmup = {.minibatches = 3};
  CHECK_THROWS_WITH(warmed(c), Catch::Contains("cannot put a synchronous phase before a program of 2 replicas"));
}

TEST_CASE("A trainer with several updates in a minibatch counts minibatches, and evaluates after whole ones", "[trainer]") {
  using paci = run<schedule::paci>;
  using plain = run<schedule::async_1f1b>;
  auto const of = [](int workers) {
    auto c = config_of<paci>(4, workers);
    c.schedule.every = 2;
    return c;
  };
  auto const often = trained<paci>(of(2), 12, 3);
  CHECK(trained<paci>(of(1), 12, 3) == often);
  CHECK(trained<plain>(config_of<plain>(2, 1), 24, 6) == often);
  paci t(of(1));
  CHECK_THAT(t.facts().text(), Catch::Contains("a stage has up to 2 updates in a minibatch"));
  t.run(test::stream{.samples = 2}, {.minibatches = 3});
  CHECK(t.updates() == 3);
  auto c = of(1);
  c.diagnostics = {.every = 1};
  CHECK_THROWS_WITH(paci(c), Catch::Contains("cannot take diagnostics of a run with 2 updates"));
}

TEST_CASE("T3 before a program with several updates has one a minibatch", "[trainer]") {
  using paci = run<schedule::paci, warmup::synchronous>;
  auto const of = [](int workers) {
    auto c = config_of<paci>(4, workers);
    c.warmup = {.minibatches = 4};
    c.schedule.every = 2;
    return trained<paci>(c, 8, 2);
  };
  CHECK(of(1) == of(3));
}

TEST_CASE("A trainer offloads before and after T3, and says what that takes", "[trainer]") {
  using plain = run<schedule::async_1f1b, warmup::synchronous>;
  using moves = run<schedule::offloaded<schedule::async_1f1b>, warmup::synchronous>;
  auto const of = []<class Trainer>(int workers, Trainer const*) {
    auto c = config_of<Trainer>(3, workers);
    c.warmup = {.minibatches = 4};
    if constexpr (requires { c.schedule.slots; }) c.schedule = {.slots = 1, .ahead = 0};
    return c;
  };
  constexpr moves const* offloading = nullptr;
  auto const expected = trained<plain>(of(1, static_cast<plain const*>(nullptr)), 8, 2);
  for (int const workers : {1, 3}) CHECK(trained<moves>(of(workers, offloading), 8, 2) == expected);
  moves const t(of(2, offloading));
  report::facts const f = t.facts();
  CHECK(f.bytes[category::offloaded] > 0);
  long long sum = 0;
  for (auto const& [name, bytes] : f.bytes.entries()) sum += bytes;
  CHECK(f.bytes.total() == sum - f.bytes[category::offloaded]);
  CHECK_THAT(f.text(), Catch::Contains("host memory"));
  CHECK_THAT(f.text(), Catch::Contains("what stages 0, 1 save goes to host memory after F and comes back 0 ops before the "
                                       "backward: the device has 1 slots for it each way in place of up to 4 microbatches"));
  CHECK_THAT(f.text(), Catch::Contains("this device's memory is the host's, so that nothing is saved"));
  CHECK(f.stage[0].saved == 2);
  CHECK(f.stage[2].saved == 2);  // it holds no more, and keeps them
  CHECK_THROWS_WITH(moves(config_of<moves>(1, 1)), Catch::Contains("holds 4 microbatches at most"));
}

/// Stages that offload each in its own way.
struct offloaded_apart {
  static constexpr char const* name = "offloaded_apart";
  static constexpr bool asynchronous = true;

  schedule::program build(schedule::extent e) const {
    schedule::program p = schedule::generate(schedule::async_1f1b{}, e);
    p.offloads({{0, 1, 0}, {1, 1, 1}});
    return p;
  }
  template <class Sink>
  void emit(schedule::extent e, Sink& sink) const {
    schedule::detail::emit_all(build(e), sink);
  }
};

TEST_CASE("Facts tell of each way in which stages offload", "[trainer]") {
  using moves = run<offloaded_apart>;
  moves const t(config_of<moves>(3, 1));
  CHECK_THAT(t.facts().text(), Catch::Contains("what stage 0 saves goes to host memory after F and comes back 0 ops before "
                                               "the backward: the device has 1 slots for it each way in place of up to 4 "
                                               "microbatches; what stage 1 saves goes to host memory after F and comes back "
                                               "1 ops before the backward"));
}
