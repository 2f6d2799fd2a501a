// Staleness-aware gradients and rates.
#include <foal/policy/delay/staleness_aware.hpp>

#include <foal/policy/lr/base.hpp>
#include <foal/policy/lr/staleness_aware.hpp>
#include <foal/policy/optim/sgd.hpp>

#include "tests/support/delayed_quadratic.hpp"

using namespace foal;

TEST_CASE("a gradient is divided by its age, which plain SGD cannot tell from a smaller rate", "[delay]") {
  using by_gradient = test::on_quadratic<optim::sgd, delay::staleness_aware>;
  using by_rate = test::on_quadratic<optim::sgd, lr::staleness_aware<lr::constant>>;
  for (int const tau : {0, 1, 2, 6}) {
    int seen = 0;
    auto const expected = test::plain(tau, 40, 0.5, test::as_it_is, test::as_it_is,
                                      [&](test::elements& w, test::elements const& g, test::elements const&, int t) {
                                        int const age = std::max(1, std::min(t, tau));
                                        for (std::size_t i = 0; i < w.size(); ++i) w[i] -= 1.5 * g[i] / age;
                                        ++seen;
                                      });
    test::check_equal(test::trained<by_gradient>({.lr = {.rate = 1.5}}, tau, 40, 0.5), expected);
    typename by_rate::config values;
    values.lr.base.rate = 1.5;
    auto const mean = test::plain(tau, 40, 0.5, test::as_it_is, test::as_it_is,
                                  [&](test::elements& w, test::elements const& g, test::elements const&, int) {
                                    for (std::size_t i = 0; i < w.size(); ++i) w[i] -= 1.5 / std::max(1, tau) * g[i];
                                  });
    test::check_equal(test::trained<by_rate>(values, tau, 40, 0.5), mean);
  }
}

TEST_CASE("without a delay the rate is the base's", "[delay]") {
  lr::staleness_aware<lr::constant> const p{{.rate = 0.5}};
  CHECK(p.at({.asynchronous = false, .tau = 4}) == 0.5);
  CHECK(p.at({.asynchronous = true, .tau = 0.5}) == 0.5);
  CHECK(p.at({.asynchronous = true, .tau = 4}) == 0.125);
}
