// A fit that saves checkpoints trains to the same bits, and from each of them another trainer goes on to the same bits and
// the same report, for any number of workers; after a change it goes on with the weights alone and says so.
#include <foal/checkpoint.hpp>
#include <foal/checkpoint/keep_best.hpp>
#include <foal/policy/replica/sharded.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/trainer.hpp>
#include <foal/trainer/early_stopping.hpp>

#include <catch2/catch.hpp>
#include <csignal>

#include "tests/support/checkpoints.hpp"
#include "tests/support/fit_values.hpp"
#include "tests/support/kept_net.hpp"
#include "tests/support/learned.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using Catch::Contains;
using foal_test::fit_values;
using foal_test::listed;
using foal_test::temporary_directory;

using foal_test::kept_net;
using pipemare = foal_test::pipemare_run<kept_net>;
using gpipe = foal_test::gpipe_run<kept_net>;
template <class Schedule, class... More>
using run = trainer<kept_net, loss::cross_entropy, Schedule, More...>;

test::first_samples const& samples = foal_test::samples_to_keep;

/// What a fit has left and told.
struct outcome {
  std::vector<float> learned;
  std::vector<double> losses, evaluations;
  bool operator==(outcome const&) const = default;
};
outcome outcome_of(auto const& t, fit_report const& r) {
  outcome all{test::learned(t), r.epoch_loss, {}};
  for (auto const& e : r.evaluations) all.evaluations.insert(all.evaluations.end(), {static_cast<double>(e.update), e.loss});
  return all;
}
template <class Run>
typename Run::fit_options options(int epochs = 4) {
  return {.epochs = epochs, .evaluate = samples, .quiet = true};
}

std::string const& notes_of(fit_report const& r) {
  static std::string all;
  all.clear();
  for (std::string const& note : r.notes) all += note + "\n";
  return all;
}

/// A directory with the checkpoints of a whole fit, and what that has left.
template <class Run>
struct whole_fit {
  explicit whole_fit(long long every, int epochs = 4) {
    Run t(fit_values<Run>(2));
    auto o = options<Run>(epochs);
    o.checkpoint = checkpoints{.directory = files.path(), .every_updates = every, .keep = 1000};
    whole = outcome_of(t, t.fit(samples, o));
    for (std::string const& name : listed(files.path()))
      if (name.starts_with("step-")) steps.push_back(name);
  }
  /// One that a run killed behind a checkpoint leaves.
  void copy_up_to(std::size_t last, std::string const& to) const {
    for (std::size_t i = 0; i <= last; ++i)
      std::filesystem::copy(files / steps[i], to + "/" + steps[i], std::filesystem::copy_options::recursive);
  }
  temporary_directory files;
  std::vector<std::string> steps;
  outcome whole;
};

template <class Run>
void check_every_checkpoint() {
  Run plain(fit_values<Run>(1));
  outcome const reference = outcome_of(plain, plain.fit(samples, options<Run>()));
  whole_fit<Run> const all(1);
  CHECK(all.whole == reference);
  REQUIRE(all.steps.size() == 24);
  foal_test::turns turns(5);
  for (std::size_t i = 0; i < all.steps.size(); ++i) {
    if (!turns.take() && i + 1 < all.steps.size()) continue;
    INFO(all.steps[i]);
    temporary_directory const folder;
    all.copy_up_to(i, folder.path());
    Run t(fit_values<Run>(1 + static_cast<int>(i) % 3));
    auto o = options<Run>();
    o.checkpoint = checkpoints{.directory = folder.path(), .every_updates = 5, .keep = 2, .resume = true};
    fit_report const r = t.fit(samples, o);
    CHECK(outcome_of(t, r) == reference);
    CHECK(t.updates() == 24);
    CHECK_THAT(notes_of(r),
               Contains(i + 1 == all.steps.size() ? "nothing is left to train" : "going on from " + folder.path()));
    if (i + 1 < all.steps.size()) CHECK(listed(folder.path()).size() == 3);  // with the lock
    CHECK(foal_test::newest_update_of(folder.path()) == 24);
  }
}

}  // namespace

TEST_CASE("a fit goes on from each of its checkpoints to its bits and its report, on any number of workers") {
  check_every_checkpoint<pipemare>();
  check_every_checkpoint<gpipe>();
}

TEST_CASE("a fit that is asked for more epochs goes on to the bits of one that was asked for them at once") {
  whole_fit<pipemare> const four(3), six(3, 6);
  for (std::size_t const i : {1U, 3U}) {
    temporary_directory const folder;
    four.copy_up_to(i, folder.path());
    pipemare t(fit_values<pipemare>(2));
    auto o = options<pipemare>(6);
    o.checkpoint = checkpoints{.directory = folder.path(), .resume = true};
    CHECK(outcome_of(t, t.fit(samples, o)) == six.whole);
  }
  pipemare t(fit_values<pipemare>(2));
  auto o = options<pipemare>(6);
  temporary_directory const folder;
  four.copy_up_to(four.steps.size() - 1, folder.path());
  o.checkpoint = checkpoints{.directory = folder.path(), .resume = true};
  fit_report const r = t.fit(samples, o);
  CHECK_THAT(notes_of(r), Contains("with an empty pipeline, because that fit ended there"));
  CHECK(r.updates == 36);
  CHECK(r.epoch_loss.size() == 6);
  CHECK(r.evaluations.size() == 6);
}

TEST_CASE("after a change a fit goes on from the count of updates with the weights alone, and says what has changed") {
  whole_fit<pipemare> const all(4);
  auto const resumed = [&](auto& t, auto o) {
    temporary_directory const folder;
    all.copy_up_to(1, folder.path());
    o.checkpoint = checkpoints{.directory = folder.path(), .resume = true};
    fit_report const r = t.fit(samples, o);
    CHECK(r.epoch_loss.size() == 4);
    REQUIRE(r.evaluations.size() == 4);
    CHECK(r.evaluations.back().update == 24);
    CHECK(std::isfinite(r.evaluations.back().loss));
    return notes_of(r);
  };
  auto c = fit_values<pipemare>(2);
  c.lr.base.rate = 0.01;
  pipemare other_rate(c);
  CHECK_THAT(
      resumed(other_rate, options<pipemare>()),
      Contains("going on after update 8 of ") && Contains("empty pipeline, because learning rate.base.rate is 0.01 in "));
  c = fit_values<pipemare>(1);
  c.ranks = 2;
  pipemare fewer_ranks(c);
  CHECK_THAT(resumed(fewer_ranks, options<pipemare>()), Contains("because ranks is 2 in this run and 4 in that one"));
  gpipe synchronous(fit_values<gpipe>(2));
  CHECK_THAT(resumed(synchronous, options<gpipe>()),
             Contains("because schedule is ") && Contains("0 states of this run are not in it and begin anew, and "));
  c = fit_values<pipemare>(1);
  c.microbatches = 1;
  c.microbatch_size = 8;
  pipemare other_size(c);
  CHECK_THAT(resumed(other_size, options<pipemare>()), Contains("because microbatches is 1 in this run and 2 in that one"));
}

TEST_CASE("what a synchronous run goes on to with its weights alone is what it would have come to") {
  whole_fit<gpipe> const all(7);
  temporary_directory const folder;
  all.copy_up_to(1, folder.path());
  auto c = fit_values<gpipe>(1);
  c.ranks = 2;
  gpipe t(c);
  auto o = options<gpipe>();
  o.checkpoint = checkpoints{.directory = folder.path(), .resume = true};
  fit_report const r = t.fit(samples, o);
  CHECK_THAT(notes_of(r), Contains("going on after update 14 of "));
  CHECK(test::learned(t) == all.whole.learned);
  CHECK(outcome_of(t, r).evaluations == all.whole.evaluations);
}

namespace {

struct plain_net : stages<input<test::mlp_inputs>, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<3>> {};
template <class... More>
using replicas_of =
    trainer<plain_net, loss::cross_entropy, schedule::one_f_one_b, optim::adam, lr::step, scalar<double>, More...>;

template <class Run>
typename Run::config beside(int replicas, int microbatches, int workers) {
  typename Run::config c;
  c.microbatch_size = 2;
  c.microbatches = microbatches;
  c.replicas = replicas;
  c.workers = workers;
  c.lr = {.rate = 0.02, .every = 9};
  return c;
}

double farthest(std::vector<double> const& a, std::vector<double> const& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

}  // namespace

TEST_CASE("a run that has lost a replica goes on with those that are left, and says what becomes of a minibatch") {
  using run = replicas_of<>;
  temporary_directory const files;
  run three(beside<run>(3, 6, 2));
  auto o = options<run>();
  o.checkpoint = checkpoints{.directory = files.path(), .every_updates = 6, .keep = 1000};
  fit_report const whole = three.fit(samples, o);
  CHECK(whole.updates == 16);
  auto const goes_on = [&](run& t) {
    temporary_directory const folder;
    std::string const step = std::filesystem::path(foal_test::step(files.path(), 6)).filename();
    std::filesystem::copy(files / step, folder.path() + "/" + step, std::filesystem::copy_options::recursive);
    auto then = options<run>();
    then.checkpoint = checkpoints{.directory = folder.path(), .resume = true};
    return t.fit(samples, then);
  };
  for (int const left : {2, 1}) {
    INFO(left << " replicas");
    run t(beside<run>(left, 6, 1));
    fit_report const r = goes_on(t);
    CHECK_THAT(notes_of(r), Contains("with its weights and states alone") &&
                                Contains(sentence(left,
                                                  " replicas go on where 3 were: a minibatch keeps its 12 samples, of "
                                                  "which each has ",
                                                  6 / left, " microbatches in place of 2")));
    CHECK(r.updates == 16);
    CHECK(t.all_weights() != three.all_weights());  // sums have another order
    CHECK(farthest(t.all_weights(), three.all_weights()) < 1e-9);
    REQUIRE(r.evaluations.size() == whole.evaluations.size());
    CHECK(r.evaluations.back().loss == Approx(whole.evaluations.back().loss).epsilon(1e-9));
  }
  run smaller(beside<run>(2, 4, 3));
  fit_report const r = goes_on(smaller);
  CHECK_THAT(notes_of(r),
             Contains("2 replicas go on where 3 were: a minibatch has 8 samples in place of 12, and each replica "
                      "2 microbatches of it in place of 2; learning rates are as they were"));
  CHECK(r.updates == 24);
  CHECK(std::isfinite(r.evaluations.back().loss));
  CHECK(r.evaluations.back().loss != whole.evaluations.back().loss);
}

TEST_CASE("states that replicas share out are whole in a checkpoint: any number of replicas goes on with them") {
  using sharded = replicas_of<replica::sharded>;
  temporary_directory const files;
  sharded three(beside<sharded>(3, 6, 2));
  auto o = options<sharded>();
  o.checkpoint = checkpoints{.directory = files.path(), .every_updates = 3, .keep = 1000};
  three.fit(samples, o);
  replicas_of<> whole(beside<replicas_of<>>(3, 6, 2));
  whole.fit(samples, options<replicas_of<>>());
  CHECK(three.all_weights() == whole.all_weights());
  auto const goes_on = [&](auto& t, auto then) {
    temporary_directory const folder;
    std::string const step = std::filesystem::path(foal_test::step(files.path(), 6)).filename();
    std::filesystem::copy(files / step, folder.path() + "/" + step, std::filesystem::copy_options::recursive);
    then.checkpoint = checkpoints{.directory = folder.path(), .resume = true};
    fit_report const r = t.fit(samples, then);
    CHECK(r.updates == 16);
    return notes_of(r);
  };
  for (int const workers : {1, 4}) {
    sharded again(beside<sharded>(3, 6, workers));
    CHECK_THAT(goes_on(again, options<sharded>()), Contains("going on from ") && !Contains("states alone"));
    CHECK(again.all_weights() == whole.all_weights());
  }
  sharded two(beside<sharded>(2, 6, 1));
  replicas_of<> summed(beside<replicas_of<>>(2, 6, 1)), one(beside<replicas_of<>>(1, 6, 1));
  for (std::string const& notes :
       {goes_on(two, options<sharded>()), goes_on(summed, options<replicas_of<>>()), goes_on(one, options<replicas_of<>>())})
    CHECK_THAT(notes, Contains("with its weights and states alone") && !Contains("begin anew"));
  CHECK(two.all_weights() == summed.all_weights());
  CHECK(farthest(one.all_weights(), whole.all_weights()) < 1e-9);
  CHECK(farthest(two.all_weights(), whole.all_weights()) < 1e-9);
}

TEST_CASE("a checkpoint that is damaged is passed over, and what cannot be resumed is refused") {
  whole_fit<gpipe> const all(7);
  temporary_directory const folder;
  all.copy_up_to(2, folder.path());
  std::string const part = folder / (all.steps[2] + "/run-000.safetensors");
  auto bytes = foal_test::read(part);
  bytes[bytes.size() - 3] ^= 4U;
  foal_test::write(part, bytes);
  auto o = options<gpipe>();
  o.checkpoint = checkpoints{.directory = folder.path()};
  gpipe t(fit_values<gpipe>(1));
  CHECK_THROWS_WITH(t.fit(samples, o), Contains("because it has checkpoints already, of update 21"));
  o.checkpoint = checkpoints{.directory = folder.path(), .resume = true};
  fit_report const r = t.fit(samples, o);
  CHECK(outcome_of(t, r) == all.whole);
  CHECK_THAT(notes_of(r),
             Contains("the digest of its tensor") && Contains("going on from " + folder.path() + "/" + all.steps[1]));

  CHECK_THROWS_WITH(t.fit(samples, o),
                    Contains("because it is of a fit that began after 0 updates, and this one begins after 24"));
  run<schedule::gpipe, optim::sgd, lr::step> other(fit_values<run<schedule::gpipe, optim::sgd, lr::step>>(1));
  typename decltype(other)::fit_options wrong{.quiet = true,
                                              .checkpoint = checkpoints{.directory = folder.path(), .resume = true}};
  CHECK_THROWS_WITH(other.fit(samples, wrong), Contains("because its optimizer is ") && Contains("where this run has "));
  checkpoint::directory_lock const taken(folder.path());
  gpipe second(fit_values<gpipe>(1));
  CHECK_THROWS_WITH(second.fit(samples, o), Contains("because another process that lives writes there"));
  o.checkpoint = checkpoints{.directory = folder / "other", .keep = 0};
  CHECK_THROWS_WITH(second.fit(samples, o), Contains("keep is 0"));
}

TEST_CASE("early stopping ends a fit while the pipeline works, and one that goes on has counted what came before") {
  whole_fit<pipemare> const all(5);
  auto const stopping = [](auto& o) {
    o.hooks.evaluated = early_stopping{.patience = 0, .threshold = 0.9};  // the second one is not so much below
  };
  pipemare once(fit_values<pipemare>(2));
  auto o = options<pipemare>();
  stopping(o);
  fit_report const whole = once.fit(samples, o);
  CHECK(whole.ended);
  CHECK(whole.updates < 24);
  temporary_directory const folder;
  all.copy_up_to(1, folder.path());  // behind the first evaluation
  for (bool const again : {false, true}) {
    pipemare t(fit_values<pipemare>(1));
    o.checkpoint = checkpoints{.directory = folder.path(), .resume = true};
    stopping(o);
    fit_report const r = t.fit(samples, o);
    CHECK(r.ended);
    CHECK(r.evaluations.size() == whole.evaluations.size());
    if (again) CHECK_THAT(notes_of(r), Contains("nothing is left to train"));
  }
}

TEST_CASE("the best weights are kept while the pipeline works, and a fit that goes on knows the best of before") {
  whole_fit<pipemare> const all(5);
  temporary_directory const folder;
  std::string const path = folder / "best.safetensors";
  pipemare t(fit_values<pipemare>(2));
  auto o = options<pipemare>();
  o.hooks.evaluated = checkpoint::keep_best(t, path, early_stopping{.patience = 20});
  fit_report const whole = t.fit(samples, o);
  auto const best = std::min_element(whole.evaluations.begin(), whole.evaluations.end(),
                                     [](auto const& a, auto const& b) { return a.loss < b.loss; });
  pipemare other(fit_values<pipemare>(1));
  auto const about = checkpoint::read_safetensors(path, other);
  CHECK(about.at("foal.update") == std::to_string(best->update));
  CHECK(other.evaluate(samples).loss == best->loss);

  std::filesystem::remove(path);
  all.copy_up_to(all.steps.size() - 1, folder.path());  // nothing is left to train, nothing better comes
  pipemare again(fit_values<pipemare>(1));
  o.checkpoint = checkpoints{.directory = folder.path(), .resume = true};
  o.hooks.evaluated = checkpoint::keep_best(again, path);
  CHECK(again.fit(samples, o).evaluations.size() == 4);
  CHECK_FALSE(std::filesystem::exists(path));
  checkpoint::read_safetensors(folder.path() + "/" + all.steps.back() + "/" + checkpoint::weights_file, other);
  CHECK(test::learned(other) == all.whole.learned);  // any reader of weights reads a checkpoint's
}

TEST_CASE("a signal ends a fit behind a checkpoint, from which it goes on, and a fit by the clock saves too") {
  gpipe plain(fit_values<gpipe>(1));
  outcome const reference = outcome_of(plain, plain.fit(samples, options<gpipe>()));
  temporary_directory const folder;
  auto o = options<gpipe>();
  {
    interruption const stop;
    CHECK_THROWS_WITH(interruption(), Contains("another foal::interruption lives"));
    o.checkpoint = checkpoints{.directory = folder.path(), .until = &stop};
    o.hooks.evaluated = [](evaluation_result const& r) {
      if (r.update == 12) std::raise(SIGTERM);
    };
    gpipe t(fit_values<gpipe>(2));
    fit_report const r = t.fit(samples, o);
    CHECK(r.interrupted == SIGTERM);
    CHECK(stop.status() == 143);
    CHECK(r.evaluations.size() >= 2);
  }
  CHECK(foal_test::newest_update_of(folder.path()) >= 12);
  o = options<gpipe>();
  o.checkpoint = checkpoints{.directory = folder.path(), .every_seconds = 1e-9, .keep = 1, .resume = true};
  gpipe t(fit_values<gpipe>(1));
  CHECK(outcome_of(t, t.fit(samples, o)) == reference);
  CHECK(listed(folder.path()).size() == 2);
}

TEST_CASE("what cannot be written is a note, and the training goes on") {
  temporary_directory const folder;
  gpipe plain(fit_values<gpipe>(1)), t(fit_values<gpipe>(1));
  outcome const reference = outcome_of(plain, plain.fit(samples, options<gpipe>()));
  auto o = options<gpipe>();
  foal_test::write(folder / "step-000000000006", {1});  // no folder can have that name
  o.checkpoint = checkpoints{.directory = folder.path(), .every_updates = 6};
  fit_report const r = t.fit(samples, o);
  CHECK(outcome_of(t, r) == reference);
  CHECK_THAT(notes_of(r), Contains("cannot make the folder") && Contains("the training goes on"));
  CHECK(foal_test::newest_update_of(folder.path()) == 24);
}
