// Tied and frozen parameters: gradients against differences, one version for all F of a microbatch, bits on any workers.
#include <foal/executor/tied.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/witness.hpp"

namespace {

using namespace foal;

struct shared;
struct net : stages<input<5>, linear<4>, foal::tanh, tied<shared, linear<4>>, foal::tanh, linear<4>, foal::tanh,
                    tied<shared, linear<4>>, foal::tanh, linear<4>, foal::tanh, tied<shared, linear<4>>, linear<3>> {};
// The same with all of the group in one stage.
struct together : stages<input<5>, linear<4>, foal::tanh,
                         stage<tied<shared, linear<4>>, foal::tanh, tied<shared, linear<4>>>, linear<3>> {};
struct half_frozen
    : stages<input<5>, frozen<linear<4>, foal::tanh>, linear<4>, foal::tanh, frozen<linear<4>>, foal::tanh, linear<3>> {};

static_assert(stage_count<net> == 5);  // what is only tied has no stage of its own
static_assert(parameter_count<net>() == (5 * 4 + 4) + 3 * (4 * 4 + 4) + (4 * 3 + 3));
static_assert(stage_count<together> == 3);

template <class Net, class Schedule, class... More>
using run = trainer<Net, loss::cross_entropy, Schedule, scalar<double>, More...>;

template <class Net>
void check_gradients(std::function<bool(int)> trains = [](int) { return true; }) {
  test::check_gradients<run<Net, schedule::gpipe, executor::single_thread>>(
      {.microbatch_size = 3, .microbatches = 2}, test::stream{.samples = 3}, {.trains = std::move(trains)});
}

template <class Schedule, class... Policies>
void check_bits_on_workers() {
  using many = run<net, Schedule, optim::momentum, Policies...>;
  test::stream const data{.samples = 2};
  std::vector<double> reference;
  for (int workers = 1; workers <= 5; ++workers) {
    many t({.microbatch_size = 2, .microbatches = 3, .workers = workers, .lr = {.rate = 0.1F}});
    t.run(data, {.minibatches = 12});
    if (workers == 1)
      reference = t.all_weights();
    else
      CHECK(t.all_weights() == reference);
  }
}

using test::witness;
constexpr int watched_stages = 6, home = 1, size = 4 * 4 + 4;
// A group at stages 1, 3 and 4, whose layers note what they read.
struct watched
    : stages<input<5>, linear<4>, foal::tanh, tied<shared, witness<4>>, foal::tanh, linear<4>, foal::tanh, linear<4>,
             tied<shared, witness<4>>, foal::tanh, linear<4>, tied<shared, witness<4>>, foal::tanh, linear<3>> {};
static_assert(stage_count<watched> == watched_stages);
struct member {
  int stage;
  std::size_t layer;
};
constexpr member group[] = {{home, 2}, {3, 7}, {4, 10}};

/// Updates before an op that is `behind` microbatches late.
long long version(long long m, long long behind, int n) { return m < behind ? 0 : (m - behind) / n; }

/// Trains a tied group and compares what every F and B of it has read, by its bits, with pipemare's closed form: with d_s =
/// 2(S - s) - 1, home's F of m is d_home microbatches behind and its B reads the newest version. At stage q above, F reads
/// what home's F of m has read, and B of m, in slot m + 2S-1-q, the copy that the last F there has brought, of microbatch
/// m + d_q: so B is d_q ahead of F there too. Home's U of a minibatch takes the gradients of all uses.
template <class... Policies>
void check_tied_reads(int n, int workers) {
  using many = run<watched, schedule::pipemare, Policies...>;
  constexpr bool stashed = std::is_same_v<policy_of<many, role::versions>, versions::stash>;
  constexpr int samples = 2, minibatches = 20;
  constexpr float rate = 0.1F;
  INFO("N " << n << "  workers " << workers << "  stash " << stashed);
  many t({.microbatch_size = samples, .microbatches = n, .workers = workers, .lr = {.rate = rate}, .evaluation = false});
  auto const both = [&t] {
    auto w = t.weights(home, 0);
    auto const bias = t.weights(home, 1);
    w.insert(w.end(), bias.begin(), bias.end());
    return w;
  };
  std::vector<std::vector<double>> made{both()};  // by version
  test::witness_notes::clear();
  test::recorder seen(watched_stages);
  executor::run_request request{.minibatches = minibatches};
  request.watch = seen.observer();
  t.run(test::stream{.samples = samples}, request);
  for (std::size_t k = 0; k < minibatches; ++k) made.push_back(seen.after<double>(home, k, size));
  for (std::size_t k = 0; k < minibatches; ++k) REQUIRE(made[k] != made[k + 1]);
  auto const version_of = [&](test::witness_note const& note) {
    long const read = note.op == 'F' ? size : 4 * 4;  // B reads no bias
    return std::find_if(made.begin(), made.end(),
                        [&](auto const& w) { return std::equal(w.begin(), w.begin() + read, note.weights.begin()); }) -
           made.begin();
  };
  auto const d = [](int s) { return 2 * (watched_stages - s) - 1; };
  auto const& facts = t.tables().phases.back().facts;

  long long const all = minibatches * n;
  std::vector<std::vector<double>> home_read(static_cast<std::size_t>(all));  // by microbatch
  std::vector<std::vector<double>> gradient(minibatches, std::vector<double>(size));
  for (auto const [stage, layer] : group) {
    INFO("stage " << stage);
    long long ops[2] = {0, 0}, steady = 0, lag = 0;
    for (test::witness_note const& note : test::witness_notes::of_layer[layer]) {
      long long const m = note.sample / samples, read = version(m, d(home), n);
      auto const i = static_cast<std::size_t>(m);
      if (note.op == 'W') {
        for (std::size_t e = 0; e < size; ++e) gradient[i / static_cast<std::size_t>(n)][e] += note.weights[e];
        continue;
      }
      long long const v = version_of(note);
      long long const newest = stage == home ? m / n : version(std::min(m + d(stage), all - 1), d(home), n);
      INFO("microbatch " << m << " op " << note.op);
      CHECK(v == (note.op == 'F' || stashed ? read : newest));
      ++ops[note.op == 'B'];
      if (note.op == 'F' && stage == home) home_read[i] = note.weights;
      if (note.op == 'F') CHECK(note.weights == home_read[i]);  // the group reads one version
      if (m >= 10 * n && m < 15 * n) {                          // far from the start and from the end
        ++steady;
        lag += note.op == 'B' ? v : -v;
      }
    }
    CHECK(ops[0] == all);
    CHECK(ops[1] == all);
    // What the program's facts say of the stage's own weights holds of the borrowed ones.
    auto const& f = facts.stage[static_cast<std::size_t>(stage)];
    CHECK(f.tau_fwd - f.tau_bkwd == Approx(stashed ? 0 : static_cast<double>(d(stage)) / n));
    REQUIRE(steady == 10 * n);
    CHECK(lag == (stashed ? 0 : 5 * d(stage)));
  }
  for (std::size_t k = 0; k < minibatches; ++k)
    for (std::size_t e = 0; e < size; ++e)
      REQUIRE(made[k + 1][e] ==
              Approx(made[k][e] - static_cast<double>(rate) * gradient[k][e] / n).margin(1e-14).epsilon(0));
  for (int s = 0; s < watched_stages; ++s)
    for (auto const& r : seen.reads()[static_cast<std::size_t>(s)]) {
      long long const forward = version(r.microbatch, d(s), n);
      CHECK(r == test::recorder::read{r.microbatch, forward, stashed ? forward : r.microbatch / n});
    }
}

}  // namespace

TEST_CASE("A tied group has the gradient of the sum of its uses", "[tied]") {
  check_gradients<net>();
  check_gradients<together>();
}

TEST_CASE("Frozen layers stay, and the others have the gradients that they have beside them", "[tied]") {
  check_gradients<half_frozen>([](int stage) { return stage % 2 == 1; });
  run<half_frozen, schedule::gpipe> const t({});
  auto const& stages = t.tables().stages;
  CHECK(stages[0].backward.empty());
  CHECK(stages[0].trained_elements == 0);
  CHECK_FALSE(stages[1].wire_in[0].gradient);
  CHECK(stages[2].wire_in[0].gradient);
  CHECK(stages[2].trained_elements == 0);
  for (auto const& x : stages[0].tensors) CHECK(x.where != table::place::kept);
}

TEST_CASE("Tied weights train to the same bits on any number of workers", "[tied]") {
  check_bits_on_workers<schedule::gpipe>();
  check_bits_on_workers<schedule::pipemare>();
  check_bits_on_workers<schedule::async_1f1b>();
  check_bits_on_workers<schedule::async_1f1b, versions::stash>();
  check_bits_on_workers<schedule::pipemare, versions::vertical_sync>();
}

TEST_CASE("Every F of a microbatch reads the version that its home has read", "[tied]") {
  for (int n = 1; n <= 4; ++n) {
    check_tied_reads<>(n, 1);
    check_tied_reads<>(n, watched_stages);
    check_tied_reads<versions::stash>(n, 1);
    check_tied_reads<versions::stash>(n, watched_stages);
  }
}

TEST_CASE("With injected delays too, every F of a group reads the version that its home has read", "[tied]") {
  for (std::vector<int> const& delay : {std::vector<int>{5, 9, 7, 4, 3, 1}, {5, 0, 7, 4, 9, 1}})
    for (int n = 1; n <= 3; ++n) {
      run<watched, schedule::injected> t({.microbatch_size = 2,
                                          .microbatches = n,
                                          .workers = 2 * n,
                                          .lr = {.rate = 0.1},
                                          .schedule = {delay},
                                          .evaluation = false});
      test::witness_notes::clear();
      t.run(test::stream{.samples = 2}, {.minibatches = 20});
      std::vector<std::vector<double>> read[3];
      for (std::size_t i = 0; i < 3; ++i)
        for (test::witness_note const& note : test::witness_notes::of_layer[group[i].layer])
          if (note.op == 'F') read[i].push_back(note.weights);
      CHECK(read[0].size() == static_cast<std::size_t>(20 * n));
      CHECK(read[0].front() != read[0].back());
      CHECK((read[1] == read[0] && read[2] == read[0]));
    }
}

TEST_CASE("With old versions kept, R of a borrower reads F's", "[tied]") {
  for (int n = 1; n <= 4; ++n) {  // with N = 2 a group's versions change together
    auto const trained = [n]<class Run>(Run const*, typename Run::config values) {
      values.microbatch_size = 2;
      values.microbatches = n;
      values.lr.rate = 0.1;
      Run t(values);
      t.run(test::stream{.samples = 2}, {.minibatches = 14});
      return t.all_weights();
    };
    using again = run<watched, schedule::recomputed<schedule::pipemare>, versions::stash>;
    auto const plain = trained(static_cast<run<watched, schedule::pipemare, versions::stash>*>(nullptr), {});
    for (int segment = 1; segment <= 6; ++segment)
      CHECK(trained(static_cast<again*>(nullptr), {.schedule = {.segment = segment}}) == plain);
  }
}

TEST_CASE("Rings of tied weights are in the plan, as many slots as versions can be under way", "[tied]") {
  run<net, schedule::pipemare> t({.microbatch_size = 2, .microbatches = 2});
  int const gap = t.tables().phases.back().facts.stage[1].version_gap;
  CHECK(executor::lent_slots(t.tables(), 1) == gap + 1);
  std::size_t bytes = 0;
  for (auto const& e : t.engine().memory().plan().entries())
    if (e.what.find("tied") != std::string::npos) bytes += e.bytes;
  std::size_t const weight = 4 * 4 * sizeof(double), bias = 64;  // 4 doubles in a slot of 64 bytes
  CHECK(bytes == 2 * 2 * static_cast<std::size_t>(gap + 1) * (weight + bias));
}

TEST_CASE("What is tied must have the same sizes", "[tied]") {
  struct other;
  constexpr auto d = describe<8, tied<other, linear<4>>, tied<other, linear<3>>>(features(5));
  CHECK(d.failure == model_failure::tied_apart);
}

TEST_CASE("The facts say what tied weights cost", "[tied]") {
  run<net, schedule::pipemare> const t({.microbatch_size = 2, .microbatches = 2});
  CHECK_THAT(t.facts().text(), Catch::Matchers::Contains("40 parameters are copies of tied ones"));
}
