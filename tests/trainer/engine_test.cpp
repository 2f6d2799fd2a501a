// Whole trajectories against the plain loop of support/oracle.hpp, in float64, after every update.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/versions.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/two_bp.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"
#include "tests/support/schedules.hpp"
#include "tests/support/trajectory.hpp"

namespace {

using namespace foal;
using foal::test::mlp;
using foal::test::oracle;
using foal::test::pipemare_delays;

constexpr long long updates = 45;
constexpr int samples = 2;

lr::step base_rate() { return {.rate = 0.3, .every = 20, .factor = 0.3, .warmup = 5}; }

/// What the cases vary.
struct method {
  int n = 1;
  std::vector<int> delay{};
  bool stash = false, t2 = false, exact = false;
  double decay = 0.2, floor = 1;
  long long t1 = 0, t3 = 0;
  std::vector<long long> fits{updates};
  std::vector<int> order{};
};

template <class Trainer>
oracle make_oracle(Trainer const& t, method const& how) {
  oracle o;
  o.width = test::mlp_widths(Trainer::stages);
  o.n = how.n;
  o.delay = how.delay;
  o.stash = how.stash;
  o.t2 = how.t2;
  o.exact = how.exact;
  o.decay = how.decay;
  o.mu = 0.9;
  o.t1_steps = how.t1;
  o.t1_floor = how.floor;
  o.warmup = how.t3;
  o.order = how.order;
  o.base = [](long long k) {  // linear warm-up over 5, then a drop to 0.3 every 20
    double rate = 0.3 * std::min(1.0, static_cast<double>(k + 1) / 5);
    for (long long drop = 20; drop <= k; drop += 20) rate *= 0.3;
    return rate;
  };
  long long at = 0;
  for (long long fit : how.fits) o.starts.push_back(at += fit);
  test::begin_as(o, t, {.samples = samples});
  o.train(at);
  return o;
}

template <int S, class Schedule, class... Policies>
using asynchronous = trainer<mlp<S>, loss::cross_entropy, Schedule, optim::momentum, lr::reschedule<lr::step>,
                             warmup::synchronous, scalar<double>, Policies...>;

template <class Trainer>
void run_case(method how, typename Trainer::config values = {}) {
  values.microbatch_size = samples;
  values.microbatches = how.n;
  values.evaluation = false;
  values.optim.momentum = 0.9;
  values.lr = {.base = base_rate(), .steps = how.t1, .floor = how.floor};
  values.warmup.minibatches = how.t3;
  if constexpr (requires { values.delay.decay; }) {
    values.delay.decay = how.decay;
    values.delay.exact = how.exact;
    how.t2 = true;
  }
  how.stash = std::is_same_v<policy_of<Trainer, role::versions>, versions::stash>;
  Trainer t(values);
  test::check_trajectory(t, make_oracle(t, how), how.fits);
}

std::vector<int> one_f_one_b_delays(int stages) {
  std::vector<int> d;
  for (int s = 0; s < stages; ++s) d.push_back(stages - 1 - s);
  return d;
}

/// Every method of one asynchronous schedule.
template <int S, class Schedule>
void methods(int n, std::vector<int> const& delay, int workers, Schedule schedule = {}) {
  INFO("S " << S << "  N " << n << "  " << Schedule::name << "  workers " << workers);
  using corrected = asynchronous<S, Schedule, delay::discrepancy_correction>;
  using plain = asynchronous<S, Schedule>;
  using stashed = asynchronous<S, Schedule, versions::stash>;
  auto const of = [&]<class T>(T const*, method how) {
    how.n = n;
    how.delay = delay;
    run_case<T>(how, {.workers = workers, .schedule = schedule});
  };
  of(static_cast<plain*>(nullptr), {});
  of(static_cast<plain*>(nullptr), {.floor = 0, .t1 = 30});
  of(static_cast<stashed*>(nullptr), {.t1 = 12});
  of(static_cast<stashed*>(nullptr), {.t1 = 12, .t3 = 9});
  of(static_cast<corrected*>(nullptr), {});
  of(static_cast<corrected*>(nullptr), {.exact = true, .decay = 0.5});
  of(static_cast<corrected*>(nullptr), {.t1 = 25});
  of(static_cast<corrected*>(nullptr), {.t1 = 15, .t3 = 7});
  of(static_cast<corrected*>(nullptr), {.exact = true, .t1 = 15, .t3 = 11});
}

template <int S, class Schedule>
void synchronous(int n, int workers, std::vector<int> const& order = {}, Schedule schedule = {}) {
  INFO("S " << S << "  N " << n << "  " << Schedule::name);
  using type = trainer<mlp<S>, loss::cross_entropy, Schedule, optim::momentum, lr::step, scalar<double>>;
  type t({.microbatch_size = samples,
          .microbatches = n,
          .workers = workers,
          .optim = {.momentum = 0.9},
          .lr = base_rate(),
          .schedule = schedule,
          .evaluation = false});
  method const how{.n = n, .delay = std::vector<int>(S, 0), .order = order};
  test::check_trajectory(t, make_oracle(t, how), how.fits);
}

}  // namespace

TEST_CASE("pipemare follows the plain loop") {
  methods<3, schedule::pipemare>(1, pipemare_delays(3), 1);
  methods<3, schedule::pipemare>(4, pipemare_delays(3), 2);
  methods<4, schedule::pipemare>(8, pipemare_delays(4), 4);
  methods<7, schedule::pipemare>(3, pipemare_delays(7), 3);
}

TEST_CASE("async_1f1b follows the plain loop") {
  methods<3, schedule::async_1f1b>(1, one_f_one_b_delays(3), 3);
  methods<3, schedule::async_1f1b>(4, one_f_one_b_delays(3), 1);
  methods<4, schedule::async_1f1b>(8, one_f_one_b_delays(4), 2);
  methods<7, schedule::async_1f1b>(3, one_f_one_b_delays(7), 2);
}

TEST_CASE("injected delays follow the plain loop") {
  methods<3, schedule::injected>(1, {5, 3, 1}, 1, {{5, 3, 1}});
  methods<3, schedule::injected>(4, {5, 3, 1}, 1, {{5, 3, 1}});
  methods<3, schedule::injected>(1, {0, 9, 4}, 1, {{0, 9, 4}});
  methods<4, schedule::injected>(8, {40, 0, 17, 3}, 1, {{40, 0, 17, 3}});
  methods<7, schedule::injected>(3, {13, 11, 9, 7, 5, 3, 1}, 1, {{13, 11, 9, 7, 5, 3, 1}});
}

TEST_CASE("synchronous schedules follow the plain loop") {
  synchronous<3, schedule::gpipe>(1, 1);
  synchronous<3, schedule::gpipe>(4, 2);
  synchronous<7, schedule::gpipe>(3, 7);
  synchronous<4, schedule::one_f_one_b>(8, 3);
  synchronous<7, schedule::one_f_one_b>(3, 2);
  synchronous<4, schedule::zb_h1>(8, 2);
  synchronous<4, schedule::two_bp<>>(8, 4);
  synchronous<4, test::last_in_first_out>(5, 3, {4, 3, 2, 1, 0});
}

TEST_CASE("a fit drains: the next one starts with an empty pipeline, and all state goes on") {
  using type = asynchronous<3, schedule::pipemare, delay::discrepancy_correction>;
  run_case<type>({.n = 2, .delay = pipemare_delays(3), .t1 = 30, .t3 = 10, .fits = {4, 13, 1, 20}});
  run_case<asynchronous<3, schedule::injected, versions::stash>>({.n = 2, .delay = {8, 0, 5}, .t1 = 9, .fits = {6, 1, 19}},
                                                                 {.schedule = {{8, 0, 5}}});
}
