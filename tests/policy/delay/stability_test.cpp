// Largest stable steps on a one-dimensional quadratic, through trainers with injected delays and foal's own policies.
//
// One run tries one step below the limit and one above it. The limits are roots of the characteristic polynomials; for
// delay alone (Yang et al. 2021, lemma 1) a = 2 sin(pi / (4 tau + 2)).
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/policy/versions.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "examples/stability/quadratic.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;

constexpr int tries = 2;  // below the limit and above it
auto& now = stability::now<tries>;
template <class... Policies>
using run = stability::run<tries, Policies...>;

/// 1 % below `limit` the weight decays, 1 % above it grows.
template <class Trainer>
void largest_stable_step(double limit, int tau, typename Trainer::config values = {}, double sensitivity = 0) {
  INFO("tau " << tau << "  sensitivity " << sensitivity << "  limit " << limit);
  now = {sensitivity, {0.99 * limit, 1.01 * limit}};
  if constexpr (requires { values.lr.base.rate; })
    values.lr.base.rate = 1;
  else
    values.lr.rate = 1;
  auto const a = stability::amplitudes_of<Trainer>(values, tau, (6000 + 1200LL * tau) / foal_test::repeats(1, 20));
  if (foal_test::sanitized) return;
  CHECK(a.late[0] < 0.9 * a.early[0]);
  CHECK(a.late[1] > 1.1 * a.early[1]);
}

}  // namespace

TEST_CASE("plain delay: a = 2 sin(pi / (4 tau + 2))") {
  double const table[][2] = {{0, 2},         {1, 1},          {2, .61803399},  {3, .44504187},  {5, .28462968},
                             {8, .18453672}, {10, .14946019}, {15, .10129834}, {20, .07660547}, {30, .05149583}};
  for (auto const& [tau, limit] : table) {
    CHECK(limit == Approx(2 * std::sin(std::numbers::pi / (4 * tau + 2))).epsilon(1e-6));
    largest_stable_step<run<>>(limit, static_cast<int>(tau));
  }
}

TEST_CASE("a discrepancy between F and B lowers the limit") {
  double const ten[][2] = {{.5, .08463}, {1, .05928}, {3, .02707}, {5, .01756}, {10, .00935}};
  for (auto const& [sensitivity, limit] : ten) largest_stable_step<run<>>(limit, 10, {}, sensitivity);
  double const twenty[][2] = {{.5, .04291}, {1, .02993}, {3, .01360}, {5, .00880}};
  for (auto const& [sensitivity, limit] : twenty) largest_stable_step<run<>>(limit, 20, {}, sensitivity);
}

TEST_CASE("a stash takes the discrepancy away") {
  for (double const sensitivity : {.5, 5.0, 100.0})
    largest_stable_step<run<versions::stash>>(.14946019, 10, {}, sensitivity);
}

TEST_CASE("momentum lowers the limit to about 1 - beta of it") {
  for (double const beta : {.1, .3, .5, .7, .9})
    largest_stable_step<run<optim::momentum>>(1 - beta, 1, {.optim = {.momentum = beta}});
  double const table[][2] = {{2, .05125}, {4, .02650}, {8, .01394}, {16, .00749}};
  for (auto const& [tau, limit] : table)
    largest_stable_step<run<optim::momentum>>(limit, static_cast<int>(tau), {.optim = {.momentum = .9}});
}

TEST_CASE("T2 wins most of the limit back") {
  struct row {
    int tau;
    double sensitivity, decay, limit;
  };
  row const table[] = {{10, 1, .01, .15909},  {10, 1, .1353352832, .13116},  {10, 1, .5, .07858},
                       {10, 3, .01, .13721},  {10, 3, .1353352832, .10998},  {10, 3, .5, .04199},
                       {10, 5, .01, .08465},  {10, 5, .1353352832, .09730},  {10, 5, .5, .02900},
                       {10, 10, .01, .04324}, {10, 10, .1353352832, .07914}, {10, 10, .5, .01649},
                       {20, 5, .01, .08360},  {20, 5, .1353352832, .04904},  {20, 5, .5, .01454},
                       {40, 10, .01, .04255}, {40, 10, .1353352832, .01992}, {40, 10, .5, .00412}};
  using corrected = run<delay::discrepancy_correction>;
  for (row const& r : table) largest_stable_step<corrected>(r.limit, r.tau, {.delay = {.decay = r.decay}}, r.sensitivity);
}

TEST_CASE("T1 makes one base rate stable for every delay") {
  using rescheduled = run<lr::reschedule<lr::constant>>;
  using slowed = run<optim::momentum, lr::reschedule<lr::constant>>;
  for (int tau : {1, 2, 3, 5, 8, 10, 20}) {
    // p stays near 1 all the time; the limit of the base rate is tau times that of the delay.
    largest_stable_step<rescheduled>(tau * 2 * std::sin(std::numbers::pi / (4 * tau + 2)), tau,
                                     {.lr = {.steps = 1LL << 40}});
  }
  double const table[][2] = {{1, .1}, {2, .05125}, {4, .02650}, {8, .01394}};
  for (auto const& [tau, limit] : table)
    largest_stable_step<slowed>(tau * limit, static_cast<int>(tau), {.optim = {.momentum = .9}, .lr = {.steps = 1LL << 40}});
}
