// FTPipe's predictions against the optimizers themselves, run on without gradients at the rates to come.
#include <foal/policy/delay/scheduled_prediction.hpp>

#include <foal/policy/lr/base.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/momentum.hpp>

#include "tests/support/delayed_quadratic.hpp"

using namespace foal;

namespace {

constexpr lr::step falling{.rate = 0.2, .every = 7, .factor = 0.3};
double rate_of(long long update) { return falling.at({.update = update}); }

}  // namespace

TEST_CASE("what F reads is what the optimizer makes of the weights without gradients", "[delay]") {
  using run = test::on_quadratic<optim::momentum, lr::step, delay::scheduled_prediction>;
  for (int const tau : {0, 1, 4}) {
    double const mu = 0.8;
    test::elements v(test::curvatures);
    auto const expected = test::plain(
        tau, 30, 0.5,
        [&](test::elements w, int t) {
          test::elements u = v;
          for (int k = 0; k < tau; ++k)
            for (std::size_t i = 0; i < w.size(); ++i) w[i] -= rate_of(t + k) * (u[i] *= mu);
          return w;
        },
        test::as_it_is,
        [&](test::elements& w, test::elements const& g, test::elements const&, int t) {
          for (std::size_t i = 0; i < w.size(); ++i) w[i] -= rate_of(t) * (v[i] = mu * v[i] + g[i]);
        });
    test::check_equal(
        test::trained<run>({.optim = {.momentum = mu}, .lr = falling, .delay = {.momentum = mu}}, tau, 30, 0.5), expected);
  }
}

TEST_CASE("the same of Adam, whose second moment stays as it is", "[delay]") {
  using run = test::on_quadratic<optim::adam, lr::step, delay::scheduled_adam_prediction>;
  for (int const tau : {0, 3}) {
    double const b1 = 0.9, b2 = 0.999, eps = 1e-8;
    test::elements m(test::curvatures), v(test::curvatures);
    auto const expected = test::plain(
        tau, 30, 0.5,
        [&](test::elements w, int t) {
          for (int k = 1; k <= tau && t > 0; ++k)
            for (std::size_t i = 0; i < w.size(); ++i)
              w[i] -= rate_of(t + k - 1) * std::pow(b1, k) * m[i] / (1 - std::pow(b1, t + k)) /
                      (std::sqrt(v[i]) / std::sqrt(1 - std::pow(b2, t + k)) + eps);
          return w;
        },
        test::as_it_is,
        [&](test::elements& w, test::elements const& g, test::elements const&, int t) {
          for (std::size_t i = 0; i < w.size(); ++i) {
            m[i] = b1 * m[i] + (1 - b1) * g[i];
            v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
            w[i] -= rate_of(t) * (m[i] / (1 - std::pow(b1, t + 1))) /
                    (std::sqrt(v[i]) / std::sqrt(1 - std::pow(b2, t + 1)) + eps);
          }
        });
    test::check_equal(test::trained<run>({.lr = falling}, tau, 30, 0.5), expected, 1e-10);
  }
}

TEST_CASE("at one rate the sum is geometric, for a delay between two updates too", "[delay]") {
  double const b = 0.7, rate = 0.1;
  for (int const tau : {1, 2, 6}) {
    auto const f = delay::scheduled_prediction{.momentum = b}.forward_weight<double>(
        {.tau_fwd = static_cast<double>(tau), .rate = rate, .updates = 1});
    CHECK(f(0.0, 1.0) == Approx(-rate * (b - std::pow(b, tau + 1)) / (1 - b)));
  }
  auto const half =
      delay::scheduled_prediction{.momentum = b}.forward_weight<double>({.tau_fwd = 1.5, .rate = rate, .updates = 1});
  CHECK(half(0.0, 1.0) == Approx(-rate * (b + 0.5 * b * b)));
}

TEST_CASE("more updates than there are terms for are refused", "[delay]") {
  CHECK_NOTHROW(delay::scheduled_adam_prediction{}.fits({.tau_fwd = 32}));
  CHECK_THROWS_WITH(delay::scheduled_adam_prediction{}.fits({.stage = 2, .tau_fwd = 32.5}),
                    Catch::Contains("at stage 2, because F is 32.5 updates late"));
}
