// The weights that F, R and B really read under recomputation, seen by the layers, and what comes of it, by the plain loop.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/trajectory.hpp"
#include "tests/support/witness.hpp"

namespace {

using namespace foal;
using test::oracle;
using test::witness;

constexpr int stages_of_net = 7, samples = 2;
struct net : stages<input<test::mlp_inputs>, repeat<stages_of_net - 1, witness<test::mlp_width>, foal::tanh>,
                    witness<test::mlp_classes>> {};
static_assert(stage_count<net> == stages_of_net);

template <class... Policies>
using run = trainer<net, loss::cross_entropy, schedule::recomputed<schedule::pipemare>, optim::momentum,
                    lr::reschedule<lr::step>, warmup::synchronous, scalar<double>, executor::single_thread, Policies...>;
using plain = run<>;
using corrected = run<delay::discrepancy_correction>;

struct method {
  int n = 1, segment = 3;
  long long t1 = 0, t3 = 0;
  double decay = 0.2;
  bool exact = false;
};

template <class Trainer>
typename Trainer::config values_of(method const& how) {
  typename Trainer::config c;
  c.microbatch_size = samples;
  c.microbatches = how.n;
  c.lr = {.base = {.rate = 0.15}, .steps = how.t1};
  c.warmup.minibatches = how.t3;
  c.schedule.segment = how.segment;
  c.evaluation = false;
  if constexpr (requires { c.delay.decay; }) {
    c.delay.decay = how.decay;
    c.delay.exact = how.exact;
  }
  return c;
}

// The plain model of recomputed<pipemare>, one stage a rank. U of stage s on minibatch k is in slot kN + N-1 + 2S-1-s, after
// all else in it. F of m is in slot m + s. B of m at stage e, the last of a group, is in slot m + 2S-1-e; R of m is one
// slot before it at e, and another slot earlier for each stage below.

/// The last stage of the group of s; -1: nothing is rebuilt, because B follows F at once at the group's end.
int recompute_group_end(int s, int segment) {
  int const end = s - s % segment + segment - 1;
  return end < stages_of_net - 1 ? end : -1;
}
/// Microbatches by which an op in `slot` is behind the updates: it reads version floor((m - behind)/N) of stage s.
int behind(int s, int slot_of_m0) { return 2 * stages_of_net - 1 - s - slot_of_m0; }
int forward_behind(int s) { return behind(s, s); }
int recompute_behind(int s, int end) { return behind(s, 2 * stages_of_net - 2 - end - (end - s)); }

long long version(long long m, int late, int n) { return m < late ? 0 : (m - late) / n; }

/// The mean, over a minibatch in steady state, by which one op's version is ahead of another's.
double mean_ahead(int late, int later, int n) {
  double sum = 0;
  long long const far = 100LL * n;
  for (int j = 0; j < n; ++j) sum += static_cast<double>(version(far + j, late, n) - version(far + j, later, n));
  return sum / n;
}

/// w after every update, and delta <- gamma delta + (1 - gamma)(w_new - w_old) from the start of the asynchronous phase.
struct history {
  std::vector<std::vector<double>> w, delta;

  void add(std::vector<double> const& next, double gamma, bool asynchronous) {
    std::vector<double> d = delta.back();
    for (std::size_t i = 0; asynchronous && i < d.size(); ++i) d[i] = gamma * d[i] + (1 - gamma) * (next[i] - w.back()[i]);
    w.push_back(next);
    delta.push_back(std::move(d));
  }
};

template <class Trainer>
std::vector<double> parameters_of(Trainer const& t, int stage) {
  auto all = t.weights(stage, 0);
  auto const bias = t.weights(stage, 1);
  all.insert(all.end(), bias.begin(), bias.end());
  return all;
}

/// How far two arrays are apart.
double distance(std::vector<double> const& a, std::vector<double> const& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

/// Trains, and compares what every F and R of every stage has read with the model.
template <class Trainer>
void check_reads(method const& how) {
  constexpr long long minibatches = 30;
  constexpr bool t2 = std::is_same_v<Trainer, corrected>;
  int const n = how.n;
  INFO("N " << n << "  segments of " << how.segment << "  T3 " << how.t3 << "  exact " << how.exact << "  T2 " << t2);
  Trainer t(values_of<Trainer>(how));
  std::vector<history> past;
  for (int s = 0; s < stages_of_net; ++s) {
    auto const w = parameters_of(t, s);
    past.push_back({{w}, {std::vector<double>(w.size())}});
  }
  test::witness_notes::clear();
  test::recorder seen(stages_of_net);
  executor::run_request request{.minibatches = minibatches};
  request.watch = seen.observer();
  t.run(test::stream{.samples = samples}, request);

  for (int s = 0; s < stages_of_net; ++s) {
    INFO("stage " << s);
    auto const i = static_cast<std::size_t>(s);
    int const end = recompute_group_end(s, how.segment), f_behind = forward_behind(s);
    double const gamma = std::pow(how.decay, 1 / mean_ahead(0, f_behind, n));
    for (long long k = 0; k < minibatches; ++k)
      past[i].add(seen.after<double>(s, static_cast<std::size_t>(k), past[i].w[0].size()), gamma, k >= how.t3);

    long long forwards = 0, rebuilt = 0;
    double worst = 0, correction = 0;
    for (test::witness_note const& note : test::witness_notes::of_layer[2 * i]) {
      if (note.op != 'F' && note.op != 'R') continue;
      long long const m = note.sample / samples - how.t3 * n;  // in the asynchronous phase
      if (note.op == 'R' && m < 0) {                           // flushed: all read one version
        CHECK(note.weights == past[i].w[static_cast<std::size_t>(note.sample / samples / n)]);
        continue;
      }
      long long const f = how.t3 + version(m, f_behind, n);
      if (note.op == 'F') {
        long long const v = m < 0 ? note.sample / samples / n : f;
        CHECK(note.weights == past[i].w[static_cast<std::size_t>(v)]);
        ++forwards;
        continue;
      }
      CHECK(m == rebuilt++);  // each once, in order
      REQUIRE(end >= 0);
      int const r_behind = recompute_behind(s, end);
      long long const r = how.t3 + version(m, r_behind, n);
      auto const& w = past[i].w[static_cast<std::size_t>(r)];
      if (!t2) {
        CHECK(note.weights == w);  // to the bit
        continue;
      }
      auto const& delta = past[i].delta[static_cast<std::size_t>(r)];
      double const lag = how.exact ? static_cast<double>(r - f) : mean_ahead(r_behind, f_behind, n);
      std::vector<double> u = w;
      for (std::size_t e = 0; e < u.size(); ++e) u[e] -= lag * delta[e];
      worst = std::max(worst, distance(note.weights, u));
      correction = std::max(correction, distance(w, u));
    }
    CHECK(forwards == minibatches * n);
    CHECK(rebuilt == (end >= 0 ? (minibatches - how.t3) * n : 0));
    CHECK(worst < 1e-14);
    if (end >= 0 && t2) CHECK(correction > 1e-3);  // there is something to correct
  }
}

template <class Trainer>
void check_loop(method const& how, std::vector<long long> const& fits) {
  INFO("N " << how.n << "  segments of " << how.segment << "  T1 " << how.t1 << "  T3 " << how.t3 << "  exact "
            << how.exact);
  Trainer t(values_of<Trainer>(how));
  oracle o;
  o.width = test::mlp_widths(stages_of_net);
  o.n = how.n;
  o.delay = test::pipemare_delays(stages_of_net);
  for (int s = 0; s < stages_of_net; ++s) {
    o.rebuilt_until.push_back(recompute_group_end(s, how.segment));
    o.rebuild_delay.push_back(recompute_behind(s, o.rebuilt_until.back()));
  }
  o.t2 = std::is_same_v<Trainer, corrected>;
  o.exact = how.exact;
  o.decay = how.decay;
  o.mu = 0.9;
  o.t1_steps = how.t1;
  o.warmup = how.t3;
  o.base = [](long long) { return 0.15; };
  long long all = 0;
  for (long long fit : fits) o.starts.push_back(all += fit);
  test::begin_as(o, t, {.samples = samples});
  o.train(all);
  test::check_trajectory(t, o, fits);
}

}  // namespace

TEST_CASE("R reads the version of its slot, the newest that its stage has made", "[weights]") {
  for (int n = 1; n <= 4; ++n) check_reads<plain>({.n = n});
  check_reads<plain>({.n = 3, .segment = 2});
  check_reads<plain>({.n = 2, .segment = 1, .t3 = 4});
}

TEST_CASE("With T2, R reads w - lag * delta with a lag of its own, the mean of v_R - v_F", "[weights]") {
  for (int n = 1; n <= 4; ++n) check_reads<corrected>({.n = n});
  check_reads<corrected>({.n = 3, .segment = 2, .decay = 0.5});
  check_reads<corrected>({.n = 2, .segment = 1, .t3 = 4});
  check_reads<corrected>({.n = 3, .segment = 4});
}

TEST_CASE("With T2's exact lag, R reads w - (v_R - v_F) * delta", "[weights]") {
  for (int n = 1; n <= 4; ++n) check_reads<corrected>({.n = n, .exact = true});
  check_reads<corrected>({.n = 3, .segment = 2, .t3 = 4, .exact = true});
}

TEST_CASE("A recomputed pipeline follows the plain loop", "[weights]") {
  std::vector<long long> const once{45}, often{7, 1, 22};
  for (int n = 1; n <= 3; ++n) {
    check_loop<plain>({.n = n}, once);
    check_loop<plain>({.n = n, .segment = 2, .t1 = 20, .t3 = 5}, once);
    check_loop<corrected>({.n = n}, once);
    check_loop<corrected>({.n = n, .segment = 2, .t1 = 20, .t3 = 5}, once);
    check_loop<corrected>({.n = n, .segment = 4, .exact = true}, once);
  }
  check_loop<corrected>({.n = 2, .segment = 3, .t3 = 3}, often);
}
