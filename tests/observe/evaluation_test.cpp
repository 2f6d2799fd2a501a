// Evaluations: the same result however they are cut, room for one stage at a time.
#include <foal/executor/shared_evaluation.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/observe/evaluator_rounds.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>

#include <catch2/catch.hpp>
#include <functional>
#include <random>
#include <thread>

#include "tests/support/boxes.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/rooms.hpp"

namespace {

using namespace foal;

struct outer;
struct inner;

constexpr int wide = 64;

/// Two skips pass a stage whose own tensors are smaller than either.
struct net : stages<input<5>, linear<wide>, foal::tanh, save<outer>, linear<32>, foal::tanh, save<inner>, linear<4>,
                    foal::tanh, linear<32>, add<inner>, linear<wide>, add<outer>, linear<3>> {};

using run_type = trainer<net, loss::cross_entropy, schedule::gpipe, optim::momentum, scalar<double>>;

struct trained : run_type {
  explicit trained(int samples)
      : run_type({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.05}, .evaluation_samples = samples}) {
    run(test::stream{.samples = 4}, {.minibatches = 10});
  }
};

/// The evaluations of a run in one process of several.
struct rounds : executor::evaluator_rounds {
  rounds(executor::evaluator& copied_to, table::evaluation_source const& samples)
      : evaluator_rounds(copied_to, samples), room(copied_to) {}

  long long most() const override { return wanted; }
  bool due() const override { return misfits.size() < static_cast<std::size_t>(wanted) && !ended; }
  bool copied() const override { return copies > static_cast<long long>(misfits.size()); }
  long long update() const override { return 7 + static_cast<long long>(misfits.size()); }
  void begins() override {
    evaluator_rounds::begins();
    ++begun;
  }
  bool heard(executor::evaluation_result const& r, bool is_asked) override {
    results.push_back(r);
    asked += is_asked ? 1 : 0;
    return ends_after != static_cast<int>(results.size());
  }
  void over(bool ends) override {
    misfits.push_back(room.misfit());
    ended = ends;
  }

  bool well() const override { return throws_at != static_cast<int>(results.size()); }

  long long wanted = 1, copies = 1, begun = 0, asked = 0;
  int throws_at = 0;   ///< result; 0: never
  int ends_after = 0;  ///< results
  bool ended = false;
  std::vector<executor::evaluation_result> results;
  std::vector<std::string> misfits;
  executor::evaluator& room;
};

/// A process that hosts some of the stages, with what it needs to evaluate them.
struct evaluating {
  executor::evaluator room;
  rounds asked;
  executor::shared_evaluation own;
  test::boxes transport;
  std::vector<std::unique_ptr<test::boxes::channel>> channels;

  template <class Trainer>
  evaluating(Trainer const& t, table::evaluation_source const& samples, std::vector<int> const& process_of, int number,
             long long wanted, int ends_after)
      : room(t.tables(), t.engine().values(), runs_of(process_of, number)),
        asked(room, samples),
        own((asked.wanted = wanted, asked.ends_after = ends_after, asked), process_of,
            {number, 1 + *std::max_element(process_of.begin(), process_of.end())}, nullptr) {
    for (std::size_t s = 0; s < process_of.size(); ++s)
      if (process_of[s] == number) room.copy(t.engine().stages()[s]);
    for (executor::open_channel& c : own.open())
      channels.push_back(std::make_unique<test::boxes::channel>(transport, std::move(c.end), c.process));
  }
  evaluating(evaluating const&) = delete;

  static std::vector<executor::stage_run> runs_of(std::vector<int> const& process_of, int number) {
    std::vector<executor::bound_stage> units(process_of.size());
    for (std::size_t s = 0; s < units.size(); ++s) units[s].worker = process_of[s] == number ? 0 : -1;
    return executor::runs_here(units, units.size());
  }
  /// One thing of those that a process does, by chance.
  bool step(unsigned random) {
    std::size_t const i = random % (channels.size() + 1);
    return i < channels.size() ? channels[i]->progress() : own.turn();
  }
};

/// All of them, in an order by chance, until each has heard of all evaluations.
struct evaluated {
  std::vector<std::unique_ptr<evaluating>> all;

  template <class Trainer>
  evaluated(Trainer const& t, table::evaluation_source const& samples, std::vector<int> const& process_of, unsigned seed,
            long long wanted = 1, int ends_after = 0, std::function<bool(evaluated const&)> const& cut_off = {}) {
    test::boxes::all.clear();
    int const count = 1 + *std::max_element(process_of.begin(), process_of.end());
    for (int p = 0; p < count; ++p)
      all.push_back(std::make_unique<evaluating>(t, samples, process_of, p, wanted, p == 0 ? ends_after : 0));
    std::mt19937 random(seed);
    long long idle = 0;
    for (std::size_t done = 0; done < all.size();) {
      if (cut_off && cut_off(*this)) return;
      done = 0;
      for (auto& p : all) done += p->own.done() ? 1U : 0U;
      auto& p = *all[random() % all.size()];
      idle = p.step(static_cast<unsigned>(random())) ? 0 : idle + 1;
      if (idle > 1000) p.asked.copies = std::min(wanted, p.asked.copies + 1);
      if (idle > 100000) throw error("cannot go on, because no process does");
    }
  }
};

}  // namespace

TEST_CASE("An evaluation is what the outputs say, however many samples it takes at once", "[evaluation]") {
  test::first_samples const data;
  trained const t(24);
  predictor<net, scalar<double>> p({.microbatch_size = 4, .microbatches = 2});
  p.take(t);
  test::score const wanted = test::score_of(p, data, 4);
  for (int samples : {1, 5, 24, 100}) {
    INFO(samples << " at once");
    auto const r = trained(samples).evaluate(data);
    CHECK(r.samples == 24);
    CHECK(r.loss == Approx(wanted.loss).epsilon(1e-12));
    CHECK(r.accuracy == Approx(wanted.right / 24.0).epsilon(1e-12));
  }
}

TEST_CASE("An evaluation has room for the largest stage and what reaches it, twice", "[evaluation]") {
  constexpr int samples = 128;
  trained const t(samples);
  std::vector<std::size_t> region;
  for (plan_entry const& e : t.engine().evaluation()->plan().entries())
    if (e.what == "activations of one stage") region.push_back(e.bytes);
  // The stage after the narrow one: its input and both skips. Its product goes straight to its successor.
  std::size_t const most = sizeof(double) * samples * (4 + 32 + wide);
  CHECK(region == std::vector{most, most});
}

TEST_CASE("The last evaluation of a fit is one after it, statistics of frozen layers included", "[evaluation]") {
  struct at_the_bottom : stages<input<5>, frozen<linear<6>, batch_norm, foal::tanh>, linear<4>, foal::tanh, linear<3>> {};
  struct in_the_middle : stages<input<5>, linear<6>, frozen<batch_norm>, foal::tanh, linear<4>, foal::tanh, linear<3>> {};
  auto const check = []<class Trainer>(Trainer&& t) {
    test::first_samples const data{40};
    fit_report const r = t.fit(data, {.epochs = 3, .evaluate = data, .quiet = true});
    auto const after = t.evaluate(data);
    REQUIRE(r.evaluations.size() == 3);
    CHECK(r.evaluations.back().loss == after.loss);
    CHECK(r.evaluations.back().accuracy == after.accuracy);
    CHECK(r.evaluations[0].loss != r.evaluations[1].loss);
    return std::vector{r.evaluations[0].loss, r.evaluations[1].loss, after.loss};
  };
  auto const on_workers = [&]<class Net, class Schedule>(Net, Schedule) {
    using run = trainer<Net, loss::cross_entropy, Schedule, optim::momentum, scalar<double>>;
    std::vector<double> reference;
    for (int workers : {1, 2, 3}) {
      auto const losses = check(run({.microbatch_size = 4, .microbatches = 2, .workers = workers, .lr = {.rate = 0.05}}));
      if (reference.empty()) reference = losses;
      CHECK(losses == reference);
    }
  };
  on_workers(at_the_bottom{}, schedule::gpipe{});
  on_workers(at_the_bottom{}, schedule::pipemare{});
  on_workers(in_the_middle{}, schedule::gpipe{});
  on_workers(in_the_middle{}, schedule::pipemare{});
}

TEST_CASE("A callback of a run cannot call back into the trainer", "[evaluation]") {
  test::first_samples const data;
  run_type t({.microbatch_size = 4, .microbatches = 2, .workers = 2, .lr = {.rate = 0.05}});
  run_type::fit_options options{.evaluate = data, .quiet = true};
  int asked = 0;
  options.hooks.evaluated = [&](executor::evaluation_result const&) {
    ++asked;
    CHECK_THROWS_WITH(t.evaluate(data), Catch::Contains("cannot evaluate now") && Catch::Contains("at work"));
    CHECK_THROWS_WITH(t.set_weights(0, 0, t.weights(0, 0)), Catch::Contains("at work"));
    CHECK_THROWS_WITH(t.run(test::stream{.samples = 4}, {.minibatches = 1}), Catch::Contains("at work"));
  };
  t.fit(data, options);
  CHECK(asked == 1);
  CHECK_NOTHROW(t.evaluate(data));
}

TEST_CASE("A callback of an evaluation reads what was evaluated, and nobody else reads during a run", "[evaluation]") {
  struct shared_layer;
  struct tied_net
      : stages<input<5>, linear<4>, foal::tanh, tied<shared_layer, linear<4>>, foal::tanh, frozen<linear<4>, batch_norm>,
               foal::tanh, linear<4>, tied<shared_layer, linear<4>>, foal::tanh, linear<3>> {};
  using run = trainer<tied_net, loss::cross_entropy, schedule::pipemare, optim::averaged<optim::momentum>, scalar<double>>;
  test::first_samples const data{40};
  for (int workers : {1, 3}) {
    run t({.microbatch_size = 4, .microbatches = 2, .workers = workers, .lr = {.rate = 0.05}});
    predictor<tied_net, scalar<double>> p({.microbatch_size = 4});
    run::fit_options options{.epochs = 3, .evaluate = data, .quiet = true};
    std::vector<double> before;
    options.hooks.evaluated = [&](executor::evaluation_result const& r) {
      std::string elsewhere;
      std::thread([&] {
        try {
          static_cast<void>(t.weights(0, 0));
        } catch (error const& e) {
          elsewhere = e.what();
        }
      }).join();
      CHECK_THAT(elsewhere, Catch::Contains("cannot read weights now") && Catch::Contains("at work"));
      CHECK_THROWS_WITH(t.average(0, 0), Catch::Contains("cannot read averaged weights now"));
      p.take(t);
      test::score const s = test::score_of(p, data, 4);
      CHECK(r.loss == Approx(s.loss).epsilon(1e-12));
      CHECK(t.updates() == r.update);
      CHECK(t.all_weights() != before);
      before = t.all_weights();
    };
    t.fit(data, options);
    CHECK(before == t.all_weights());
    CHECK_NOTHROW(t.average(0, 0));
  }
}

TEST_CASE("Evaluations during a run and after it treat denormals alike", "[evaluation]") {
  struct tiny : stages<input<5>, frozen<linear<4>>, linear<3>> {};  // an update would flush the weights
  using run = trainer<tiny, loss::cross_entropy, schedule::gpipe>;
  test::first_samples const data{8};
  run t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0}});
  // Products of the first layer are denormal, and the second makes them large again.
  t.set_weights(0, 0, std::vector<float>(t.weights(0, 0).size(), 1e-39F));
  t.set_weights(0, 1, std::vector<float>(t.weights(0, 1).size(), 0));
  std::vector<float> large(t.weights(1, 0).size());
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = i % 3 == 0 ? 3e38F : 0;
  t.set_weights(1, 0, large);
  fit_report const r = t.fit(data, {.evaluate = data, .quiet = true});
  CHECK(r.evaluations.back().loss == t.evaluate(data).loss);
}

TEST_CASE("Evaluations by several processes are those of one, whichever has which stages", "[evaluation]") {
  test::first_samples const data;
  executor::any_source<double, std::int32_t> const samples(data);
  static_assert(run_type::stages == 6);
  for (int at_once : {1, 5, 24, 100}) {
    trained t(at_once);
    auto const wanted = t.evaluate(data);
    for (auto const& process_of : {std::vector{0, 0, 0, 1, 1, 1}, std::vector{0, 1, 1, 2, 3, 3},
                                   std::vector{0, 1, 0, 1, 0, 1}, std::vector{0, 1, 2, 0, 1, 0}})
      for (unsigned seed = 0; seed < 4; ++seed) {
        INFO(at_once << " samples at once  seed " << seed);
        evaluated const by(t, samples.functions, process_of, seed, 3);
        for (auto const& p : by.all) {
          CHECK(p->asked.begun == 3);
          REQUIRE(p->asked.results.size() == 3);
          for (auto const& r : p->asked.results) {
            CHECK(r.loss == wanted.loss);
            CHECK(r.accuracy == wanted.accuracy);
            CHECK(r.samples == 24);
            CHECK(r.update == 7 + (&r - p->asked.results.data()));
            CHECK(r.fault.empty());
          }
        }
      }
  }
}

TEST_CASE("Processes have room for the copies of one, and for what passes between them", "[evaluation]") {
  constexpr int at_once = 128;
  trained t(at_once);
  test::first_samples const data;
  executor::any_source<double, std::int32_t> const samples(data);
  auto const bytes = [](memory_plan const& plan, std::string const& what) {
    std::size_t sum = 0;
    for (plan_entry const& e : plan.entries())
      if (e.what == what) sum += e.bytes;
    return sum;
  };
  memory_plan const& one = t.engine().evaluation()->plan();
  evaluated const by(t, samples.functions, {0, 0, 1, 1, 2, 2}, 1);
  std::vector<std::size_t> between;
  std::size_t weights = 0, targets = 0;
  for (auto const& p : by.all) {
    memory_plan const& plan = p->room.plan();
    weights += bytes(plan, "weights for evaluation");
    targets += bytes(plan, "targets");
    between.push_back(bytes(plan, "activations between processes"));
    CHECK(bytes(plan, "weights for evaluation") < bytes(one, "weights for evaluation"));
    CHECK(bytes(plan, "activations of one stage") <= bytes(one, "activations of one stage"));
    CHECK(plan.bytes() - between.back() < one.bytes());
  }
  CHECK(weights == bytes(one, "weights for evaluation"));
  CHECK(targets == bytes(one, "targets"));
  std::size_t const sample = sizeof(double) * at_once;
  CHECK(between == std::vector{sample * (32 + wide), sample * (32 + 2 * wide + 32), sample * (wide + 32)});
}

TEST_CASE("What is wrong with an evaluation by several processes is said in each, and one answer ends it", "[evaluation]") {
  trained t(5);
  std::vector<int> const process_of{0, 0, 1, 1, 2, 2};
  struct targets_of_none : test::first_samples {
    void write_target(long long i, std::int32_t* to) const { *to = i == 13 ? 3 : 0; }
  };
  targets_of_none const unknown;
  executor::any_source<double, std::int32_t> const misfit(unknown);
  evaluated const with_misfit(t, misfit.functions, process_of, 2);
  for (auto const& p : with_misfit.all) {
    CHECK(std::isnan(p->asked.results.at(0).loss));
    CHECK_THAT(p->asked.results.at(0).fault, Catch::Contains("sample 13"));
    CHECK(p->asked.misfits.at(0) == p->asked.results.at(0).fault);
  }
  test::first_samples const data{24, {.samples = 1, .poisoned = 17}};
  executor::any_source<double, std::int32_t> const samples(data);
  evaluated const ends(t, samples.functions, process_of, 3, 5, 2);
  for (auto const& p : ends.all) {
    REQUIRE(p->asked.results.size() == 2);
    CHECK(p->asked.ended);
    CHECK(p->asked.misfits.at(1).empty());
    CHECK_THAT(p->asked.results.at(1).fault, Catch::Contains("after update 8") && Catch::Contains("samples 15 to 19"));
  }
}

TEST_CASE("Where one has thrown that was called with an evaluation process 0 is not asked", "[evaluation]") {
  trained t(24);
  test::first_samples const data;
  executor::any_source<double, std::int32_t> const samples(data);
  auto const second_throws = [](evaluated const& e) {
    e.all[1]->asked.throws_at = 2;
    return false;
  };
  evaluated const by(t, samples.functions, {0, 1, 2, 0, 1, 2}, 1, 3, 0, second_throws);
  CHECK(by.all[0]->asked.results.size() == 3);
  CHECK(by.all[0]->asked.asked == 2);
  CHECK(by.all[2]->asked.asked == 3);
}

TEST_CASE("Of an evaluation that the end of a phase cuts off all hear, or none", "[evaluation]") {
  trained t(24);
  test::first_samples const data;
  executor::any_source<double, std::int32_t> const samples(data);
  double const wanted = t.evaluate(data).loss;
  for (unsigned seed = 0; seed < 20; ++seed) {
    auto const one_has = [](evaluated const& e) { return e.all[1]->asked.results.size() == 2; };
    evaluated const by(t, samples.functions, {0, 1, 2, 0, 1, 2}, seed, 3, 2, one_has);
    for (bool moved = true; std::exchange(moved, false);)
      for (auto const& p : by.all)
        for (auto const& c : p->channels) moved = c->progress() || moved;
    test::rooms::with_processes(3, [&](int number) {
      by.all[static_cast<std::size_t>(number)]->own.finish(
          [](std::string const& mine) { return test::rooms().exchange(mine).front(); });
    });
    for (auto const& p : by.all) {
      REQUIRE(p->asked.results.size() == 2);
      CHECK(p->asked.results.back().loss == wanted);
      CHECK(p->asked.misfits.size() == 2);
      CHECK(p->asked.ended);
    }
  }
}

TEST_CASE("Tied weights go with an evaluation to the process that borrows them", "[evaluation]") {
  struct shared_layer;
  struct tied_net : stages<input<5>, linear<4>, foal::tanh, tied<shared_layer, linear<4>>, foal::tanh, linear<4>,
                           tied<shared_layer, linear<4>>, foal::tanh, linear<4>, tied<shared_layer, linear<4>>, linear<3>> {
  };
  using run = trainer<tied_net, loss::cross_entropy, schedule::gpipe, optim::momentum, scalar<double>>;
  test::first_samples const data;
  executor::any_source<double, std::int32_t> const samples(data);
  run t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.05}, .evaluation_samples = 5});
  t.run(test::stream{.samples = 4}, {.minibatches = 10});
  auto const wanted = t.evaluate(data);
  std::vector<int> each;
  for (int s = 0; s < run::stages; ++s) each.push_back(s);
  std::vector<int> halves(each), alternate(each);
  for (int& p : halves) p = 2 * p / run::stages;
  for (int& p : alternate) p %= 2;
  for (auto const& process_of : {each, halves, alternate})
    for (unsigned seed = 0; seed < 4; ++seed) {
      INFO(process_of.back() + 1 << " processes  seed " << seed);
      evaluated const by(t, samples.functions, process_of, seed, 3);
      std::size_t borrowed = 0;
      for (auto const& p : by.all) {
        REQUIRE(p->asked.results.size() == 3);
        for (auto const& r : p->asked.results) CHECK(r.loss == wanted.loss);
        for (plan_entry const& e : p->room.plan().entries())
          if (e.what == "tied weights for evaluation") borrowed += e.bytes;
      }
      CHECK(borrowed > 0);
    }
}
