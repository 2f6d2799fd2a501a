// Largest stable steps of predictions and compensations on a quadratic whose F and B read one late version (as with stashed
// weights): the policies' own functors in a plain loop, one step below the limit and one above it. The limits are roots of
// the characteristic polynomials of these recurrences.
#include <foal/policy/delay/linear_prediction.hpp>
#include <foal/policy/delay/live_look_ahead.hpp>
#include <foal/policy/delay/spike_compensation.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/sgd.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstddef>
#include <vector>

namespace {

using namespace foal;

/// Whether the weight grows: its largest size over the last sixth of the updates against the second.
template <class Optimizer, class Policy>
bool grows(Optimizer const& optimizer, Policy const& policy, double rate, int tau) {
  int const updates = 4000 + 1500 * tau;
  double w = 1, v = 0, delta = 0, early = 0, late = 0;
  std::vector<double> read(static_cast<std::size_t>(tau) + 1, 1.0);
  for (int t = 0; t < updates; ++t) {
    delay::moment const m{.tau_fwd = static_cast<double>(tau), .rate = rate, .since = t, .updates = t};
    double seen = w;
    if constexpr (delay::predicts_forward<Policy, double>) seen = policy.template forward_weight<double>(m)(w, v);
    auto const slot = static_cast<std::size_t>(t % (tau + 1));
    read[slot] = seen;  // of version t; of version t - tau is in the next slot
    double const g = t < tau ? read[0] : read[static_cast<std::size_t>((t + 1) % (tau + 1))], before = w;
    auto const step = optimizer.template prepare<double>(rate, t + 1);
    if constexpr (Optimizer::states == 1)
      step(w, g, v);
    else
      step(w, g);
    double const made = w;
    if constexpr (delay::moves_weights<Policy, double>)
      w = policy.template move<double>(m)(made, before, g, Policy::states == 1 ? delta : v);
    if constexpr (delay::watches_updates<Policy, double>) policy.template after_update<double>(m)(before, made, delta);
    if (std::abs(w) > 1e100) return true;
    int const part = 6 * t / updates;
    if (part == 1) early = std::max(early, std::abs(w));
    if (part == 5) late = std::max(late, std::abs(w));
  }
  return late > early;
}

constexpr int delays[] = {1, 2, 4, 8, 16, 32};

/// Limits to 3 or 2 digits: 4 % off there is no doubt.
template <class Optimizer, class Policy>
void limits_are(Optimizer const& optimizer, Policy const& policy, double const (&limits)[6]) {
  for (int i = 0; i < 6; ++i) {
    INFO(Policy::name << "  tau " << delays[i] << "  limit " << limits[i]);
    CHECK_FALSE(grows(optimizer, policy, 0.96 * limits[i], delays[i]));
    CHECK(grows(optimizer, policy, 1.04 * limits[i], delays[i]));
  }
}

}  // namespace

TEST_CASE("linear prediction raises the limit of momentum at short delays, and lowers it at long ones", "[delay]") {
  optim::momentum const heavy{.momentum = 0.9};
  limits_are(heavy, delay::velocity_prediction<>{.horizon = 0}, {.100, .0513, .0265, .0139, .0075, .0041});
  limits_are(heavy, delay::velocity_prediction<>{}, {.270, .121, .0494, .0194, .0077, .0033});
  limits_are(heavy, delay::velocity_prediction<>{.horizon = 2}, {.287, .109, .0376, .0128, .0046, .0018});
}

TEST_CASE("spike compensation gives momentum more than double the limit at short delays", "[delay]") {
  limits_are(optim::momentum{.momentum = 0.9}, delay::spike_compensation{}, {.253, .114, .0483, .0207, .0096, .0048});
}

TEST_CASE("live look-ahead lowers the limit of plain SGD, by its horizon", "[delay]") {
  struct row {
    int tau;
    double horizon, limit;
  };
  row const table[] = {{8, 0, .184},   {8, .25, .169},   {8, .5, .146},   {8, 1, .108},
                       {31, 0, .0497}, {31, .25, .0451}, {31, .5, .0389}, {31, 1, .0288}};
  for (row const& r : table) {
    INFO("tau " << r.tau << "  horizon " << r.horizon << "  limit " << r.limit);
    delay::live_look_ahead const p{.horizon = r.horizon, .gamma = 1 - 2.0 / (r.tau + 1)};
    CHECK_FALSE(grows(optim::sgd{}, p, 0.98 * r.limit, r.tau));
    CHECK(grows(optim::sgd{}, p, 1.02 * r.limit, r.tau));
  }
}
