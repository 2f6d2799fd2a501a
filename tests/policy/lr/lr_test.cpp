// Learning rates at points where they are known in closed form.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/lr/plateau.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

static_assert(lr::learning_rate<lr::constant> && lr::learning_rate<lr::step> && lr::learning_rate<lr::cosine>);
static_assert(lr::learning_rate<lr::inverse_sqrt> && lr::learning_rate<lr::reschedule<lr::cosine>>);

static_assert(lr::learning_rate<lr::plateau<>> && lr::needs_delay<lr::reschedule<lr::plateau<>>>);

/// Each stage has its own rate; the first one has none.
struct by_stage {
  using role = foal::role::learning_rate;
  [[maybe_unused]] static constexpr char const* name = "by stage";
  double rate = 0.1;
  double at(lr::moment m) const { return rate * m.stage / (m.stages - 1); }
};

template <class Rate>
double rate_at(Rate const& r, long long update) {
  return r.at({.update = update});
}

}  // namespace

TEST_CASE("every base rate rises linearly over its warm-up") {
  auto const rises = [](auto const& r, double peak) {
    CHECK(rate_at(r, 0) == Approx(peak / 10));
    CHECK(rate_at(r, 4) == Approx(peak / 2));
    CHECK(rate_at(r, 9) == Approx(peak));
  };
  rises(lr::constant{.rate = 0.4, .warmup = 10}, 0.4);
  rises(lr::step{.rate = 0.4, .every = 100, .warmup = 10}, 0.4);
  rises(lr::cosine{.rate = 0.4, .steps = 100, .warmup = 10}, 0.4);
  rises(lr::inverse_sqrt{.rate = 0.4, .warmup = 10}, 0.4);
}

TEST_CASE("constant and step") {
  CHECK(rate_at(lr::constant{.rate = 0.4}, 0) == 0.4);
  CHECK(rate_at(lr::constant{.rate = 0.4}, 1000000) == 0.4);
  lr::step const s{.rate = 0.8, .every = 50, .factor = 0.5};
  CHECK(rate_at(s, 0) == 0.8);
  CHECK(rate_at(s, 49) == 0.8);
  CHECK(rate_at(s, 50) == Approx(0.4));
  CHECK(rate_at(s, 149) == Approx(0.2));
  CHECK(rate_at(s, 150) == Approx(0.1));
  CHECK(s.first_drop() == 50);
}

TEST_CASE("cosine falls from rate to least over its steps, and stays") {
  lr::cosine const c{.rate = 1, .steps = 110, .least = 0.2, .warmup = 10};
  CHECK(rate_at(c, 10) == Approx(1));
  CHECK(rate_at(c, 35) == Approx(0.2 + 0.8 * 0.5 * (1 + std::sqrt(0.5))));
  CHECK(rate_at(c, 60) == Approx(0.6));
  CHECK(rate_at(c, 110) == Approx(0.2));
  CHECK(rate_at(c, 5000) == Approx(0.2));
}

TEST_CASE("inverse square root halves when the count is four times as much") {
  lr::inverse_sqrt const r{.rate = 0.3, .warmup = 100};
  CHECK(rate_at(r, 99) == Approx(0.3));
  CHECK(rate_at(r, 399) == Approx(0.15));
  CHECK(rate_at(r, 1599) == Approx(0.075));
}

TEST_CASE("T1 divides by max(tau, floor)^p, p falls from 1 to 0 over K updates of the asynchronous phase") {
  lr::reschedule<lr::step> const r{.base = {.rate = 0.8, .every = 1000}, .steps = 40};
  auto const factor = [&](long long since, double tau) {
    return r.at({.update = 7 + since, .asynchronous = true, .since = since, .tau = tau}) / 0.8;
  };
  CHECK(factor(0, 4) == Approx(0.25));
  CHECK(factor(20, 4) == Approx(0.5));
  CHECK(factor(30, 16) == Approx(0.5));
  CHECK(factor(40, 4) == 1);
  CHECK(factor(400, 4) == 1);
  CHECK(factor(0, 0.25) == 1);  // the floor: a delay below one minibatch does not raise the rate
  CHECK(factor(10, 0) == 1);
  CHECK(r.exponent(0) == 1);
  CHECK(r.exponent(10) == 0.75);
  CHECK(r.exponent(1LL << 40) == 0);
  CHECK(r.at({.update = 3, .asynchronous = false, .since = 0, .tau = 9}) == 0.8);  // not in the synchronous phase
}

TEST_CASE("T1 without the floor is the printed formula, and K = 0 switches it off") {
  lr::reschedule<lr::constant> const printed{.base = {.rate = 1}, .steps = 10, .floor = 0};
  CHECK(printed.at({.asynchronous = true, .since = 0, .tau = 0.25}) == Approx(4));
  CHECK(printed.at({.asynchronous = true, .since = 5, .tau = 0.25}) == Approx(2));
  CHECK(printed.at({.asynchronous = true, .since = 0, .tau = 0}) == 1);
  lr::reschedule<lr::constant> const higher{.base = {.rate = 1}, .steps = 10, .floor = 3};
  CHECK(higher.at({.asynchronous = true, .since = 0, .tau = 2}) == Approx(1.0 / 3));
  lr::reschedule<lr::constant> const off{.base = {.rate = 1}, .steps = 0};
  CHECK(off.at({.asynchronous = true, .since = 0, .tau = 50}) == 1);
}

TEST_CASE("T1 multiplies a base rate that goes by the whole run's count") {
  lr::reschedule<lr::step> const r{.base = {.rate = 1, .every = 100, .factor = 0.1}, .steps = 400};
  CHECK(r.at({.update = 250, .asynchronous = true, .since = 200, .tau = 9}) == Approx(0.01 / 3));
}

TEST_CASE("a plateau lowers the rate when PyTorch's ReduceLROnPlateau does") {
  lr::plateau<> p{.base = {.rate = 0.4}, .factor = 0.5, .patience = 2, .threshold = 0.01, .cooldown = 1, .least = 0.06};
  // What its documented steps give with factor 0.5, patience 2, threshold 0.01, cooldown 1 and min_lr 0.06.
  std::vector<double> const losses{1,    0.995, 0.9, 0.9, 0.899, 0.9, 0.95, 0.95, 0.95,
                                   0.95, 0.5,   0.6, 0.6, 0.6,   0.6, 0.6,  0.6,  0.6};
  std::vector<double> const rates{.4, .4, .4, .4, .4, .2, .2, .2, .2, .1, .1, .1, .1, .06, .06, .06, .06, .06};
  for (std::size_t i = 0; i < losses.size(); ++i) {
    double const before = rate_at(p, 7);
    bool const lowered = p.observe(losses[i]);
    CHECK(rate_at(p, 7) == Approx(rates[i]));
    CHECK((lowered || rate_at(p, 7) == before));
  }
  lr::plateau<> q{.patience = 0};
  CHECK_FALSE(q.observe(1));
  CHECK(q.observe(std::numeric_limits<double>::quiet_NaN()));
  CHECK_THROWS_WITH((lr::plateau<>{.factor = 1}.check()), Catch::Contains("factor"));
}

TEST_CASE("a learning rate knows the stage, and a trainer's can be told what it waits for") {
  trainer<test::mlp<3>, loss::cross_entropy, schedule::gpipe, by_stage> t({.microbatch_size = 2, .microbatches = 2});
  auto const first = t.weights(0, 0), middle = t.weights(1, 0), last = t.weights(2, 0);
  t.run(test::stream{}, {.minibatches = 1});
  CHECK(t.weights(0, 0) == first);
  CHECK(t.weights(1, 0) != middle);
  CHECK(t.weights(2, 0) != last);

  using plateaued = trainer<test::mlp<3>, loss::cross_entropy, schedule::gpipe, lr::plateau<>>;
  plateaued a({.microbatch_size = 2, .microbatches = 2, .lr = {.base = {.rate = 0.2}, .patience = 0}});
  trainer<test::mlp<3>, loss::cross_entropy, schedule::gpipe> b(
      {.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.2}});
  for (int k = 0; k < 2; ++k) {
    a.run(test::stream{}, {.minibatches = 3});
    b.run(test::stream{}, {.minibatches = 3});
    CHECK(a.all_weights() == b.all_weights());
    CHECK(a.lr().observe(1) == (k == 1));
    b.lr().rate = k == 1 ? 0.1 * 0.2 : 0.2;
  }
  a.run(test::stream{}, {.minibatches = 3});
  b.run(test::stream{}, {.minibatches = 3});
  CHECK(a.all_weights() == b.all_weights());
}
