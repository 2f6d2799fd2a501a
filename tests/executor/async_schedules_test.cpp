// Lists without a flush, with the rules of versions that they are known by, trained: the same bits on any number of workers,
// and those of a plain loop whose ops read the versions that the proof says.
#include <foal/executor/processes.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/versions.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/cost/staleness.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/rules/amdp.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/cyclic.hpp>
#include <foal/schedule/rules/lag_bounded.hpp>
#include <foal/schedule/rules/message_driven.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/replicated.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/schedule/rules/wpipe.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <set>

#include "tests/executor/support.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/rooms.hpp"

namespace {

using namespace foal;

constexpr int stages_of_net = 4, minibatches = 6;

/// Every op reads a version that a table gives by stage and position: what another program has found.
struct as_found {
  using role = foal::role::versions;
  static constexpr char const* name = "as_found";
  std::vector<schedule::version_read> reads{};

  schedule::version_read read(schedule::version_table const& there, int stage, int j) const {
    return reads[static_cast<std::size_t>(stage * there.microbatches + j)];
  }
};

template <class Rule>
table::run_tables tables_with(schedule::program program, Rule const& rule) {
  test::choice const c{
      .net = stages_of_net, .optimizer = 3, .n = program.size().microbatches, .ranks = program.size().ranks};
  table::run_tables t = test::tables_of(c, program);
  t.phases.clear();
  t.phases.push_back(lower::detail::make_phase("test", std::move(program), rule));
  return t;
}

test::traces trained(table::run_tables const& t, int microbatches, int workers, bool threaded) {
  table::run_values const values{test::bit_samples, microbatches, workers, 5, false, 64, false};
  executor::engine engine(t, values, test::driver(threaded), test::shares(t.ranks, workers));
  test::stream const data = test::data_of({.net = stages_of_net}, test::bit_samples);
  test::recorder seen(stages_of_net);
  seen.scalar_bytes = sizeof(float);
  executor::run_request request;
  request.minibatches = minibatches;
  request.every_loss = true;
  request.source = test::source_of(data);
  if (t.replicas == 1) request.watch = seen.observer();
  executor::run_result const result = engine.run(request, 0);
  test::traces out;
  out.state = test::state_of(t, engine.stages());
  for (auto const& l : result.losses) out.losses.push_back(l.sum);
  out.updates = seen.bytes();
  return out;
}

/// Weights, states and losses; not a dump of them where they differ.
bool same(test::traces const& a, test::traces const& b) { return a.state == b.state && a.losses == b.losses; }

/// Weights and states of all units, each from the one of two processes that hosts it.
std::vector<std::byte> in_two_processes(table::run_tables const& t, int microbatches) {
  std::vector<std::vector<std::byte>> states(static_cast<std::size_t>(stages_of_net * t.replicas));
  std::vector<std::string> thrown(2);
  std::size_t const left = test::rooms::with_processes(2, [&](int number) {
    try {
      table::run_tables const mine = t;
      std::vector<int> workers = test::shares(t.ranks, 2);
      for (int& w : workers) w = w == number ? 0 : executor::hosted_by(w);
      executor::engine engine(mine, {test::bit_samples, microbatches, 1, 5, false, 64, false},
                              executor::driver_of<executor::processes_over<test::rooms>>(), workers);
      test::stream const data = test::data_of({.net = stages_of_net}, test::bit_samples);
      executor::run_request request;
      request.minibatches = minibatches;
      request.source = test::source_of(data);
      engine.run(request, 0);
      for (std::size_t u = 0; u < engine.stages().size(); ++u)
        if (engine.stages()[u].worker >= 0) states[u] = test::state_of(mine, std::vector{engine.stages()[u]});
    } catch (std::exception const& e) {
      thrown[static_cast<std::size_t>(number)] = e.what();
      test::rooms::end_all(e.what());  // the other would wait
    }
  });
  CHECK(left == 0);
  for (std::string const& text : thrown) CHECK(text == "");
  std::vector<std::byte> all;
  for (auto const& of_unit : states) all.insert(all.end(), of_unit.begin(), of_unit.end());
  return all;
}

/// The bits that all workers, executors and processes leave.
template <class Schedule, class Rule>
test::traces on_all(Schedule const& g, int ranks, int n, Rule const& rule) {
  schedule::program const p = schedule::generate(g, schedule::extent_of(g, stages_of_net, ranks, n));
  table::run_tables const t = tables_with(p, rule);
  test::traces const one = trained(t, n, 1, false);
  INFO(Schedule::name << " with " << Rule::name << " on " << ranks << " ranks, N = " << n);
  for (int const workers : {1, 2, 3, t.ranks}) {
    if (workers > t.ranks) continue;
    INFO(workers << " workers");
    CHECK(same(trained(t, n, workers, true), one));
  }
  if (t.ranks > 1) CHECK((in_two_processes(t, n) == one.state));
  return one;
}

/// What the single thread leaves that runs one microbatch after the other, where each op reads the version that `rule` has
/// it read in the program of `g`. Among replicas, of which each has a microbatch, gradients are summed as there.
template <class Schedule, class Rule>
test::traces in_a_row(Schedule const& g, int ranks, int n, Rule const& rule) {
  schedule::program p = schedule::generate(g, schedule::extent_of(g, stages_of_net, ranks, n));
  schedule::version_table const there = schedule::versions(p.view());
  schedule::version_reads const reads = schedule::reads_of(rule, there);
  as_found found;
  for (int s = 0; s < stages_of_net; ++s)
    for (int j = 0; j < n; ++j) found.reads.push_back(reads.at(s, j));
  int const replicas = p.size().replicas;
  REQUIRE((replicas == 1 || replicas == n));
  schedule::program row = schedule::generate(schedule::sequential{}, {stages_of_net, 1, n / replicas});
  return trained(tables_with(schedule::with_replicas(std::move(row), replicas), found), n, 1, false);
}

/// Both, for a list of one U in a minibatch whose gradients are summed in the order of the microbatches.
template <class Schedule, class Rule>
test::traces as_proved(Schedule const& g, int ranks, int n, Rule const& rule) {
  test::traces const all = on_all(g, ranks, n, rule);
  test::traces const row = in_a_row(g, ranks, n, rule);
  INFO(Schedule::name << " with " << Rule::name << " on " << ranks << " ranks, N = " << n);
  CHECK(same(all, row));
  return all;
}

struct net : stages<input<5>, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<3>> {};

template <class Schedule, class... More>
std::vector<float> by_name(typename trainer<net, loss::cross_entropy, Schedule, optim::momentum, More...>::config c,
                           int ranks, std::vector<int> const& workers) {
  c.microbatch_size = 2, c.microbatches = 4;
  c.lr = {.rate = 0.1F};
  std::vector<float> left;
  for (int const some : workers) {
    c.workers = some;
    trainer<net, loss::cross_entropy, Schedule, optim::momentum, More...> t(c);
    CHECK(t.tables().ranks == ranks);
    t.run(test::stream{.samples = 2}, {.minibatches = 6});
    if (left.empty()) left = t.all_weights();
    CHECK(t.all_weights() == left);
  }
  return left;
}

}  // namespace

TEST_CASE("PipeDream, vertical sync, 2BW and PipeMare train as their delays say, on any workers", "[executor]") {
  for (int n : {1, 3}) {
    auto const kept = as_proved(schedule::async_1f1b{}, 4, n, versions::stash{});
    CHECK_FALSE(same(as_proved(schedule::async_1f1b{}, 4, n, versions::live{}), kept));
    CHECK_FALSE(same(as_proved(schedule::async_1f1b{}, 4, n, versions::vertical_sync{}), kept));
    CHECK_FALSE(same(as_proved(schedule::pipemare{}, 4, n, versions::live{}), kept));
  }
  auto const two = as_proved(schedule::async_1f1b{}, 4, 3, versions::double_buffered{});
  // Two versions mean one update late wherever the list has its ops.
  CHECK(same(as_proved(schedule::async_1f1b{}, 2, 3, versions::double_buffered{}), two));
  CHECK(same(as_proved(schedule::lag_bounded{.lag = 1}, 4, 3, versions::double_buffered{}), two));
}

TEST_CASE("Lags that are bounded train as they say, and without any as a synchronous schedule does", "[executor]") {
  auto const flushed = on_all(schedule::sequential{}, 4, 3, versions::flush{});
  CHECK(same(as_proved(schedule::lag_bounded{.lag = 0}, 4, 3, versions::live{}), flushed));
  auto const one_late = as_proved(schedule::lag_bounded{.lag = 1}, 4, 1, versions::live{});
  CHECK_FALSE(same(as_proved(schedule::lag_bounded{.lag = 2}, 4, 1, versions::live{}), one_late));
  as_proved(schedule::lag_bounded{.lag = 2}, 3, 2, versions::stash{});
}

TEST_CASE("The order of messages leaves the bits of one microbatch after the other", "[executor]") {
  auto const flushed = on_all(schedule::sequential{}, 4, 5, versions::flush{});
  for (int ranks : {2, 3, 4})
    for (int limit : {0, 1, 9})
      CHECK(same(on_all(schedule::message_driven{.limit = limit, .message = limit}, ranks, 5, versions::flush{}), flushed));
}

TEST_CASE("Whatever ops and messages take, gradients are summed in order: 50 random costs leave the same bits",
          "[executor]") {
  std::mt19937 random(11);
  auto const below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  std::map<int, test::traces> flushed;
  std::set<std::string> orders;
  for (int i = 0; i < 50; ++i) {
    int const n = 3 + below(3), ranks = 2 + below(3), workers = 1 + below(ranks);
    schedule::message_driven const g{
        .limit = below(7), .forward = 1 + below(9), .backward = 1 + below(9), .message = below(9)};
    INFO("limit " << g.limit << ", costs " << g.forward << ", " << g.backward << ", " << g.message << " on " << ranks
                  << " ranks of " << workers << " workers, N = " << n);
    schedule::program p = schedule::generate(g, {stages_of_net, ranks, n});
    orders.insert(std::to_string(ranks) + schedule::lists(p.view()));
    if (!flushed.contains(n))
      flushed[n] = trained(tables_with(schedule::generate(schedule::sequential{}, {stages_of_net, 1, n}), versions::flush{}),
                           n, 1, false);
    CHECK(same(trained(tables_with(std::move(p), versions::flush{}), n, workers, workers > 1), flushed[n]));
  }
  CHECK(orders.size() > 20);
}

TEST_CASE("Updates every so many microbatches are those of shorter minibatches", "[executor]") {
  for (int every : {1, 2, 3}) {
    auto const longer = on_all(schedule::paci{.every = every}, 4, 2 * every, versions::live{});
    test::choice const c{.net = stages_of_net, .schedule = 3, .optimizer = 3, .n = every};
    CHECK((longer.state == test::train(c, 1, false, 2 * minibatches).state));
    on_all(schedule::paci{.every = every}, 4, 2 * every + 1, versions::live{});  // the last one is of fewer
    on_all(schedule::paci{.every = every}, 3, 2 * every, versions::stash{});
  }
}

TEST_CASE("Of two groups the lower one trains an update late, the upper one as with a flush", "[executor]") {
  for (int ranks : {1, 2})
    for (int n : {1, 3}) as_proved(schedule::wpipe{}, ranks, n, versions::stash{});
  as_proved(schedule::wpipe{}, 2, 2, versions::live{});
}

TEST_CASE("Replicas one after the other train one update late, or with the newest weights there are", "[executor]") {
  for (int replicas : {1, 2, 4}) {
    schedule::cyclic const g{.replicas = replicas};
    for (int ranks : {1, replicas, 4}) {
      auto const late = on_all(g, ranks, 4, versions::double_buffered{}), newest = on_all(g, ranks, 4, versions::stash{});
      CHECK_FALSE(same(late, newest));
      if (replicas != 1 && replicas != 4) continue;
      CHECK(same(late, in_a_row(g, ranks, 4, versions::double_buffered{})));
      CHECK(same(newest, in_a_row(g, ranks, 4, versions::stash{})));
    }
  }
}

TEST_CASE("Pipelines through the same ranks in many directions leave the same bits on any workers", "[executor]") {
  for (int n : {2, 4, 5}) {
    auto const live = on_all(schedule::amdp{}, 4, n, versions::live{});
    CHECK_FALSE(same(live, on_all(schedule::amdp{}, 4, n, versions::double_buffered{})));
    if (n == 2) CHECK(same(live, in_a_row(schedule::amdp{}, 4, n, versions::live{})));
  }
  as_proved(schedule::amdp{.replicas = 1}, 2, 2, versions::live{});
}

TEST_CASE("A trainer takes asynchronous lists by name, with the ranks that they want by default", "[executor]") {
  auto const flushed = by_name<schedule::sequential>({}, 4, {1});
  CHECK(by_name<schedule::message_driven>({}, 4, {1, 3}) == flushed);
  CHECK(by_name<schedule::lag_bounded>({.schedule = {.lag = 0}}, 4, {1, 3}) == flushed);
  by_name<schedule::paci, delay::discrepancy_correction, warmup::synchronous>({.warmup = {.minibatches = 2}}, 4, {1, 3});
  auto const late = by_name<schedule::lag_bounded, versions::double_buffered>({}, 4, {1, 3});
  CHECK(by_name<schedule::cyclic, versions::double_buffered>({.schedule = {.replicas = 1}}, 1, {1}) == late);
  by_name<schedule::cyclic, versions::stash>({.schedule = {.replicas = 4}}, 4, {1, 4});
  by_name<schedule::wpipe, versions::stash>({}, 2, {1, 2});
  by_name<schedule::amdp>({}, 4, {1, 3});
}
