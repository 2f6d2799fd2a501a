// Tied and frozen parameters: gradients against differences, one version for all F of a microbatch, bits on any workers.
#include <foal/executor/tied.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/optim/momentum.hpp>
#include <foal/schedule/async_1f1b.hpp>
#include <foal/schedule/gpipe.hpp>
#include <foal/schedule/pipemare.hpp>
#include <foal/schedule/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/nets.hpp"

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
  for (auto const& x : stages[0].tensors) CHECK(x.where != lower::place::kept);
}

TEST_CASE("Tied weights train to the same bits on any number of workers", "[tied]") {
  check_bits_on_workers<schedule::gpipe>();
  check_bits_on_workers<schedule::pipemare>();
  check_bits_on_workers<schedule::async_1f1b>();
  check_bits_on_workers<schedule::async_1f1b, versions::stash>();
}

TEST_CASE("Every F of a microbatch reads the version that its home has read", "[tied]") {
  using many = run<net, schedule::pipemare, executor::single_thread>;
  many t({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.1F}});
  test::stream const data{.samples = 2};
  struct seen {
    many* t;
    std::vector<std::vector<double>> home;  // by version
    int compared = 0;
  } look{&t, {t.weights(1, 0)}};
  executor::run_request request{.minibatches = 8};
  request.watch.self = &look;
  request.watch.after_update = [](void* self, executor::bound_stage const& b) {
    if (b.number == 1) static_cast<seen*>(self)->home.push_back(static_cast<seen*>(self)->t->weights(1, 0));
  };
  request.watch.versions = [](void* self, int stage, long long m, long long, long long) {
    auto& s = *static_cast<seen*>(self);
    auto const& b = s.t->engine().stages()[static_cast<std::size_t>(stage)];
    auto const& home = s.t->engine().stages()[1];
    for (executor::borrowed_parameter const& q : b.borrowed) {
      // The copy is at the version of the last F here, which is this microbatch's or a later one's.
      CHECK(q.version >= home.version_read[static_cast<std::size_t>(m) % home.version_read.size()]);
      auto const& p = b.table->parameters[static_cast<std::size_t>(q.parameter)];
      if (p.index != 0) continue;
      auto const* copy = reinterpret_cast<double const*>(b.w + static_cast<std::size_t>(p.offset) * sizeof(double));
      CHECK(std::equal(copy, copy + p.size, s.home.at(q.version).begin()));
      ++s.compared;
    }
  };
  t.run(data, std::move(request));
  CHECK(look.compared > 20);
  CHECK(look.home.size() == 9);
  CHECK(look.home[0] != look.home[8]);
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
