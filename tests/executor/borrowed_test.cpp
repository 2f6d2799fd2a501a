// Tied weights from outside: one set of weights, whichever layer is asked; and in programs of other orders than foal's own.
#include <foal/executor/tied.hpp>

#include <catch2/catch.hpp>
#include <cmath>

#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

struct shared;
struct net : stages<input<5>, linear<4>, foal::tanh, tied<shared, linear<4>>, foal::tanh, linear<4>, foal::tanh,
                    tied<shared, linear<4>>, foal::tanh, linear<3>> {};
constexpr int home = 1, borrower = 2;
constexpr std::size_t home_weight = 0, borrowed_weight = 2;
struct frozen_group : stages<input<5>, frozen<tied<shared, linear<5>>, foal::tanh>, linear<5>, foal::tanh,
                             frozen<tied<shared, linear<5>>>, foal::tanh, linear<3>> {};

template <class Schedule, class... More>
using run = trainer<net, loss::cross_entropy, Schedule, scalar<double>, More...>;

/// GPipe as its paper has it: the last microbatch's backward comes first.
struct last_first {
  static constexpr char const* name = "last_first";
  static constexpr bool asynchronous = false;

  template <class Sink>
  constexpr void emit(schedule::extent e, Sink& sink) const {
    using namespace schedule;
    for (int r = 0; r < e.ranks; ++r) {
      for (int m = 0; m < e.microbatches; ++m) emit_forward(e, r, m, sink);
      for (int m = e.microbatches - 1; m >= 0; --m)
        for (int s = first_stage(e, r + 1) - 1; s >= first_stage(e, r); --s) {
          op o{.kind = op_kind::BW, .stage = s, .microbatch = m, .slot = -1};
          sink(r, o);
          o.kind = op_kind::U;
          o.microbatch = e.microbatches - 1;
          if (m == 0) sink(r, o);
        }
    }
  }
};

}  // namespace

TEST_CASE("a tied weight is one, whichever layer is asked", "[tied]") {
  run<schedule::pipemare, optim::averaged<optim::momentum>> t({.microbatch_size = 2, .workers = 2, .lr = {.rate = 0.1}});
  REQUIRE(t.tables().stages[borrower].parameters[borrowed_weight].home_stage == home);
  t.run(test::stream{.samples = 2}, {.minibatches = 5});
  CHECK(t.weights(borrower, borrowed_weight) == t.weights(home, home_weight));
  CHECK(t.average(borrower, borrowed_weight) == t.average(home, home_weight));
  CHECK(t.average(home, home_weight) != t.weights(home, home_weight));

  test::first_samples const data;
  double const before = t.evaluate(data).loss;
  t.set_weights(borrower, borrowed_weight, std::vector<double>(16, 0.25));
  CHECK(t.weights(home, home_weight) == std::vector<double>(16, 0.25));
  CHECK(t.evaluate(data).loss != before);
}

TEST_CASE("gradients of tied weights go home with the last backward, whatever its number", "[tied]") {
  auto const trained = [](auto&& t) {
    t.run(test::stream{.samples = 2}, {.minibatches = 4});
    return t.all_weights();
  };
  auto const reference = trained(run<schedule::gpipe>({.microbatch_size = 2, .microbatches = 3, .lr = {.rate = 0.5}}));
  for (int workers : {1, 4}) {
    auto const other =
        trained(run<last_first>({.microbatch_size = 2, .microbatches = 3, .workers = workers, .lr = {.rate = 0.5}}));
    REQUIRE(other.size() == reference.size());
    for (std::size_t i = 0; i < other.size(); ++i) CHECK(other[i] == Approx(reference[i]).epsilon(1e-10).margin(1e-12));
  }
}

TEST_CASE("a tied group that nothing changes is lent once", "[tied]") {
  for (int workers : {1, 3}) {
    trainer<frozen_group, loss::cross_entropy, schedule::pipemare, scalar<double>> t(
        {.microbatch_size = 2, .microbatches = 2, .workers = workers, .lr = {.rate = 0.1}});
    auto const before = t.weights(0, 0);
    t.run(test::stream{.samples = 2}, {.minibatches = 10});
    CHECK(t.weights(0, 0) == before);
    predictor<frozen_group, scalar<double>> p({.microbatch_size = 2, .workers = workers});
    p.take(t);
    std::vector<double> all;
    p.predict(test::stream{.samples = 2}, 6,
              [&](long long, double const* y, shape of, int samples) { all.insert(all.end(), y, y + of.size() * samples); });
    CHECK(all.size() == 6 * 2 * 3);
  }
}
