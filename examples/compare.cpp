// The main job: trains one network with GPipe, PipeDream and PipeMare step by step (uncorrected, T1, T1+T2, T1+T2+T3) and
// shows what each costs and what it gives: accuracy, speed, utilisation, memory, modelled time to a target.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include <foal/data/cifar10.hpp>
#include <foal/data/gzip.hpp>
#include <foal/data/handwritten.hpp>
#include <foal/data/idx.hpp>

#include "compare/report.hpp"
#include "options/arguments.hpp"
#include "options/minibatches.hpp"
#include "options/processes.hpp"
#include "options/results.hpp"
#include "t3/epochs.hpp"

namespace {

using namespace compare;

struct arguments {
  std::string data = "handwritten", net, folder = "foal-report", json;
  experiment base;
  int seeds = 0, jobs = 0, rounds = 5;
  double target = 0;
};

network const& network_named(std::string const& name) {
  for (network const* n : {&mlp(), &digits(), &mnist(), &cifar(), &resnet20()})
    if (name == n->name) return *n;
  throw foal::error(foal::sentence("cannot train the network '", name,
                                   "', because there is none of that name; use mlp, digits, "
                                   "mnist, cifar or resnet20"));
}

/// "digits:DIR", "mnist:DIR", "cifar10:DIR" or "handwritten", the embedded generator.
foal::data::dataset load(std::string const& what, std::uint64_t seed) {
  std::size_t const colon = what.find(':');
  std::string const kind = what.substr(0, colon), place = colon == std::string::npos ? "" : what.substr(colon + 1);
  if (what == "handwritten") return foal::data::handwritten({.seed = seed});
  foal::require(!place.empty(), "cannot load '", what,
                "', because it names no directory; write digits:DIR, mnist:DIR, "
                "cifar10:DIR, or handwritten");
  if (kind == "digits" || kind == "mnist") return foal::data::idx(place, foal::data::gzip{});
  if (kind == "cifar10") return foal::data::cifar10(place);
  throw foal::error(foal::sentence("cannot load '", what, "', because '", kind,
                                   "' is no kind of data; write digits:DIR, "
                                   "mnist:DIR, cifar10:DIR, or handwritten"));
}

/// What a kind of data trains with when nothing else is asked for; rates are GPipe's best of a grid.
struct defaults {
  char const* net;
  int epochs, seeds;
  double rate;
  bool augment;
};
defaults defaults_of(std::string const& data) {
  if (data.starts_with("digits")) return {"digits", 16, 5, 0.04, false};
  if (data.starts_with("mnist")) return {"mnist", 3, 1, 0.04, false};
  if (data.starts_with("cifar10")) return {"cifar", 12, 1, 0.04, true};
  return {"mlp", 12, 5, 0.02, false};
}

/// Trains every (method, seed); several at a time where one run leaves cores idle. Gives the signal that has ended them.
int train_all(std::vector<method_results>& all, network const& net, arguments const& o) {
  std::vector<std::pair<std::size_t, int>> jobs;
  for (int seed = 0; seed < o.seeds; ++seed)
    for (std::size_t m = 0; m < all.size(); ++m) jobs.emplace_back(m, seed);
  for (auto& m : all) m.runs.resize(static_cast<std::size_t>(o.seeds));
  std::atomic<std::size_t> next{0};
  std::mutex printing;
  std::exception_ptr failed;
  int interrupted = 0;
  auto const work = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < jobs.size();) {
      auto const [m, seed] = jobs[i];
      experiment e = o.base;
      e.method = all[m].method;
      e.seed += static_cast<std::uint64_t>(seed);
      e.diagnostics = o.base.diagnostics && seed == 0 && e.method != method::gpipe;
      try {
        outcome result = net.train(e);
        std::lock_guard const lock(printing);
        for (std::string const& note : result.notes)
          if (!e.saves.directory.empty()) std::fprintf(stderr, "%s: %s\n", title(e.method), note.c_str());
        if (result.interrupted != 0) {
          interrupted = result.interrupted;
          next = jobs.size();
          continue;
        }
        if (result.diverged_at >= 0)
          std::printf("%-19s seed %llu: diverged: %s\n", title(e.method), static_cast<unsigned long long>(e.seed),
                      result.divergence.c_str());
        else
          std::printf("%-19s seed %llu: %.2f %% of the test samples right\n", title(e.method),
                      static_cast<unsigned long long>(e.seed), 100 * result.accuracy.back());
        std::fflush(stdout);
        all[m].runs[static_cast<std::size_t>(seed)] = std::move(result);
      } catch (...) {
        std::lock_guard const lock(printing);
        failed = std::current_exception();
        next = jobs.size();
      }
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < o.jobs; ++t) threads.emplace_back(work);
  for (auto& t : threads) t.join();
  if (failed) std::rethrow_exception(failed);
  return interrupted;
}

/// Each method alone on the machine, in turn, a few rounds: the median rate is what is reported.
void time_all(std::vector<method_results>& all, network const& net, arguments const& o) {
  std::vector<std::unique_ptr<timed_run>> runs;
  for (auto& m : all) {
    experiment e = o.base;
    e.method = m.method;
    e.diagnostics = false;
    runs.push_back(net.time(e));
    m.facts = m.runs.front().facts;
    m.program = runs.back()->program();
  }
  double const first = runs.front()->run(2);  // warm caches, and how long a minibatch takes
  long long const minibatches =
      options::processes::first_says(std::clamp(static_cast<long long>(0.2 / (first / 2)), 2LL, 200LL));
  std::vector<std::vector<double>> rates(all.size());
  for (int round = 0; round < o.rounds; ++round)
    for (std::size_t m = 0; m < all.size(); ++m)
      rates[m].push_back(static_cast<double>(minibatches) * o.base.microbatches * o.base.microbatch_size /
                         runs[m]->run(minibatches));
  for (std::size_t m = 0; m < all.size(); ++m) {
    all[m].samples_per_s = foal::report::median(rates[m]);
    all[m].utilisation = all[m].facts.utilisation;
  }
  for (std::size_t m = 0; m < all.size(); ++m) {
    experiment e = o.base;
    e.method = all[m].method;
    e.diagnostics = false;
    if (options::processes::count() == 1) e.workers = std::max(o.base.workers, std::min(2, all[m].facts.ranks));
    all[m].trace = net.time(e)->trace(5);
  }
}

int compare_methods(arguments o, std::string const& command) {
  defaults const d = defaults_of(o.data);
  network const& net = network_named(o.net.empty() ? d.net : o.net);
  if (o.base.epochs == 0) o.base.epochs = d.epochs;
  if (o.seeds == 0) o.seeds = d.seeds;
  if (o.base.rate == 0) o.base.rate = d.rate;
  if (o.base.drop_epoch == 0) o.base.drop_epoch = std::max(1, o.base.epochs * 2 / 3);
  int const quarter = std::max(1, o.base.epochs / 4);
  o.base.warmup_epochs = t3::epochs(o.base.warmup_epochs, quarter, o.base.epochs, "--t3-epochs");
  o.base.augment = d.augment;
  if (options::processes::count() > 1) o.jobs = 1;  // all of them do the same
  if (o.jobs == 0) o.jobs = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / o.base.workers);

  foal::data::dataset const data = load(o.data, 1);
  foal::require(data.train.sample() == net.input, "cannot train the network '", net.name, "' on ", o.data,
                ", because its samples are ", data.train.sample().extent[0], " x ", data.train.sample().extent[1], " x ",
                data.train.sample().extent[2], " and the network takes ", net.input.extent[0], " x ", net.input.extent[1],
                " x ", net.input.extent[2], "; choose another --net");
  options::minibatches_per_epoch(data.train.size(), o.base.microbatch_size, o.base.microbatches);  // there is one
  o.base.data = &data;

  settings s;
  s.base = o.base;
  s.seeds = o.seeds;
  s.data = foal::sentence(data.name, " (", data.train.size(), " samples to train on, ", data.test.size(), " to test on)");
  s.network = foal::sentence(net.name, ": ", net.what);
  s.command = command;
  s.version = foal::sentence(FOAL_VERSION_MAJOR, ".", FOAL_VERSION_MINOR, ".", FOAL_VERSION_PATCH);
  s.classes = data.train.classes();
  std::printf("%s\n%s\n%d epochs, minibatch %d x %d, rate %g divided by 10 after epoch %d, %d seed%s, T3 for %d epochs\n\n",
              s.network.c_str(), s.data.c_str(), s.base.epochs, s.base.microbatches, s.base.microbatch_size, s.base.rate,
              s.base.drop_epoch, o.seeds, o.seeds == 1 ? "" : "s", s.base.warmup_epochs);
  std::fflush(stdout);

  std::vector<method_results> all;
  for (method const m : methods) all.emplace_back().method = m;
  if (int const signal = train_all(all, net, o); signal != 0) return o.base.saves.interrupted("compare", signal);
  time_all(all, net, o);
  s.ranks = all.front().facts.ranks;
  double const synchronous = all.front().facts.utilisation, sync_share = s.base.warmup_epochs;
  for (auto& m : all)
    if (m.method == method::t1t2t3)
      m.utilisation = s.base.epochs / (sync_share / synchronous + (s.base.epochs - sync_share) / m.facts.utilisation);
  double const target = o.target > 0 ? o.target / 100 : foal::report::mean(final_accuracies(all.front(), s.classes)) - 0.01;

  std::printf("\n%s\n%s\n", all.back().facts.text().c_str(), summary(all, s, target).text().c_str());
  std::printf("%s\n", memory_table(all).text().c_str());
  if (!options::processes::first()) return 0;
  options::results written("compare");
  written.write(o.folder, [&](std::string const& folder) { write_report(all, s, target, folder); });
  written.write(o.json, [&](std::string const& path) { rows_of(all, s).write(path); });
  if (written.status() == 0) std::printf("report: %s/index.html\n", o.folder.c_str());
  return written.status();
}

}  // namespace

int main(int argc, char** argv) {
  arguments o;
  o.base.epochs = 0;
  o.base.rate = 0;
  o.base.drop_epoch = 0;
  o.base.warmup_epochs = -1;
  std::string command;
  for (int i = 0; i < argc; ++i) command += (i > 0 ? " " : "") + std::string(argv[i]);
  try {
    using namespace options;
    options::processes const all(argc, argv);
    options::arguments a("Compares GPipe, PipeDream and PipeMare (uncorrected, T1, T1+T2, T1+T2+T3) on one network.");
    a.text("--data", o.data, "handwritten (generated), digits:DIR, mnist:DIR (IDX files, .gz too), cifar10:DIR");
    a.choice("--net", o.net, {"mlp", "digits", "mnist", "cifar", "resnet20"}, "by default what fits the data");
    a.whole("--epochs", o.base.epochs, 1, most, "by default what suits the data");
    a.whole("--seeds", o.seeds, 1, most, "runs of each method; by default what suits the data");
    a.seed(o.base.seed, "the first seed");
    a.whole("--workers", o.base.workers, 1, most, "threads of one run in a process; mpirun -n P starts P processes");
    a.whole("--replicas", o.base.replicas, 1, most, "pipelines side by side, which share out the microbatches");
    a.whole("--jobs", o.jobs, 1, 1024, "runs at the same time; by default as many as fit the cores");
    a.whole("--speed-rounds", o.rounds, 1, 1000, "how often each method's speed is measured; the median is reported");
    a.whole("--microbatch-size", o.base.microbatch_size, 1, most, "M");
    a.whole("--microbatches", o.base.microbatches, 1, most, "N");
    a.number("--rate", o.base.rate, positive, "learning rate; by default what suits the data");
    a.number("--momentum", o.base.momentum, share, "");
    a.number("--weight-decay", o.base.weight_decay, not_negative, "");
    a.whole("--drop-epoch", o.base.drop_epoch, 1, most,
            "the rate is divided by 10 every so many epochs; by default after 2/3");
    a.whole("--t3-epochs", o.base.warmup_epochs, 0, most, "synchronous epochs of T3; by default a quarter of all");
    options::arguments::hidden(a.whole("--warmup-epochs", o.base.warmup_epochs, 0, most, ""));
    a.number("--t2-decay", o.base.decay, share_below_1, "T2's D");
    a.number("--target", o.target, {0, 100, true},
             "accuracy in percent for the modelled time; by default 1 point below GPipe's");
    a.flag("--diagnostics", o.base.diagnostics, "measure what delay does to each stage, on the first seed");
    o.base.saves.add(a);
    o.base.stalls.add(a);
    a.folder("--report", o.folder, "folder of the report");
    a.output("--json", o.json, "write the table as an array of rows to this file");
    if (!a.parse(argc, argv)) return 0;
    o.base.saves.check();
    foal::require(o.base.saves.directory.empty() || !o.base.diagnostics,
                  "cannot save checkpoints of runs with --diagnostics, because they compare with weights from before; leave "
                  "one of them out");
    std::optional<foal::interruption> until;
    if (!o.base.saves.directory.empty()) o.base.saves.until = &until.emplace();
    return compare_methods(o, command);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "compare: %s\n", e.what());
    return 1;
  }
}
