// Checkpoints that several processes write are read by any number of them, to the bits of the fit that was not stopped; what
// goes wrong in one of them is known to all.
#include <foal/checkpoint/save_together.hpp>

#include <foal/checkpoint.hpp>
#include <foal/policy/replica/averaged.hpp>
#include <foal/policy/replica/sharded.hpp>
#include <foal/trainer.hpp>
#include <foal/trainer/gathered.hpp>

#include <catch2/catch.hpp>
#include <csignal>

#include "tests/support/checkpoints.hpp"
#include "tests/support/fit_values.hpp"
#include "tests/support/kept_net.hpp"
#include "tests/support/rooms.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using Catch::Contains;
using foal_test::fit_values;
using foal_test::kept_net;
using foal_test::listed;
using foal_test::temporary_directory;
using test::rooms;

struct both;
/// The stages of a group are in one process or in several.
struct tied_net : stages<input<test::mlp_inputs>, linear<4>, tied<both, linear<4>>, foal::tanh, linear<4>, foal::tanh,
                         linear<4>, tied<both, linear<4>>, linear<3>> {};

template <class Net>
using pipemare_of = foal_test::pipemare_run<Net, executor::processes_over<rooms>>;
using shared_pipemare = pipemare_of<kept_net>;
using shared_gpipe = foal_test::gpipe_run<kept_net, executor::processes_over<rooms>>;

/// Two replicas of the pipeline.
template <class Replica>
using beside = trainer<kept_net, loss::cross_entropy, schedule::pipemare, executor::processes_over<rooms>, optim::adam,
                       lr::step, Replica>;
template <class Run>
inline constexpr int replicas_of = 1;
template <>
inline constexpr int replicas_of<beside<replica::summed>> = 2;
template <>
inline constexpr int replicas_of<beside<replica::averaged>> = 2;
template <>
inline constexpr int replicas_of<beside<replica::sharded>> = 2;
using tied_shards = foal_test::gpipe_run<tied_net, executor::processes_over<rooms>, replica::sharded>;
template <>
inline constexpr int replicas_of<tied_shards> = 2;

test::first_samples const& given = foal_test::samples_to_keep;

/// So many processes of so many workers.
struct spread {
  int processes = 1, workers = 1;
};
constexpr spread spreads[] = {{1, 1}, {2, 1}, {4, 1}, {2, 2}};

/// What the fit of all processes has left.
struct left {
  std::vector<float> weights;
  std::vector<double> losses, evaluations;
  bool operator==(left const&) const = default;
};

struct fitted {
  left all;
  std::vector<std::string> notes;  ///< by process
  std::string thrown;              ///< by all of them
  int interrupted = 0;
};

/// A fit in so many processes; how(process, options) says what each is asked for besides.
template <class Run, class How>
fitted fit(spread s, How const& how, int epochs = 3) {
  fitted out;
  std::vector<left> of(static_cast<std::size_t>(s.processes));
  std::vector<std::string> thrown(of.size());
  out.notes.resize(of.size());
  std::vector<int> signals(of.size());
  rooms::with_processes(s.processes, [&](int number) {
    auto const p = static_cast<std::size_t>(number);
    try {
      Run t(fit_values<Run>(s.workers, replicas_of<Run>));
      typename Run::fit_options o{.epochs = epochs, .evaluate = given, .quiet = true};
      how(number, o);
      fit_report const r = t.fit(given, o);
      for (std::string const& note : r.notes) out.notes[p] += note + "\n";
      signals[p] = r.interrupted;
      gathered const net(t);
      for (std::size_t stage = 0; stage < t.tables().stages.size(); ++stage)
        for (bool const statistic : {false, true}) {
          auto const& rows = statistic ? t.tables().stages[stage].buffers : t.tables().stages[stage].parameters;
          for (std::size_t i = 0; i < rows.size(); ++i)
            for (float const x :
                 statistic ? net.statistics(static_cast<int>(stage), i) : net.weights(static_cast<int>(stage), i))
              of[p].weights.push_back(x);
        }
      of[p].losses = r.epoch_loss;
      for (auto const& e : r.evaluations)
        of[p].evaluations.insert(of[p].evaluations.end(), {static_cast<double>(e.update), e.loss});
    } catch (std::exception const& e) {
      thrown[p] = e.what();
    }
  });
  for (left const& one : of) CHECK(one == of.front());
  for (std::string const& one : thrown) CHECK(one == thrown.front());
  for (int const one : signals) CHECK(one == signals.front());
  out.all = of.front();
  out.thrown = thrown.front();
  out.interrupted = signals.front();
  return out;
}

auto saves(checkpoints const& how) {
  return [how](int, auto& o) { o.checkpoint = how; };
}

/// A directory with checkpoints, and what the fit that has written them has left.
template <class Run>
struct saved_fit {
  saved_fit(spread s, long long every) {
    fitted const f = fit<Run>(s, saves({.directory = files.path(), .every_updates = every, .keep = 1000}));
    REQUIRE(f.thrown == "");
    whole = f.all;
    for (std::string const& name : listed(files.path()))
      if (name.starts_with("step-")) steps.push_back(name);
  }
  void copy_up_to(std::size_t last, std::string const& to) const {
    for (std::size_t i = 0; i <= last; ++i)
      std::filesystem::copy(files / steps[i], to + "/" + steps[i], std::filesystem::copy_options::recursive);
  }
  temporary_directory files;
  std::vector<std::string> steps;
  left whole;
};

template <class Run>
left uninterrupted() {
  return fit<Run>({}, [](int, auto&) {}).all;
}

/// From each of the spreads to each; under a sanitizer from one, for each `which` another.
template <class Run>
void check_matrix(std::size_t which) {
  left const reference = uninterrupted<Run>();
  std::size_t turn = which;
  for (spread const& from : spreads) {
    if (foal_test::sanitized && &from != &spreads[which % std::size(spreads)]) continue;
    saved_fit<Run> const all(from, 2);
    CHECK(all.whole == reference);
    ++turn;
    REQUIRE(all.steps.size() == 9);
    CHECK(listed(all.files / all.steps[3]).size() == 2 * static_cast<std::size_t>(from.processes) + 1);
    for (spread const& to : spreads) {
      if (++turn % foal_test::repeats(1U, 2U) != 0) continue;
      std::size_t const step = turn % all.steps.size();
      INFO(from.processes << " processes of " << from.workers << ", then " << to.processes << " of " << to.workers
                          << ", from " << all.steps[step]);
      temporary_directory const folder;
      all.copy_up_to(step, folder.path());
      fitted const f = fit<Run>(to, saves({.directory = folder.path(), .every_updates = 5, .keep = 2, .resume = true}));
      CHECK(f.thrown == "");
      CHECK(f.all == reference);
      for (std::string const& notes : f.notes)
        CHECK_THAT(notes, Contains(step == 8 ? "nothing is left to train" : "going on from " + folder.path()));
      CHECK(foal_test::newest_update_of(folder.path()) == 18);
      if (step < 8) CHECK(listed(folder.path()).size() == 3);  // with the lock
    }
  }
}

}  // namespace

TEST_CASE("what processes save, any number of processes goes on from, to the bits of the fit that was not stopped") {
  check_matrix<shared_pipemare>(0);
  check_matrix<shared_gpipe>(1);
  check_matrix<pipemare_of<tied_net>>(2);
}

TEST_CASE("what processes save of replicas, any number of processes goes on from") {
  check_matrix<beside<replica::summed>>(3);
  check_matrix<beside<replica::averaged>>(1);
  check_matrix<beside<replica::sharded>>(2);
}

TEST_CASE("processes save by the clock of one, and a signal that comes to any ends all behind a checkpoint") {
  left const reference = uninterrupted<shared_gpipe>();
  for (spread const s : {spread{3, 1}, spread{2, 2}}) {
    temporary_directory const folder;
    interruption const stop;
    fitted const f = fit<shared_gpipe>(s, [&](int number, auto& o) {
      o.checkpoint =
          checkpoints{.directory = folder.path(), .every_seconds = 1e-9, .keep = 1, .until = number == 1 ? &stop : nullptr};
      o.hooks.evaluated = [number](evaluation_result const& r) {
        if (number == 1 && r.update == 6) std::raise(SIGTERM);
      };
    });
    CHECK(f.interrupted == SIGTERM);
    CHECK(foal_test::newest_update_of(folder.path()) >= 6);
    CHECK(foal_test::newest_update_of(folder.path()) < 18);
    fitted const rest =
        fit<shared_gpipe>({2, 1}, saves({.directory = folder.path(), .every_seconds = 1e-9, .resume = true}));
    CHECK(rest.all == reference);
  }
}

TEST_CASE("a part that is damaged, missing or of another save is found by all, who go on from the one before") {
  saved_fit<shared_gpipe> const all({2, 1}, 4);
  REQUIRE(all.steps.size() == 5);
  auto const resumed = [&](auto const& spoil, std::string const& why, spread s) {
    INFO(why);
    temporary_directory const folder;
    all.copy_up_to(3, folder.path());
    spoil(folder / all.steps[3]);
    fitted const f = fit<shared_gpipe>(s, saves({.directory = folder.path(), .resume = true}));
    CHECK(f.thrown == "");
    CHECK(f.all == all.whole);
    for (std::string const& notes : f.notes)
      CHECK_THAT(notes, Contains(why) && Contains("going on from " + folder.path() + "/" + all.steps[2]));
  };
  for (spread const s : {spread{1, 1}, spread{2, 1}, spread{4, 1}}) {
    for (char const* const file : {"/weights-001.safetensors", "/run-001.safetensors"})
      resumed(
          [&](std::string const& step) {
            auto bytes = foal_test::read(step + file);
            bytes[bytes.size() - 3] ^= 4U;
            foal_test::write(step + file, bytes);
          },
          "the digest of its tensor", s);
    resumed([](std::string const& step) { std::filesystem::remove(step + "/run-001.safetensors"); }, "run-001.safetensors",
            s);
    resumed(
        [&](std::string const& step) {
          std::filesystem::copy(all.files / all.steps[1] + "/weights-001.safetensors", step + "/weights-001.safetensors",
                                std::filesystem::copy_options::overwrite_existing);
        },
        "step-000000000016/weights-001.safetensors, because ", s);  // its header's digest, or its size, is another one
  }
}

TEST_CASE("what one process cannot write all are told, and the training goes on") {
  left const reference = uninterrupted<shared_gpipe>();
  temporary_directory const folder;
  fitted const f = fit<shared_gpipe>({3, 1}, [&](int number, auto& o) {
    o.checkpoint = checkpoints{.directory = number == 2 ? folder / "elsewhere" : folder.path(), .every_updates = 5};
  });
  CHECK(f.all == reference);
  for (std::string const& notes : f.notes)
    CHECK_THAT(notes, Contains("process 2 cannot write " + folder.path() + "/elsewhere/step-000000000005/weights-002") &&
                          Contains("the training goes on"));
  CHECK(foal_test::newest_update_of(folder.path()) == 0);

  temporary_directory const other;
  foal_test::write(other / "step-000000000006", {1});  // no folder can have that name
  fitted const g = fit<shared_gpipe>({2, 1}, saves({.directory = other.path(), .every_updates = 6}));
  CHECK(g.all == reference);
  for (std::string const& notes : g.notes) CHECK_THAT(notes, Contains("cannot make the folder"));
  CHECK(foal_test::newest_update_of(other.path()) == 18);
}

TEST_CASE("processes that keep checkpoints each in another way are refused by all, as is a directory with checkpoints") {
  temporary_directory const folder;
  fitted const f = fit<shared_gpipe>({3, 1}, [&](int number, auto& o) {
    o.checkpoint = checkpoints{.directory = folder.path(), .every_updates = number == 2 ? 4 : 5};
  });
  CHECK_THAT(f.thrown, Contains("checkpoints' every_updates is 5 in process 0 and 4 in process 2"));
  foal_test::save_checkpoint(folder.path(), 3);
  fitted const g = fit<shared_gpipe>({2, 1}, saves({.directory = folder.path(), .every_updates = 5}));
  CHECK_THAT(g.thrown, Contains("because it has checkpoints already, of update 3"));
  checkpoint::directory_lock const taken(folder.path());
  fitted const h = fit<shared_gpipe>({2, 1}, saves({.directory = folder.path(), .resume = true}));
  CHECK_THAT(h.thrown, Contains("because another process that lives writes there"));
}

TEST_CASE("after a change any number of processes goes on with the weights alone, all to the same bits") {
  saved_fit<shared_pipemare> const two({2, 1}, 4);
  std::vector<left> all;
  for (spread const& s : spreads) {
    temporary_directory const folder;
    two.copy_up_to(1, folder.path());
    fitted const f = fit<shared_gpipe>(s, saves({.directory = folder.path(), .resume = true}));
    CHECK(f.thrown == "");
    for (std::string const& notes : f.notes)
      CHECK_THAT(notes, Contains("going on after update 8 of ") && Contains("because schedule is ") &&
                            Contains("0 states of this run are not in it and begin anew, and "));
    for (std::string const& notes : f.notes)
      CHECK(notes.substr(notes.find("0 states")) == f.notes[0].substr(f.notes[0].find("0 states")));
    all.push_back(f.all);
    CHECK(all.back() == all.front());
  }
}

namespace {

/// What all come to that go on from update 8, with the weights alone, by Then.
template <class Then, class From>
void goes_on_alone(saved_fit<From> const& from, std::vector<left>& all) {
  for (spread const& s : spreads) {
    INFO(s.processes << " processes of " << s.workers);
    temporary_directory const folder;
    from.copy_up_to(3, folder.path());
    fitted const f = fit<Then>(
        s, [&](int, auto& o) { o.checkpoint = checkpoints{.directory = folder.path(), .resume = true}; }, 4);
    CHECK(f.thrown == "");
    for (std::string const& notes : f.notes)
      CHECK_THAT(notes, Contains("going on after update 8 of ") && !Contains("begin anew"));
    all.push_back(f.all);
    CHECK(all.back() == all.front());
  }
}

}  // namespace

TEST_CASE("tied weights whose states replicas share out go on in any number of processes") {
  left const reference = uninterrupted<tied_shards>();
  saved_fit<tied_shards> const saved({2, 1}, 2);
  CHECK(saved.whole == reference);
  for (spread const& s : spreads) {
    temporary_directory const folder;
    saved.copy_up_to(4, folder.path());
    fitted const f = fit<tied_shards>(s, saves({.directory = folder.path(), .every_updates = 5, .resume = true}));
    CHECK(f.thrown == "");
    CHECK(f.all == reference);
    for (std::string const& notes : f.notes) CHECK_THAT(notes, Contains("going on from " + folder.path()));
  }
}

TEST_CASE("replicas of any number of processes go on with the weights alone, whoever had which part of the states") {
  using sums = beside<replica::summed>;
  using shards = beside<replica::sharded>;
  std::vector<left> all;
  for (spread const& s : spreads) {
    if (foal_test::sanitized && s.processes * s.workers != 2) continue;
    saved_fit<shards> const shared(s, 2);
    goes_on_alone<sums>(shared, all);
    saved_fit<sums> const summed(s, 2);
    goes_on_alone<shards>(summed, all);
  }
}
