// Adaptive braking against a plain loop: a cosine over a parameter.
#include <foal/policy/delay/adaptive_braking.hpp>

#include <foal/policy/delay/chain.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/sgd.hpp>

#include "tests/support/delayed_quadratic.hpp"

using namespace foal;

namespace {

/// The gradient times the share of its own sum of squares, so that a chain needs both policies' sums apart.
struct by_the_first {
  using role = foal::role::delay;
  [[maybe_unused]] static constexpr char const* name = "by the first";
  static constexpr int states = 0, sums = 1;
  template <class S>
  struct count {
    FOAL_HOST_DEVICE void operator()(double* add, S, S) const { add[0] = 0.25; }
  };
  template <class S>
  count<S> summands(delay::moment) const {
    return {};
  }
  template <class S>
  struct times {
    S by;
    FOAL_HOST_DEVICE S operator()(S g, S) const { return by * g; }
  };
  template <class S>
  times<S> gradient(delay::moment m) const {
    return {static_cast<S>(m.sums[0])};
  }
};

/// Few: where g and v nearly cancel, a cosine makes much of what was rounded.
constexpr int updates = 20;

test::weights_of_update expected(int tau, double rate, double mu, double rho) {
  test::elements v(test::curvatures);
  return test::plain(tau, updates, 0.5, test::as_it_is, test::as_it_is,
                     [=](test::elements& w, test::elements const& g, test::elements const&, int) mutable {
                       double gv = 0, gg = 0, vv = 0;
                       for (std::size_t i = 0; i < w.size(); ++i) gv += g[i] * v[i], gg += g[i] * g[i], vv += v[i] * v[i];
                       double const cosine = gg > 0 && vv > 0 ? gv / (std::sqrt(gg) * std::sqrt(vv)) : 0;
                       for (std::size_t i = 0; i < w.size(); ++i)
                         w[i] -= rate * (v[i] = mu * v[i] + (1 - rho * cosine) * g[i]);
                     });
}

}  // namespace

TEST_CASE("a gradient is braked by its cosine with the velocity", "[delay]") {
  using run = test::on_quadratic<optim::momentum, delay::adaptive_braking>;
  for (int const tau : {0, 1, 5})
    test::check_equal(
        test::trained<run>({.optim = {.momentum = 0.9}, .lr = {.rate = 0.1}, .delay = {.rho = 1.5}}, tau, updates, 0.5),
        expected(tau, 0.1, 0.9, 1.5), 1e-9);
}

TEST_CASE("in a chain each policy has its own sums", "[delay]") {
  // Four elements that add 0.25 each: a factor of 1, before the brake and after it.
  using first = test::on_quadratic<optim::momentum, delay::chain<by_the_first, delay::adaptive_braking>>;
  using second = test::on_quadratic<optim::momentum, delay::chain<delay::adaptive_braking, by_the_first>>;
  auto const brake = expected(5, 0.1, 0.9, 1.5);
  test::check_equal(
      test::trained<first>({.optim = {.momentum = 0.9}, .lr = {.rate = 0.1}, .delay = {.second = {.rho = 1.5}}}, 5, updates,
                           0.5),
      brake, 1e-9);
  test::check_equal(
      test::trained<second>({.optim = {.momentum = 0.9}, .lr = {.rate = 0.1}, .delay = {.first = {.rho = 1.5}}}, 5, updates,
                            0.5),
      brake, 1e-9);
}
