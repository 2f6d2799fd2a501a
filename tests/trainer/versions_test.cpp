// What the rules of weight versions train, by the plain loop, and to the same bits on any number of workers.
#include <catch2/catch.hpp>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/versions.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include "tests/support/trajectory.hpp"

namespace {

using namespace foal;
using test::oracle;

constexpr int stages_of_net = 4, samples = 2;
using net = test::mlp<stages_of_net>;

template <class Schedule, class... Policies>
using run = trainer<net, loss::cross_entropy, Schedule, optim::momentum, lr::reschedule<lr::constant>, warmup::synchronous,
                    scalar<double>, Policies...>;

template <class Trainer>
using versions_of = policy_of<Trainer, role::versions>;

struct method {
  int n = 1, workers = 1;
  std::vector<int> delay{};  ///< of F, as the plain loop has it: of microbatch m by version floor((m - d)/N)
  bool one_version = false;  ///< B reads what its F has read
  long long t1 = 0, t3 = 0;
  std::vector<long long> fits{30};
};

template <class Trainer>
typename Trainer::config values_of(method const& how) {
  typename Trainer::config c;
  c.microbatch_size = samples;
  c.microbatches = how.n;
  c.workers = how.workers;
  c.optim.momentum = 0.9;
  c.lr = {.base = {.rate = 0.15}, .steps = how.t1};
  c.warmup.minibatches = how.t3;
  c.evaluation = false;
  return c;
}

/// Weights after every update, losses and versions read, against the plain loop.
template <class Trainer>
void follow(method const& how, typename Trainer::config c) {
  INFO(Trainer::schedule_type::name << "  versions " << versions_of<Trainer>::name << "  N " << how.n << "  workers "
                                    << how.workers);
  Trainer t(c);
  oracle o;
  o.width = test::mlp_widths(stages_of_net);
  o.n = how.n;
  o.delay = how.delay;
  o.stash = how.one_version;
  if constexpr (requires { c.delay.decay; }) {
    o.t2 = true;
    o.decay = c.delay.decay;
  }
  o.mu = 0.9;
  o.t1_steps = how.t1;
  o.warmup = how.t3;
  o.base = [](long long) { return 0.15; };
  long long all = 0;
  for (long long fit : how.fits) o.starts.push_back(all += fit);
  test::begin_as(o, t, {.samples = samples});
  o.train(all);
  test::check_trajectory(t, o, how.fits);
}
template <class Trainer>
void follow(method const& how) {
  follow<Trainer>(how, values_of<Trainer>(how));
}

template <class Schedule, class... Policies>
using injects = run<Schedule, versions::injected, Policies...>;

template <class Trainer>
void follow_injected(method const& how) {
  auto c = values_of<Trainer>(how);
  c.versions.delays = how.delay;
  follow<Trainer>(how, c);
}

/// F reads the version before that of the last update that the first stage has had; a user's own, with a number.
struct own {
  using role = foal::role::versions;
  static constexpr char const* name = "own";
  int behind = 1;

  constexpr schedule::version_read read(schedule::version_table const& there, int stage, int j) const {
    int const f = there.forward(0, j) - behind;
    return {f, f, there.at(stage, j).backward};
  }
};

/// All bits that a run leaves behind, after every update.
template <class Trainer>
std::vector<std::vector<std::byte>> bits(typename Trainer::config c, int workers) {
  c.workers = workers;
  Trainer t(c);
  test::recorder seen(stages_of_net);
  executor::run_request request{.minibatches = 20};
  request.watch = seen.observer();
  t.run(test::stream{.samples = samples}, request);
  return seen.bytes();
}

template <class Trainer>
void check_bits(typename Trainer::config c) {
  INFO(Trainer::schedule_type::name << "  versions " << versions_of<Trainer>::name);
  auto const alone = bits<Trainer>(c, 1);
  for (int workers = 2; workers <= stages_of_net; ++workers) CHECK(bits<Trainer>(c, workers) == alone);
}

std::vector<int> everywhere(int delay) { return std::vector<int>(stages_of_net, delay); }

}  // namespace

TEST_CASE("two versions of the weights train with a delay of one update everywhere", "[versions]") {
  using slots = run<schedule::pipemare, versions::double_buffered>;
  using alternating = run<schedule::async_1f1b, versions::double_buffered>;
  using filled = run<schedule::gpipe, versions::double_buffered>;
  // The plain loop's delay of N microbatches is one update.
  follow<slots>({.n = 7, .workers = 2, .delay = everywhere(7), .one_version = true});
  follow<slots>({.n = 8, .workers = 4, .delay = everywhere(8), .one_version = true, .t1 = 12, .t3 = 4, .fits = {9, 1, 12}});
  follow<alternating>({.n = 3, .workers = 3, .delay = everywhere(3), .one_version = true, .t3 = 5});
  follow<filled>({.n = 1, .workers = 2, .delay = everywhere(1), .one_version = true});
  follow<filled>({.n = 4, .delay = everywhere(4), .one_version = true, .t1 = 10, .t3 = 3, .fits = {11, 8}});

  slots const t(values_of<slots>({.n = 8}));
  for (auto const& f : t.tables().phases.back().facts.stage) CHECK((f.delay == 8 && f.tau_fwd == 1 && f.tau_bkwd == 1));
  for (auto const& kept : t.tables().phases.back().reads.kept) CHECK(kept.copies == 1);
}

TEST_CASE("two versions that are not enough are refused before anything is allocated", "[versions]") {
  using slots = run<schedule::pipemare, versions::double_buffered>;
  CHECK_THROWS_WITH(slots(values_of<slots>({.n = 6})), Catch::Contains("needs d_0 <= N") && Catch::Contains("is 7 > 6"));
}

TEST_CASE("vertical sync trains on the version that was there when the microbatch entered", "[versions]") {
  using slots = run<schedule::pipemare, versions::vertical_sync>;
  using alternating = run<schedule::async_1f1b, versions::vertical_sync>;
  for (int n : {1, 2, 3, 8})
    follow<slots>({.n = n, .workers = n < 4 ? n : 4, .delay = everywhere(2 * stages_of_net - 1), .one_version = true});
  follow<slots>({.n = 2, .delay = everywhere(7), .one_version = true, .t1 = 12, .t3 = 4, .fits = {9, 1, 12}});
  for (int n : {1, 4}) follow<alternating>({.n = n, .delay = everywhere(3), .one_version = true});
}

TEST_CASE("injected delays are a rule for any order for which the versions are there", "[versions]") {
  for (int n : {1, 2, 4}) {
    follow_injected<injects<schedule::sequential>>({.n = n, .workers = 1 + n % 3, .delay = {7, 0, 4, 2}});
    follow_injected<injects<schedule::gpipe>>({.n = n, .workers = 2, .delay = {5, 1, 9, 0}, .t1 = 10, .t3 = 4});
    follow_injected<injects<schedule::pipemare>>({.n = n, .workers = 4, .delay = {9, 5, 7, 1}});
    follow_injected<injects<schedule::async_1f1b, delay::discrepancy_correction>>(
        {.n = n, .workers = 2, .delay = {3, 6, 4, 2}, .t3 = 3});
  }
  using early = injects<schedule::pipemare>;
  auto c = values_of<early>({.n = 2});
  c.versions.delays = {6, 5, 3, 1};
  CHECK_THROWS_WITH(early(c), Catch::Contains("F(stage 0, microbatch 0 of minibatch k) read version k - 3, because the "
                                              "newest there is k - 4"));
  c.versions.delays = {9, 5, 3, -1};
  CHECK_THROWS_WITH(early(c), Catch::Contains("delay of -1"));
}

TEST_CASE("schedule::injected runs on as many workers as there are stages", "[versions]") {
  using type = run<schedule::injected>;
  for (int workers = 1; workers <= stages_of_net; ++workers) {
    method const how{.n = 3, .workers = workers, .delay = {8, 0, 5, 2}, .t1 = 8, .t3 = 3};
    auto c = values_of<type>(how);
    c.schedule.delays = how.delay;
    follow<type>(how, c);
  }
}

TEST_CASE("a user's own rule trains, and is refused where its versions are not there", "[versions]") {
  using type = run<schedule::async_1f1b, own>;
  method const how{.n = 2, .workers = 3, .delay = everywhere(3 + 2)};
  follow<type>(how);
  auto c = values_of<type>(how);
  c.versions.behind = -1;
  CHECK_THROWS_WITH(
      type(c), Catch::Contains("read version k - 1, because the newest there is k - 2") && Catch::Contains("versions::own"));
}

TEST_CASE("a rule leaves the same bits on any number of workers", "[versions]") {
  method const how{.n = 7, .t1 = 9, .t3 = 3};
  check_bits<run<schedule::pipemare, versions::double_buffered>>(
      values_of<run<schedule::pipemare, versions::double_buffered>>(how));
  check_bits<run<schedule::pipemare, versions::vertical_sync>>(
      values_of<run<schedule::pipemare, versions::vertical_sync>>(how));
  using injected = injects<schedule::pipemare>;
  auto c = values_of<injected>({.n = 2, .t3 = 3});
  c.versions.delays = {12, 8, 9, 3};
  check_bits<injected>(c);
  using named = run<schedule::injected, versions::stash>;
  auto s = values_of<named>({.n = 2, .t3 = 3});
  s.schedule.delays = {12, 8, 0, 3};
  check_bits<named>(s);
}

TEST_CASE("recomputation beside a rule rebuilds what F has saved", "[versions]") {
  // F and R read one version, so that R changes no bit.
  using plain = run<schedule::pipemare, versions::vertical_sync>;
  using again = run<schedule::recomputed<schedule::pipemare>, versions::vertical_sync>;
  CHECK(bits<again>(values_of<again>({.n = 2, .t3 = 3}), 2) == bits<plain>(values_of<plain>({.n = 2, .t3 = 3}), 1));
}
