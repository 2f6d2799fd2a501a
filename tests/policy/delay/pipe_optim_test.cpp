// PipeOptim's prediction, of Adam and of momentum, against a plain loop.
#include <foal/policy/delay/pipe_optim.hpp>

#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/momentum.hpp>

#include "tests/support/delayed_quadratic.hpp"

using namespace foal;

TEST_CASE("PipeOptim predicts as many of Adam's steps as F is late", "[delay]") {
  using run = test::on_quadratic<optim::adam, delay::pipe_optim<>>;
  for (int const tau : {0, 3}) {
    double const rate = 0.02, b1 = 0.9, b2 = 0.999, eps = 1e-8;
    test::elements m(test::curvatures), v(test::curvatures);
    auto const step = [&](std::size_t i, int t) {
      return m[i] / (1 - std::pow(b1, t)) / (std::sqrt(v[i] / (1 - std::pow(b2, t))) + eps);
    };
    auto const expected = test::plain(
        tau, 60, 0.5,
        [&](test::elements w, int t) {
          for (std::size_t i = 0; i < w.size(); ++i) w[i] -= t > 0 ? tau * rate * step(i, t) : 0;
          return w;
        },
        test::as_it_is,
        [&](test::elements& w, test::elements const& g, test::elements const&, int t) {
          for (std::size_t i = 0; i < w.size(); ++i) {
            m[i] = b1 * m[i] + (1 - b1) * g[i];
            v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
            w[i] -= rate * step(i, t + 1);
          }
        });
    test::check_equal(test::trained<run>({.lr = {.rate = rate}}, tau, 60, 0.5), expected, 1e-10);
  }
}

TEST_CASE("with momentum PipeOptim is the velocity form of linear prediction", "[delay]") {
  delay::pipe_optim<delay::direction::of_momentum> const p;
  auto const f = p.forward_weight<double>({.tau_fwd = 2.5, .rate = 0.1, .updates = 3});
  CHECK(f(1.0, 0.4) == 1 - 2.5 * 0.1 * 0.4);
}

TEST_CASE("directions need Adam's numbers as Adam does", "[delay]") {
  CHECK_THROWS_WITH((delay::pipe_optim<>{.direction = {.beta1 = 1}}.check()), Catch::Contains("beta1"));
  CHECK_THROWS_WITH((delay::pipe_optim<>{.direction = {.eps = 0}}.check()), Catch::Contains("eps"));
}
