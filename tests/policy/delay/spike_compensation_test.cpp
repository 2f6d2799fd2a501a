// Spike compensation against a plain loop, and what it keeps.
#include <foal/policy/delay/spike_compensation.hpp>

#include <foal/policy/optim/momentum.hpp>

#include "tests/support/delayed_quadratic.hpp"

using namespace foal;

TEST_CASE("a late gradient counts at once for the steps that it has missed", "[delay]") {
  using run = test::on_quadratic<optim::momentum, delay::spike_compensation>;
  for (int const tau : {0, 1, 5}) {
    double const rate = 0.05, b = 0.9, a = std::pow(b, tau), of_g = (1 - a) / (1 - b);
    test::elements v(test::curvatures);
    auto const expected = test::plain(tau, 60, 0.5, test::as_it_is, test::as_it_is,
                                      [&](test::elements& w, test::elements const& g, test::elements const&, int) {
                                        for (std::size_t i = 0; i < w.size(); ++i)
                                          w[i] -= rate * (a * (v[i] = b * v[i] + g[i]) + of_g * g[i]);
                                      });
    test::check_equal(
        test::trained<run>({.optim = {.momentum = b}, .lr = {.rate = rate}, .delay = {.momentum = b}}, tau, 60, 0.5),
        expected);
  }
}

TEST_CASE("a gradient's whole weight is that without delay", "[delay]") {
  double const b = 0.8;
  for (double const tau : {0.0, 1.0, 2.5, 30.0}) {
    delay::spike_compensation const p{.momentum = b};
    auto const f = p.move<double>({.tau_fwd = tau, .rate = 1});
    double v = 0, w = 0, g = 1;
    for (int t = 0; t < 400; ++t, g = 0) {
      double const before = w;
      v = b * v + g;
      w = f(w - v, before, g, v);
    }
    CHECK(w == Approx(-1 / (1 - b)));
  }
}
