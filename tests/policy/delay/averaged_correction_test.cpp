// T2 by an average of the weights: T2's own numbers, and an average.
#include <foal/policy/delay/averaged_correction.hpp>

#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>

#include "tests/support/delayed_quadratic.hpp"

using namespace foal;

TEST_CASE("B reads what T2 with the same gamma has it read", "[delay]") {
  using t2 = test::on_quadratic<optim::momentum, delay::discrepancy_correction>;
  using averaged = test::on_quadratic<optim::momentum, delay::averaged_correction>;
  using nothing = test::on_quadratic<optim::momentum>;
  typename nothing::config const plain{.lr = {.rate = 0.02}};
  for (int const tau : {1, 2, 8}) {
    for (double const decay : {0.1353352832366127, 0.5}) {
      typename t2::config a{.lr = {.rate = 0.02}};
      a.delay.decay = decay;
      typename averaged::config b{.lr = {.rate = 0.02}};
      b.delay.decay = decay;
      auto const delta = test::trained<t2>(a, tau, 80, 3), average = test::trained<averaged>(b, tau, 80, 3);
      test::check_equal(average, delta, 1e-11);
      CHECK(test::apart(delta, test::trained<nothing>(plain, tau, 80, 3)) > 1e-3);
      // The same gamma by its own name.
      b.delay = {.average_gamma = std::pow(decay, 1.0 / tau)};
      test::check_equal(test::trained<averaged>(b, tau, 80, 3), delta, 1e-11);
    }
  }
}

TEST_CASE("its array is the average of the weights, from the first update on", "[delay]") {
  delay::averaged_correction const p{.average_gamma = 0.75};
  double w = 1, a = 0, mean = 1, delta = 0;
  for (int t = 0; t < 30; ++t) {
    double const after = w - 0.1 * std::cos(t);
    delay::moment const m{.tau_fwd = 4, .lag = 4, .since = t};
    CHECK(p.read_out<double>(m)(w, a) == Approx(mean));
    CHECK(p.backward_weight<double>(m)(w, a) == Approx(w - 4 * delta).margin(1e-14));
    p.after_update<double>(m)(w, after, a);
    mean = 0.75 * mean + 0.25 * after;
    delta = 0.75 * delta + 0.25 * (after - w);
    w = after;
  }
}
