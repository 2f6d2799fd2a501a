// Linear weight prediction against a plain loop.
#include <foal/policy/delay/linear_prediction.hpp>

#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/sgd.hpp>

#include "tests/support/delayed_quadratic.hpp"

using namespace foal;

TEST_CASE("the velocity form predicts by the momentum and the rate of the last update", "[delay]") {
  using run = test::on_quadratic<optim::momentum, delay::velocity_prediction<>>;
  for (int const tau : {0, 1, 5}) {
    double const rate = 0.2, mu = 0.9, horizon = 1.5;
    test::elements v(test::curvatures);
    auto const expected = test::plain(
        tau, 40, 0.5,
        [&](test::elements w, int t) {
          for (std::size_t i = 0; i < w.size(); ++i) w[i] -= t > 0 ? horizon * tau * rate * v[i] : 0;
          return w;
        },
        test::as_it_is,
        [&](test::elements& w, test::elements const& g, test::elements const&, int) {
          for (std::size_t i = 0; i < w.size(); ++i) w[i] -= rate * (v[i] = mu * v[i] + g[i]);
        });
    test::check_equal(
        test::trained<run>({.optim = {.momentum = mu}, .lr = {.rate = rate}, .delay = {.horizon = horizon}}, tau, 40, 0.5),
        expected);
  }
}

TEST_CASE("the weight form predicts by the last step, of any optimizer", "[delay]") {
  using run = test::on_quadratic<optim::sgd, delay::difference_prediction>;
  for (int const tau : {0, 1, 5}) {
    double const rate = 0.5;
    test::elements last(test::curvatures);
    auto const expected = test::plain(
        tau, 40, 0.5,
        [&](test::elements w, int) {
          for (std::size_t i = 0; i < w.size(); ++i) w[i] += tau * last[i];
          return w;
        },
        test::as_it_is,
        [&](test::elements& w, test::elements const& g, test::elements const&, int) {
          for (std::size_t i = 0; i < w.size(); ++i) w[i] += last[i] = -rate * g[i];
        });
    test::check_equal(test::trained<run>({.lr = {.rate = rate}}, tau, 40, 0.5), expected);
  }
}

TEST_CASE("horizons below 0 are refused", "[delay]") {
  CHECK_THROWS_WITH(delay::velocity_prediction<>{.horizon = -1}.check(), Catch::Contains("horizon"));
  CHECK_THROWS_WITH(delay::difference_prediction{.horizon = -1}.check(), Catch::Contains("horizon"));
}
