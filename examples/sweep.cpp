// Sweeps: methods x rates x seeds x any number of a policy, one process a core; results are kept, so a sweep can go on after
// it was stopped; methods are compared in pairs over the same seeds.
#include <cstdio>
#include <exception>
#include <thread>

#include <foal/data/cifar10.hpp>
#include <foal/data/gzip.hpp>
#include <foal/data/handwritten.hpp>
#include <foal/data/idx.hpp>
#include <foal/transport/launcher.hpp>

#include "options/arguments.hpp"
#include "options/minibatches.hpp"
#include "options/results.hpp"
#include "sweep/halved.hpp"
#include "sweep/report.hpp"
#include "sweep/teacher.hpp"
#include "t3/epochs.hpp"

namespace {

using namespace sweep;

struct arguments {
  setting base;
  std::vector<std::string> methods{"gpipe", "pipedream", "none", "t1", "t1t2", "t1t2t3"};
  std::array<std::vector<double>, value_count> lists;
  std::string reference = "gpipe", results = "sweep.jsonl", html, json;
  std::vector<double> grid;
  int seeds = 3, jobs = 0, last = 1, teacher_hidden = teacher{}.hidden;
  double teacher_gain = teacher{}.gain;
};

network const& network_named(std::string const& name) {
  for (network const* n : {&mlp(), &deep24(), &deep40(), &resnet20()})
    if (name == n->name) return *n;
  throw foal::error(foal::sentence("cannot train the network '", name,
                                   "', because there is none of that name; use mlp, deep24, deep40 or resnet20"));
}

/// "teacher", "handwritten", "digits:DIR" or "cifar10:DIR" (halved to 16 x 16).
task load(arguments const& o) {
  std::string const& what = o.base.data;
  std::size_t const colon = what.find(':');
  std::string const kind = what.substr(0, colon), place = colon == std::string::npos ? "" : what.substr(colon + 1);
  if (what == "teacher") return teacher{.hidden = o.teacher_hidden, .gain = o.teacher_gain}.make(256);
  if (what == "handwritten") {
    auto const all = foal::data::handwritten({.seed = 1});
    return {in_memory(all.train), in_memory(all.test), all.train.classes()};
  }
  foal::require(kind == "digits" || kind == "cifar10", "cannot load '", what, "', because '", kind,
                "' is no kind of data; write teacher, handwritten, digits:DIR or cifar10:DIR");
  foal::require(!place.empty(), "cannot load '", what, "', because it names no directory; write ", kind, ":DIR");
  if (kind == "digits") {
    auto const all = foal::data::idx(place, foal::data::gzip{});
    return {in_memory(all.train), in_memory(all.test), all.train.classes()};
  }
  auto const all = foal::data::cifar10(place);
  return {halved(all.train), halved(all.test), all.train.classes()};
}

/// Before the first of them runs.
void check(std::vector<setting> const& all, task const& data) {
  for (setting const& s : all) {
    options::minibatches_per_epoch(data.train.size(), s.whole(microbatch_size), s.whole(microbatches));
    if (s.how().t3) t3::epochs(s.whole(t3_epochs), 0, s.whole(epochs), "--t3-epochs");
  }
}

int run_sweep(arguments o, std::string const& command) {
  network const& net = network_named(o.base.net);
  if (o.jobs == 0) o.jobs = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (o.base.data.empty()) o.base.data = o.base.net.starts_with("deep") ? "teacher" : "handwritten";
  task const data = load(o);
  if (o.base.data == "teacher")
    o.base.data = foal::sentence("teacher:", o.teacher_hidden, ":", foal::report::shortest(o.teacher_gain));
  std::string const about = foal::sentence(o.base.data, ", ", data.train.size(), " samples to train on, ", data.test.size(),
                                           " to test on, ", data.classes, " classes");
  std::printf("%s: %s\n%s\n%s\n", net.name, net.what, about.c_str(), build().c_str());
  check(combinations(o.base, o.methods, o.lists, o.seeds), data);
  std::vector<std::string> words;
  auto known = read_results(o.results, words);
  for (std::string const& word : words) std::fprintf(stderr, "sweep: %s\n", word.c_str());

  if (!o.grid.empty()) {
    auto lists = o.lists;
    lists[rate] = o.grid;
    for (std::size_t v = 0; v < value_count; ++v)
      if (lists[v].size() > 1 && v != rate) lists[v].resize(1);
    auto const search = combinations(o.base, {"gpipe"}, lists, o.seeds);
    run_all(search, net, data, o.jobs, o.results, known);
    auto const groups = grouped(search, known, "gpipe", data.classes, o.last);
    group const best = best_of(groups, "gpipe").front();
    std::printf("\n%s\nthe best rate of synchronous training is %s\n\n", table_of(groups, "gpipe").text().c_str(),
                foal::report::shortest(best.first.number[rate]).c_str());
    o.lists[rate] = {best.first.number[rate]};
  }

  auto const all = combinations(o.base, o.methods, o.lists, o.seeds);
  run_all(all, net, data, o.jobs, o.results, known);
  auto const groups = grouped(all, known, o.reference, data.classes, o.last);
  std::printf("\n%s\n", table_of(groups, o.reference).text().c_str());
  if (auto const best = best_of(groups, o.reference); best.size() < groups.size())
    std::printf("every method at its best:\n%s\n", table_of(best, o.reference).text().c_str());
  options::results written("sweep");
  written.write(o.json, [&](std::string const& path) { rows_of(all, known, data.classes, o.last).write(path); });
  written.write(o.html, [&](std::string const& path) {
    write_page(path, {"foal: a sweep", foal::sentence(net.name, ": ", net.what), about, command, o.last}, groups,
               o.reference, known);
  });
  return written.status();
}

}  // namespace

int main(int argc, char** argv) {
  arguments o;
  o.base.net = "mlp";
  std::string command;
  for (int i = 0; i < argc; ++i) command += (i > 0 ? " " : "") + std::string(argv[i]);
  try {
    using namespace options;
    auto const launched = foal::transport::launched_by();
    foal::require(!launched || launched->place.count == 1, "cannot sweep as ", launched ? launched->text() : "",
                  ", because each run has a process of its own already; start it alone, with --jobs");
    options::arguments a("Trains one network with many methods, numbers and seeds, and compares the methods in pairs.");
    a.choice("--net", o.base.net, {"mlp", "deep24", "deep40", "resnet20"}, "");
    a.text("--data", o.base.data,
           "handwritten, digits:DIR, teacher, cifar10:DIR (averaged to 16 x 16); by default what fits the network");
    std::vector<std::string> known;
    for (method const& m : methods) known.emplace_back(m.name);
    a.method("--methods,--method", o.methods, known, "");
    a.method("--reference", o.reference, known, "the method that the others are compared with");
    for (std::size_t v = 0; v < value_count; ++v) {
      o.lists[v] = {values[v].usual};
      a.number(std::string("--") + values[v].name, o.lists[v], values[v].takes,
               std::string(values[v].help) + "; a list sweeps it");
    }
    a.whole("--seeds", o.seeds, 1, most, "runs of each combination");
    a.seed(o.base.seed, "the first seed");
    a.whole("--last", o.last, 1, most, "score: mean accuracy of the last so many epochs");
    a.number("--lr-find", o.grid, positive, "rates to try synchronously first; the best one is then everybody's");
    a.whole("--teacher-hidden", o.teacher_hidden, 1, 65536, "hidden units of the random teacher");
    a.number("--teacher-gain", o.teacher_gain, positive, "standard deviation of their arguments");
    a.whole("--jobs", o.jobs, 1, 1024, "processes at the same time; by default one a core");
    a.text("--results", o.results, "finished runs, one JSON line each; those that are there are not run again")
        ->type_name("FILE");
    a.output("--html", o.html, "write a page to this file");
    a.output("--json", o.json, "write the runs as an array of rows to this file");
    return a.parse(argc, argv) ? run_sweep(std::move(o), command) : 0;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "sweep: %s\n", e.what());
    return 1;
  }
}
