// The best weights of a fit in several processes are the file that one process writes, to the byte; early stopping ends such
// a fit, and one that goes on from its checkpoints, where it ends one process.
#include <foal/checkpoint/keep_best.hpp>

#include <foal/checkpoint.hpp>
#include <foal/trainer.hpp>
#include <foal/trainer/early_stopping.hpp>

#include <catch2/catch.hpp>

#include "tests/support/checkpoints.hpp"
#include "tests/support/files.hpp"
#include "tests/support/fit_values.hpp"
#include "tests/support/kept_net.hpp"
#include "tests/support/rooms.hpp"

namespace {

using namespace foal;
using Catch::Contains;
using foal_test::fit_values;
using foal_test::listed;
using foal_test::temporary_directory;
using test::rooms;

using keeps_pipemare = foal_test::pipemare_run<foal_test::kept_net, executor::processes_over<rooms>>;
using keeps_gpipe = foal_test::gpipe_run<foal_test::kept_net, executor::processes_over<rooms>>;

/// So many processes of so many workers, and replicas.
struct many {
  int processes = 1, workers = 1, replicas = 1;
};
constexpr many several[] = {{2, 1}, {4, 1}, {2, 2}};

struct kept_run {
  std::vector<std::uint8_t> best;
  std::vector<double> evaluations;
  long long updates = 0;
  bool ended = false;
  bool operator==(kept_run const&) const = default;
};
struct kept_runs {
  kept_run of_all;
  std::string thrown;  ///< by all
  std::vector<std::string> notes;
};

/// Of all processes; path: of each; also(options): what else the fit is asked for.
template <class Run>
kept_runs kept(many s, test::first_samples const& data, int epochs, std::string const& path, early_stopping stop = {},
               checkpoints const& saves = {}, std::string const& path_of_one = {}) {
  kept_runs out;
  std::vector<kept_run> all(static_cast<std::size_t>(s.processes));
  std::vector<std::string> thrown(all.size());
  out.notes.resize(all.size());
  rooms::with_processes(s.processes, [&](int number) {
    auto const p = static_cast<std::size_t>(number);
    Run t(fit_values<Run>(s.workers, s.replicas));
    typename Run::fit_options o{.epochs = epochs, .evaluate = data, .quiet = true};
    if (!saves.directory.empty()) o.checkpoint = saves;
    bool const elsewhere = number == 1 && !path_of_one.empty();
    o.hooks.evaluated = checkpoint::keep_best(t, elsewhere ? path_of_one : path, stop);
    try {
      fit_report const r = t.fit(data, o);
      all[p].ended = r.ended;
      for (std::string const& note : r.notes) out.notes[p] += note + "\n";
      for (auto const& e : r.evaluations)
        all[p].evaluations.insert(all[p].evaluations.end(), {static_cast<double>(e.update), e.loss});
    } catch (std::exception const& e) {
      thrown[p] = e.what();
    }
    all[p].updates = t.updates();
  });
  for (std::size_t p = 0; p < all.size(); ++p) {
    CHECK(all[p] == all.front());
    CHECK(thrown[p] == thrown.front());
  }
  out.of_all = all.front();
  out.thrown = thrown.front();
  if (std::filesystem::exists(path)) out.of_all.best = foal_test::read(path);
  return out;
}

test::first_samples const& of_epochs = foal_test::samples_to_keep;
test::first_samples const of_few{8};  // 1 update: not every epoch is evaluated, but the end is

template <class Run>
void check_kept(test::first_samples const& data, int epochs, int replicas = 1) {
  temporary_directory const folder;
  kept_runs const one = kept<Run>({1, 1, replicas}, data, epochs, folder / "one");
  REQUIRE(one.thrown == "");
  REQUIRE_FALSE(one.of_all.best.empty());
  for (many s : several) {
    s.replicas = replicas;
    INFO(s.processes << " processes of " << s.workers << " workers, " << replicas << " replicas");
    kept_runs const of = kept<Run>(s, data, epochs, folder / "best");
    CHECK(of.thrown == "");
    CHECK(of.of_all == one.of_all);
    CHECK(listed(folder.path()) == std::vector<std::string>{"best", "one"});
  }
}

}  // namespace

TEST_CASE("the best weights of several processes are the file of one, to the byte") {
  check_kept<keeps_pipemare>(of_epochs, 6);
  check_kept<keeps_gpipe>(of_epochs, 6);
  check_kept<keeps_gpipe>(of_epochs, 4, 2);
  check_kept<keeps_pipemare>(of_few, 9);
}

TEST_CASE("a share of the best weights that cannot be written ends all processes with its sentence") {
  temporary_directory const folder;
  std::string const wrong = folder / "nowhere/best";
  auto const check = [&](kept_runs const& of) {
    CHECK_THAT(of.thrown, Contains(checkpoint::share_file(wrong, 1)));
    CHECK(listed(folder.path()).empty());
  };
  check(kept<keeps_gpipe>({2, 1}, of_epochs, 3, folder / "best", {}, {}, wrong));
  check(kept<keeps_pipemare>({2, 1}, of_few, 1, folder / "best", {}, {}, wrong));  // behind the run
}

TEST_CASE("after a best file that one process could not write, all have the same least loss again") {
  // Of other classes: a loss above what the first fit has seen, so that who counts that one as written writes nothing.
  struct harder : test::first_samples {
    void write_target(long long i, std::int32_t* t) const {
      from.targets(i, t);
      *t = (*t + 1) % from.classes;
    }
  };
  for (int const fails : {0, 1}) {
    std::vector<std::uint8_t> one;
    for (int const processes : {1, 2, 3}) {
      if (fails >= processes) continue;
      INFO(processes << " processes, of which " << fails << " cannot write");
      temporary_directory const folder;
      std::string const path = folder / "best";
      std::vector<std::string> first(static_cast<std::size_t>(processes)), second(first);
      rooms::with_processes(processes, [&](int number) {
        auto const p = static_cast<std::size_t>(number);
        keeps_gpipe t(fit_values<keeps_gpipe>(1));
        keeps_gpipe::fit_options o{.epochs = 1, .quiet = true};
        o.hooks.evaluated = checkpoint::keep_best(t, path);
        auto const fit = [&](auto const& data, std::string& thrown) {
          o.evaluate = data;
          try {
            t.fit(of_epochs, o);
          } catch (std::exception const& e) {
            thrown = e.what();
          }
        };
        std::string const in_the_way = number == 0 ? path : checkpoint::share_file(path, number);
        if (number == fails) std::filesystem::create_directory(in_the_way);
        fit(of_epochs, first[p]);
        if (number == fails) std::filesystem::remove(in_the_way);
        fit(harder{of_epochs}, second[p]);
      });
      for (std::size_t p = 0; p < first.size(); ++p) {
        CHECK_THAT(first[p], Contains("cannot "));
        CHECK(second[p] == "");
      }
      REQUIRE(listed(folder.path()) == std::vector<std::string>{"best"});
      if (one.empty()) one = foal_test::read(path);
      CHECK(foal_test::read(path) == one);
    }
  }
}

TEST_CASE("early stopping ends processes where it ends one, and those that go on from its checkpoints") {
  early_stopping const stop{.patience = 1, .threshold = 0.2};
  temporary_directory const folder;
  std::string const best = folder / "best";
  kept_runs const one = kept<keeps_pipemare>({}, of_epochs, 12, best, stop);
  REQUIRE(one.of_all.ended);
  REQUIRE(one.of_all.evaluations.size() < 2 * 11);
  for (many const& s : several) {
    temporary_directory const saved;
    kept_runs const whole =
        kept<keeps_pipemare>(s, of_epochs, 12, best, stop, {.directory = saved.path(), .every_updates = 7, .keep = 1000});
    CHECK(whole.of_all == one.of_all);
    std::vector<std::string> steps;
    for (std::string const& name : listed(saved.path()))
      if (name.starts_with("step-")) steps.push_back(name);
    REQUIRE(steps.size() > 2);
    for (std::size_t last = 0; last < steps.size(); ++last) {
      many const& next = several[last % std::size(several)];
      INFO(s.processes << " processes of " << s.workers << ", then " << next.processes << " of " << next.workers << " from "
                       << steps[last]);
      temporary_directory const left;
      for (std::size_t i = 0; i <= last; ++i)
        std::filesystem::copy(saved / steps[i], left / steps[i], std::filesystem::copy_options::recursive);
      kept_runs const of = kept<keeps_pipemare>(next, of_epochs, 12, best, stop, {.directory = left.path(), .resume = true});
      CHECK(of.thrown == "");
      CHECK(of.of_all == one.of_all);  // what was best before is kept
      for (std::string const& notes : of.notes)
        CHECK_THAT(notes, Contains(last + 1 == steps.size() ? "nothing is left to train" : "going on from "));
    }
  }
}
