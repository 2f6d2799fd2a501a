// DC-ASGD against a plain loop.
#include <foal/policy/delay/dc_asgd.hpp>

#include <foal/policy/optim/sgd.hpp>

#include "tests/support/delayed_quadratic.hpp"

using namespace foal;

TEST_CASE("DC-ASGD moves a late gradient towards the weights of now", "[delay]") {
  using run = test::on_quadratic<optim::sgd, delay::dc_asgd>;
  for (int const tau : {0, 1, 5}) {
    double const rate = 0.5, lambda = 3;
    auto const expected = test::plain(tau, 40, 0.5, test::as_it_is, test::as_it_is,
                                      [&](test::elements& w, test::elements const& g, test::elements const& then, int) {
                                        for (std::size_t i = 0; i < w.size(); ++i)
                                          w[i] -= rate * (g[i] + lambda * g[i] * g[i] * (w[i] - then[i]));
                                      });
    test::check_equal(test::trained<run>({.lr = {.rate = rate}, .delay = {.lambda = lambda}}, tau, 40, 0.5), expected);
  }
}

TEST_CASE("DC-ASGD-a divides lambda by the root of the mean square", "[delay]") {
  using run = test::on_quadratic<optim::sgd, delay::adaptive_dc_asgd>;
  for (int const tau : {0, 1, 5}) {
    double const rate = 0.5, lambda = 0.4, memory = 0.9, eps = 1e-7;
    test::elements mean(test::curvatures);
    auto const expected = test::plain(tau, 40, 0.5, test::as_it_is, test::as_it_is,
                                      [&](test::elements& w, test::elements const& g, test::elements const& then, int) {
                                        for (std::size_t i = 0; i < w.size(); ++i) {
                                          double const of_now =
                                              g[i] + lambda / std::sqrt(mean[i] + eps) * g[i] * g[i] * (w[i] - then[i]);
                                          mean[i] = memory * mean[i] + (1 - memory) * of_now * of_now;
                                          w[i] -= rate * of_now;
                                        }
                                      });
    test::check_equal(
        test::trained<run>({.lr = {.rate = rate}, .delay = {.lambda = lambda, .memory = memory}}, tau, 40, 0.5), expected);
  }
}

TEST_CASE("DC-ASGD: numbers that cannot work are refused", "[delay]") {
  CHECK_THROWS_WITH(delay::dc_asgd{.lambda = -1}.check(), Catch::Contains("lambda"));
  CHECK_THROWS_WITH(delay::adaptive_dc_asgd{.memory = 1}.check(), Catch::Contains("memory"));
  CHECK_THROWS_WITH(delay::adaptive_dc_asgd{.eps = 0}.check(), Catch::Contains("eps"));
}
