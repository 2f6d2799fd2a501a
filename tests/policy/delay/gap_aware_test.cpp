// Gap-Aware against a plain loop.
#include <foal/policy/delay/gap_aware.hpp>

#include <foal/policy/optim/momentum.hpp>

#include "tests/support/delayed_quadratic.hpp"

using namespace foal;

TEST_CASE("a gradient is divided by the steps that the weights have gone since", "[delay]") {
  using run = test::on_quadratic<optim::momentum, delay::gap_aware>;
  for (int const tau : {0, 1, 5}) {
    double const rate = 0.1, mu = 0.9, memory = 0.99, eps = 1e-8;
    test::elements v(test::curvatures), squares(test::curvatures);
    auto const expected = test::plain(tau, 60, 0.5, test::as_it_is, test::as_it_is,
                                      [&](test::elements& w, test::elements const& g, test::elements const& then, int t) {
                                        for (std::size_t i = 0; i < w.size(); ++i) {
                                          double const usual = t > 0 ? std::sqrt(squares[i] / (1 - std::pow(memory, t))) : 0;
                                          v[i] = mu * v[i] + g[i] / (1 + std::abs(w[i] - then[i]) / (rate * (usual + eps)));
                                          squares[i] = memory * squares[i] + (1 - memory) * v[i] * v[i];
                                          w[i] -= rate * v[i];
                                        }
                                      });
    test::check_equal(
        test::trained<run>({.optim = {.momentum = mu}, .lr = {.rate = rate}, .delay = {.rate = rate, .memory = memory}}, tau,
                           60, 0.5),
        expected);
  }
}

TEST_CASE("Gap-Aware needs the run's largest rate", "[delay]") {
  CHECK_THROWS_WITH(delay::gap_aware{}.check(), Catch::Contains("rate") && Catch::Contains("largest rate of the run"));
}
