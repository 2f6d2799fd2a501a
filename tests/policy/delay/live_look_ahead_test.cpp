// Live look-ahead: against a plain loop, as a prediction of the sum of steps, and as error feedback.
#include <foal/policy/delay/live_look_ahead.hpp>

#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/muon.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/policy/versions.hpp>

#include "tests/support/delayed_quadratic.hpp"

using namespace foal;

TEST_CASE("the live weights are the sum of all steps and h times the mean step", "[delay]") {
  using run = test::on_quadratic<optim::momentum, delay::live_look_ahead>;
  using stashed = test::on_quadratic<optim::momentum, delay::live_look_ahead, versions::stash>;
  for (double const gamma : {0.0, 0.8})
    for (int const tau : {0, 1, 5}) {
      double const rate = 0.1, mu = 0.9, horizon = 0.5;
      for (double const sensitivity : {0.5, 0.0}) {
        test::elements v(test::curvatures), y(test::curvatures, 1), delta(test::curvatures);
        auto const expected = test::plain(tau, 40, sensitivity, test::as_it_is, test::as_it_is,
                                          [&](test::elements& w, test::elements const& g, test::elements const&, int) {
                                            for (std::size_t i = 0; i < w.size(); ++i) {
                                              double const s = -rate * (v[i] = mu * v[i] + g[i]);
                                              y[i] += s;
                                              delta[i] = gamma * delta[i] + (1 - gamma) * s;
                                              w[i] = y[i] + horizon * tau * delta[i];
                                            }
                                          });
        auto const run_as = [&](auto t) {
          using trainer_type = typename decltype(t)::type;
          return test::trained<trainer_type>(
              {.optim = {.momentum = mu}, .lr = {.rate = rate}, .delay = {.horizon = horizon, .gamma = gamma}}, tau, 40,
              sensitivity);
        };
        test::check_equal(run_as(std::type_identity<run>{}), expected);
        if (sensitivity == 0)
          test::check_equal(run_as(std::type_identity<stashed>{}), expected);  // B's weights do not count
      }
    }
}

TEST_CASE("without memory, at a delay of 1, it is error feedback: x - 2 u + the u before", "[delay]") {
  double const rate = 0.3;
  test::elements last(test::curvatures);
  auto const expected = test::plain(1, 40, 0, test::as_it_is, test::as_it_is,
                                    [&](test::elements& w, test::elements const& g, test::elements const&, int) {
                                      for (std::size_t i = 0; i < w.size(); ++i) {
                                        double const u = rate * g[i];
                                        w[i] += -2 * u + last[i];
                                        last[i] = u;
                                      }
                                    });
  using run = test::on_quadratic<optim::sgd, delay::live_look_ahead>;
  test::check_equal(test::trained<run>({.lr = {.rate = rate}}, 1, 40, 0), expected);
}

TEST_CASE("a look-ahead that fades goes as far as a step does that loses a part of itself each time", "[delay]") {
  double const rate = 0.1, mu = 0.9, fade = 0.7, horizon = 1.5;
  for (int const tau : {0, 1, 6}) {
    double h = 0;
    for (int k = 1; k <= tau; ++k) h += horizon * std::pow(fade, k);
    test::elements v(test::curvatures), y(test::curvatures, 1);
    auto const expected = test::plain(tau, 40, 0.5, test::as_it_is, test::as_it_is,
                                      [&](test::elements& w, test::elements const& g, test::elements const&, int) {
                                        for (std::size_t i = 0; i < w.size(); ++i) {
                                          double const s = -rate * (v[i] = mu * v[i] + g[i]);
                                          y[i] += s;
                                          w[i] = y[i] + h * s;
                                        }
                                      });
    using run = test::on_quadratic<optim::momentum, delay::live_look_ahead>;
    typename run::config values{.optim = {.momentum = mu}, .lr = {.rate = rate}};
    values.delay = {.horizon = horizon, .fade = fade};
    test::check_equal(test::trained<run>(values, tau, 40, 0.5), expected);
  }
  // Where it hardly fades it goes as far as one that does not.
  delay::live_look_ahead const slow{.fade = 1 - 1e-9}, never{};
  CHECK(slow.ahead({.tau_fwd = 9}) == Approx(never.ahead({.tau_fwd = 9})));
}

TEST_CASE("an optimizer of whole parameters is moved on as an elementwise one is", "[delay]") {
  // The quadratic's w is the head, which muon gives to AdamW; a matrix optimizer alone takes it as a matrix of one column.
  using whole = test::on_quadratic<optim::orthogonal_momentum, delay::live_look_ahead>;
  using plain = test::on_quadratic<optim::orthogonal_momentum>;
  typename whole::config values{.lr = {.rate = 0.01}};
  values.delay.gamma = 0.5;
  auto const ahead = test::trained<whole>(values, 0, 12, 0);
  CHECK(test::apart(ahead, test::trained<plain>({.lr = {.rate = 0.01}}, 0, 12, 0)) == 0);  // h = 0
  CHECK(test::apart(test::trained<whole>(values, 2, 12, 0), test::trained<plain>({.lr = {.rate = 0.01}}, 2, 12, 0)) > 1e-4);
}

TEST_CASE("what is read out is the sum of the steps", "[delay]") {
  delay::live_look_ahead const p{.horizon = 2};
  CHECK(p.read_out<double>({.tau_fwd = 3})(1.5, 0.1) == Approx(1.5 - 6 * 0.1));
  CHECK_THROWS_WITH((delay::live_look_ahead{.gamma = 1}.check()), Catch::Contains("gamma"));
  for (double const fade : {0.0, 1.1})
    CHECK_THROWS_WITH((delay::live_look_ahead{.fade = fade}.check()), Catch::Contains("fade"));
}

TEST_CASE("a trainer gives what its delay policy reads out", "[delay]") {
  using run = test::on_quadratic<optim::sgd, delay::live_look_ahead>;
  std::copy_n(test::curvature, test::curvatures, stability::now<test::curvatures>.step);
  stability::now<test::curvatures>.sensitivity = 0;
  typename run::config values{.microbatch_size = 1, .microbatches = 1, .lr = {.rate = 0.5}, .evaluation = false};
  values.schedule = {{0, 3}};
  run t(values), other(values);
  CHECK(t.read_out(1, 0) == t.weights(1, 0));
  t.run(stability::no_data{}, {.minibatches = 12});
  test::elements y(test::curvatures, 1);
  test::plain(3, 12, 0, test::as_it_is, test::as_it_is,
              [&, last = test::elements(test::curvatures)](test::elements& w, test::elements const& g, test::elements const&,
                                                           int) mutable {
                for (std::size_t i = 0; i < w.size(); ++i) {
                  last[i] = -0.5 * g[i];
                  y[i] += last[i];
                  w[i] = y[i] + 3 * last[i];
                }
              });
  auto const found = t.read_out(1, 0);
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(found[i] == Approx(y[i]).epsilon(1e-12));
  CHECK(found != t.weights(1, 0));
  other.take_read_out(t);
  CHECK(other.weights(1, 0) == found);
}
