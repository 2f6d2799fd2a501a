// Learning rates at points where they are known in closed form.
#include <foal/lr/base.hpp>
#include <foal/lr/reschedule.hpp>

#include <catch2/catch.hpp>
#include <cmath>

namespace {

using namespace foal;

static_assert(lr::learning_rate<lr::constant> && lr::learning_rate<lr::step> && lr::learning_rate<lr::cosine>);
static_assert(lr::learning_rate<lr::inverse_sqrt> && lr::learning_rate<lr::reschedule<lr::cosine>>);

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
