// Recordings that cannot be made, fail, or would repeat what is new each time: the run has the bits of calls all the same.
#include <catch2/catch.hpp>

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <foal/foal.hpp>

#include "tests/executor/pausing.hpp"
#include "tests/support/deferred.hpp"
#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using test::deferred;

/// A shift for each microbatch, which the layer draws itself.
struct shifted {
  static constexpr char const* name = "shifted";
  static constexpr bool draws = true;
  static constexpr shape output(shape in) { return in; }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S>) {
    random_key key = ctx.random;
    key.use = purpose::user;
    auto const by = static_cast<S>(random_unit(key, 0));
    ctx.device.map(
        static_cast<std::size_t>(ctx.samples * ctx.in.size()), [by](S from, S& to) { to = from + by; }, x, y);
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    ctx.device.copy(dx, dy, static_cast<std::size_t>(ctx.samples * ctx.in.size()) * sizeof(S));
  }
};
struct shifted_net
    : stages<input<test::mlp_inputs>, linear<8>, foal::tanh, linear<8>, shifted, foal::tanh, linear<test::mlp_classes>> {};

// Who does not say that it draws has nothing to draw with.
static_assert(std::is_same_v<decltype(context<deferred, float, false>::random), random_needs_draws>);
static_assert(std::is_same_v<decltype(context<deferred, float>::random), random_key>);

struct dropping
    : stages<input<test::mlp_inputs>, linear<8>, foal::tanh, dropout<20>, linear<8>, foal::tanh, linear<test::mlp_classes>> {
};

/// Of minibatch `odd` a target does not count, so its loss is divided by another number.
struct one_odd : test::stream {
  long long odd = 1;
  void targets(long long microbatch, std::int32_t* t) const {
    test::stream::targets(microbatch, t);
    if (microbatch / 4 == odd) t[0] = loss::cross_entropy::ignored;
  }
};

struct breaking : test::stream {
  template <class S>
  void inputs(long long microbatch, S* x, S* scratch) const {
    if (microbatch == 82) throw error("cannot read microbatch 82, because this test is of that");
    test::stream::inputs(microbatch, x, scratch);
  }
};

struct found {
  executor::run_result result;
  std::vector<float> weights;
};
template <class Run, class Source = test::stream>
found trained(recording how, long long minibatches, Source const& source = {}) {
  typename Run::config c{.microbatch_size = 2, .microbatches = 4};
  c.record = how;
  Run run(c);
  found f;
  f.result = run.run(source, {.minibatches = minibatches, .every_loss = true});
  f.weights = run.all_weights();
  return f;
}
void check_same(found const& a, found const& b) {
  CHECK(a.weights == b.weights);
  REQUIRE(a.result.losses.size() == b.result.losses.size());
  for (std::size_t i = 0; i < a.result.losses.size(); ++i) CHECK(a.result.losses[i].sum == b.result.losses[i].sum);
}

template <class Schedule>
using dropping_run = trainer<dropping, loss::cross_entropy, Schedule, on<deferred>, executor::threads, optim::adam>;

template <class F>
void for_schedules(F const& f) {
  f(std::type_identity<dropping_run<schedule::gpipe>>{});
  f(std::type_identity<dropping_run<schedule::async_1f1b>>{});
  f(std::type_identity<dropping_run<schedule::pipemare>>{});
}

}  // namespace

TEST_CASE("a net with a layer that draws by itself is called, and refused where it must be recorded") {
  using run = trainer<shifted_net, loss::cross_entropy, schedule::one_f_one_b, on<deferred>, executor::threads>;
  using on_host = trainer<shifted_net, loss::cross_entropy, schedule::one_f_one_b>;
  found const expected = trained<on_host>(recording::never, 12), called = trained<run>(recording::where_possible, 12);
  check_same(called, expected);
  CHECK(called.result.periods.again == 0);
  CHECK(called.result.not_recorded ==
        "layer 3 (shifted) draws by itself, with numbers of samples that a recording would repeat");
  CHECK_THROWS_WITH(trained<run>(recording::always, 12), Catch::Matchers::Contains("layer 3 (shifted) draws by itself"));
}

TEST_CASE("a recording that fails leaves units as they were, so that the run goes on by calls to the same bits") {
  for_schedules([]<class Run>(std::type_identity<Run>) {
    found const expected = trained<Run>(recording::never, 24);
    for (auto* const fails : {&deferred::failing_begin, &deferred::failing_end, &deferred::failing_launch}) {
      deferred::delays = 1;
      *fails = 1;
      found const f = trained<Run>(recording::where_possible, 24);
      CHECK(*fails == 0);
      check_same(f, expected);
      CHECK(f.result.periods.recorded + f.result.periods.again == 0);
      CHECK_THAT(f.result.not_recorded, Catch::Matchers::Contains("because this test is of that"));
      *fails = 1;
      CHECK_THROWS_WITH(trained<Run>(recording::always, 24), Catch::Matchers::Contains("because this test is of that"));
      deferred::delays = 0;
    }
  });
}

TEST_CASE("a launch of what is recorded that fails once is made up for by calls, also where periods must be recorded") {
  for_schedules([]<class Run>(std::type_identity<Run>) {
    found const expected = trained<Run>(recording::never, 40), whole = trained<Run>(recording::always, 40);
    deferred::delays = 2;
    deferred::failing_launch = static_cast<int>(whole.result.periods.recorded) + 3;
    found const f = trained<Run>(recording::always, 40);
    deferred::delays = 0;
    CHECK(deferred::failing_launch == 0);
    check_same(f, expected);
    CHECK(f.result.periods.called == whole.result.periods.called + 1);
    CHECK(f.result.periods.again == whole.result.periods.again - 1);
    CHECK(f.result.not_recorded.empty());
  });
}

TEST_CASE("a source that throws in a recorded run ends it as it ends one by calls, with the updates of before") {
  for_schedules([]<class Run>(std::type_identity<Run>) {
    auto const updates_of = [](recording how) {
      typename Run::config c{.microbatch_size = 2, .microbatches = 4};
      c.record = how;
      Run run(c);
      CHECK_THROWS_WITH(run.run(breaking{}, {.minibatches = 40}), "cannot read microbatch 82, because this test is of that");
      return run.updates();
    };
    CHECK(updates_of(recording::always) == updates_of(recording::never));
  });
}

TEST_CASE("a run of which no phase can be recorded is refused as it is made") {
  int refused = 0;
  for (test::pausing const& of : test::pausing_cases()) {
    test::piece<deferred> p(of, 1, 5, recording::where_possible);
    if (p.engine().not_recorded().find("its addresses come again after") != 0) continue;
    INFO(of.what.text());
    ++refused;
    CHECK_THROWS_WITH((test::piece<deferred>(of, 1, 5, recording::always)),
                      Catch::Matchers::Contains("because its addresses come again after"));
  }
  CHECK(refused > 0);
}

TEST_CASE("where the first minibatch that is recorded was the odd one, others are recorded after some refusals") {
  using run = dropping_run<schedule::gpipe>;
  found const expected = trained<run>(recording::never, 40, one_odd{}), f = trained<run>(recording::always, 40, one_odd{});
  check_same(f, expected);
  CHECK(f.result.periods.refused == executor::recorded_periods::most_refusals);
  CHECK(f.result.periods.again > 20);
  // One among many is called, and what is recorded stays.
  found const later = trained<run>(recording::always, 40, one_odd{{}, 20});
  check_same(later, trained<run>(recording::never, 40, one_odd{{}, 20}));
  CHECK(later.result.periods.refused == 1);
  CHECK(later.result.periods.recorded < f.result.periods.recorded);
}
