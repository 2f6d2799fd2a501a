// Periods that are recorded once and done again have the bits of calls, and of the host, and take few calls.
#include <catch2/catch.hpp>

#include <cstdint>
#include <type_traits>
#include <vector>

#include <foal/foal.hpp>

#include "tests/executor/pausing.hpp"
#include "tests/support/deferred.hpp"
#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using test::deferred;

static_assert(device::records<deferred> && !device::records<device::host>);

/// Cases of which something can be recorded, with minibatches for it.
std::vector<test::pausing> recorded_cases() {
  std::vector<test::pausing> some;
  for (test::pausing of : test::pausing_cases()) {
    of.minibatches = 14;
    test::piece<deferred> p(of, 1, 5, recording::where_possible);
    if (p.engine().not_recorded().empty()) some.push_back(of);
  }
  REQUIRE(some.size() > 24);
  return some;
}

struct drops
    : stages<input<test::mlp_inputs>, linear<8>, foal::tanh, dropout<20>, linear<8>, foal::tanh, linear<test::mlp_classes>> {
};

struct moving : stages<input<2, 4, 4>, conv<2, 3>, batch_norm, relu, conv<2, 3>, batch_norm, relu, flatten,
                       linear<test::mlp_classes>> {};
struct same_matrix;
struct ties : stages<input<test::mlp_inputs>, linear<6>, foal::tanh, tied<same_matrix, linear<6>>, foal::tanh, dropout<20>,
                     tied<same_matrix, linear<6>>, foal::tanh, linear<test::mlp_classes>> {};
/// It looks at what it gives, which no recording can.
struct nosy : relu {
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S> s) {
    relu::forward(ctx, x, w, y, s);
    (void)ctx.device.all_finite(static_cast<std::size_t>(ctx.samples * ctx.out.size()), static_cast<S const*>(y));
  }
};
struct looked_at : stages<input<test::mlp_inputs>, linear<8>, nosy, linear<test::mlp_classes>> {};
struct only_lines : stages<input<test::mlp_inputs>, linear<8>, linear<8>, linear<8>, linear<test::mlp_classes>> {};

template <class Schedule, class... Policies>
using recorded_run = trainer<drops, loss::cross_entropy, Schedule, on<deferred>, executor::threads, Policies...>;

/// A rate with which weights are lost after 20 updates.
struct leap {
  using role = foal::role::learning_rate;
  static constexpr char const* name = "leap";
  double at(lr::moment m) const { return m.update < 20 ? 0.01 : 1e6; }
};

template <class Run>
executor::run_result result_of(recording how, long long minibatches, auto const& source, std::vector<float>& weights,
                               auto const& set) {
  typename Run::config c{.microbatch_size = 2, .microbatches = 4};
  c.record = how;
  set(c);
  Run run(c);
  auto result = run.run(source, {.minibatches = minibatches, .every_loss = true});
  weights = run.all_weights();
  return result;
}

/// Targets of which some do not count: the weight of a minibatch is not that of the one before.
struct some_ignored : test::stream {
  void targets(long long microbatch, std::int32_t* t) const {
    test::stream::targets(microbatch, t);
    if (microbatch / 4 % 3 == 2) t[0] = loss::cross_entropy::ignored;
  }
};

}  // namespace

TEST_CASE("every schedule, versions rule and delay policy of which periods are recorded has the host's bits") {
  int again = 0;
  unsigned turn = 0;
  for (test::pausing const& of : recorded_cases()) {
    INFO(of.what.text());
    test::outcome const expected = test::in_one_piece(of);
    deferred::delays = turn++ % 3;
    test::piece<deferred> p(of, 1, 5, recording::where_possible);
    test::outcome found;
    REQUIRE_FALSE(p.run(found, {}));
    CHECK(found == expected);
    if (!p.not_recorded.empty()) CHECK_THAT(p.not_recorded, Catch::Matchers::Contains("its addresses come again after"));
    CHECK((p.periods.again == 0 || p.periods.recorded > 0));
    if (p.periods.again > 0) ++again;
  }
  deferred::delays = 0;
  CHECK(again > 20);
}

TEST_CASE("a run whose periods are recorded pauses, is cut, and goes on by calls or recorded, to the same bits") {
  for (test::pausing const& of : recorded_cases()) {
    INFO(of.what.text());
    test::outcome const expected = test::in_one_piece(of);
    auto const places = test::places_of(of);
    test::outcome all, parts;
    test::piece<deferred> whole(of, 1, 5, recording::where_possible);
    bool resumes = false;
    for (std::size_t i = places.size() / 3; i < places.size(); i += places.size() / 4 + 1, resumes = true)
      REQUIRE(whole.run(all, places[i], resumes));
    REQUIRE_FALSE(whole.run(all, {}, resumes));
    CHECK(all == expected);
    test::piece<deferred> first(of, 1, 5, recording::where_possible), second(of, 1),
        third(of, 1, 5, recording::where_possible);
    REQUIRE(first.run(parts, places[places.size() / 2]));
    second.engine().restore(first.engine().cut());
    REQUIRE(second.run(parts, places[places.size() * 2 / 3], true));
    third.engine().restore(second.engine().cut());
    REQUIRE_FALSE(third.run(parts, {}, true));
    CHECK(parts == expected);
  }
}

TEST_CASE("a minibatch that is done again takes one copy, one launch and one event, however many ops it has") {
  using run = recorded_run<schedule::gpipe, optim::momentum>;
  auto const set = [](auto&) {};
  std::vector<float> weights, expected;
  auto const calls_of = [&](recording how, long long minibatches, executor::period_counts& periods) {
    long long const before = deferred::calls;
    periods = result_of<run>(how, minibatches, test::stream{}, weights, set).periods;
    return deferred::calls - before;
  };
  executor::period_counts few, many;
  // Of the difference of two runs: what a run does once is no part of it. The second call is of the 20 minibatches.
  long long by_calls = calls_of(recording::never, 50, many);
  by_calls -= calls_of(recording::never, 20, few);
  CHECK(many.called == 0);  // nobody counts
  expected = weights;
  long long recorded = calls_of(recording::always, 50, many);
  recorded -= calls_of(recording::always, 20, few);
  CHECK(weights == expected);
  CHECK(many.called == few.called);
  CHECK(many.recorded == few.recorded);
  CHECK(many.again == few.again + 30);
  CHECK(many.called + many.recorded + many.again == 50);
  CHECK(recorded == 3 * 30);
  CHECK(by_calls > 50 * recorded / 3);
}

TEST_CASE("a gradient or a loss that is not finite ends a recorded run with the sentence of calls") {
  auto const compare = [](auto of, auto const& source, auto const& set) {
    using run = typename decltype(of)::type;
    std::vector<float> by_calls, recorded;
    auto const expected = result_of<run>(recording::never, 40, source, by_calls, set),
               found = result_of<run>(recording::always, 40, source, recorded, set);
    CHECK(found.periods.again > 0);
    REQUIRE(expected.diverged.has_value());
    CAPTURE(expected.diverged->text());
    REQUIRE(found.diverged.has_value());
    CHECK(found.diverged->stage == expected.diverged->stage);
    CHECK(found.diverged->what == expected.diverged->what);
    CHECK(found.diverged->update == expected.diverged->update);
  };
  auto const as_it_is = [](auto&) {};
  test::stream const poisoned{.samples = 2, .poisoned = 200};
  compare(std::type_identity<recorded_run<schedule::gpipe, optim::momentum>>{}, poisoned, as_it_is);
  compare(std::type_identity<recorded_run<schedule::pipemare, optim::momentum, delay::discrepancy_correction>>{}, poisoned,
          as_it_is);
  // A statistic is moved to what is not finite before a loss is.
  compare(std::type_identity<trainer<moving, loss::cross_entropy, schedule::one_f_one_b, on<deferred>, executor::threads>>{},
          test::stream{.features = 32, .samples = 2, .poisoned = 200}, as_it_is);
  // The rate leaps once periods are recorded, so that gradients grow until one is not finite.
  auto const leaps = []<class Schedule>(std::type_identity<Schedule>) {
    return std::type_identity<trainer<only_lines, loss::cross_entropy, Schedule, on<deferred>, executor::threads, leap>>{};
  };
  compare(leaps(std::type_identity<schedule::one_f_one_b>{}), test::stream{}, as_it_is);
  compare(leaps(std::type_identity<schedule::async_1f1b>{}), test::stream{}, as_it_is);
  compare(leaps(std::type_identity<schedule::pipemare>{}), test::stream{}, as_it_is);
}

TEST_CASE("tied weights of stages have the bits of calls, whose versions are ahead of each other") {
  auto const compare = [](auto of) {
    using run = typename decltype(of)::type;
    auto const set = [](auto&) {};
    std::vector<float> expected, found;
    (void)result_of<run>(recording::never, 40, test::stream{}, expected, set);
    auto const recorded = result_of<run>(recording::always, 40, test::stream{}, found, set);
    CHECK(recorded.periods.again > 5);
    CHECK(found == expected);
  };
  auto const on_ties = []<class Schedule>(std::type_identity<Schedule>) {
    return std::type_identity<trainer<ties, loss::cross_entropy, Schedule, on<deferred>, executor::threads, optim::adam,
                                      delay::discrepancy_correction>>{};
  };
  compare(on_ties(std::type_identity<schedule::async_1f1b>{}));
  compare(on_ties(std::type_identity<schedule::pipemare>{}));
  compare(on_ties(std::type_identity<schedule::recomputed<schedule::pipemare>>{}));
}

TEST_CASE("what cannot be recorded ends the run with what the device says of it") {
  using run = trainer<looked_at, loss::cross_entropy, schedule::async_1f1b, optim::momentum, on<deferred>>;
  run::config c{.microbatch_size = 2, .microbatches = 4};
  run by_calls(c);
  CHECK_FALSE(by_calls.run(test::stream{}, {.minibatches = 10}).diverged);
  c.record = recording::always;
  run recorded(c);
  CHECK_THROWS_WITH(recorded.run(test::stream{}, {.minibatches = 10}),
                    "cannot wait for a queue of this test while it is recorded");
  CHECK_THROWS_WITH(recorded.run(test::stream{}, {.minibatches = 10}),
                    Catch::Matchers::Contains("was ended by an exception"));
}

TEST_CASE("minibatches of another weight than the recorded one are called") {
  using run = recorded_run<schedule::one_f_one_b, optim::adam>;
  auto const set = [](auto&) {};
  std::vector<float> expected, found;
  auto const by_calls = result_of<run>(recording::never, 20, some_ignored{}, expected, set),
             recorded = result_of<run>(recording::always, 20, some_ignored{}, found, set);
  CHECK(found == expected);
  CHECK(recorded.periods.called >= 6);
  CHECK(recorded.periods.again >= 8);
  for (std::size_t i = 0; i < by_calls.losses.size(); ++i) CHECK(recorded.losses[i].sum == by_calls.losses[i].sum);
}

TEST_CASE("evaluations of recorded runs are those of calls wherever minibatches are counted from") {
  auto const fit = [](recording how, int warmup, std::vector<double>& all) {
    using run = recorded_run<schedule::async_1f1b, optim::momentum, warmup::synchronous>;
    run::config c{.microbatch_size = 2, .microbatches = 2};
    c.record = how;
    c.warmup.minibatches = warmup;
    run r(c);
    test::first_samples const data{.count = 48};
    auto const report = r.fit(data, {.epochs = 3, .evaluate = data, .quiet = true});
    for (auto const& e : report.evaluations) all.push_back(e.loss);
  };
  for (int const warmup : {0, 5}) {
    std::vector<double> expected, found;
    fit(recording::never, warmup, expected);
    fit(recording::always, warmup, found);
    CHECK(found == expected);
    CHECK(expected.size() == 3);
  }
}

TEST_CASE("a fit whose periods are recorded has the bits, evaluations and losses of calls, with any number of workers") {
  auto const fit = [](recording how, int workers) {
    using run = recorded_run<schedule::async_1f1b, optim::adam>;
    run::config c{.microbatch_size = 2, .microbatches = 2, .workers = workers};
    c.record = how;
    run r(c);
    test::first_samples const data{.count = 48};
    auto const report = r.fit(data, {.epochs = 3, .evaluate = data, .quiet = true});
    std::vector<double> all(report.epoch_loss);
    for (auto const& e : report.evaluations) all.push_back(e.loss);
    for (float const w : r.all_weights()) all.push_back(static_cast<double>(w));
    return all;
  };
  auto const expected = fit(recording::never, 1);
  CHECK(fit(recording::never, 3) == expected);
  CHECK(fit(recording::where_possible, 3) == expected);  // by calls
  CHECK(fit(recording::always, 1) == expected);
}
