// Sweeps: methods x rates x seeds x any number of a policy, one process a core; results are kept, so a sweep can go on after
// it was stopped; methods are compared in pairs over the same seeds.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <thread>

#include <foal/data/cifar10.hpp>
#include <foal/data/gzip.hpp>
#include <foal/data/handwritten.hpp>
#include <foal/data/idx.hpp>

#include "sweep/halved.hpp"
#include "sweep/report.hpp"
#include "sweep/teacher.hpp"

namespace {

using namespace sweep;

struct options {
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
task load(options const& o) {
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

void run_sweep(options o, std::string const& command) {
  network const& net = network_named(o.base.net);
  for (std::string const& m : o.methods) method_named(m);
  method_named(o.reference);
  if (o.jobs == 0) o.jobs = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (o.base.data.empty()) o.base.data = o.base.net.starts_with("deep") ? "teacher" : "handwritten";
  task const data = load(o);
  if (o.base.data == "teacher")
    o.base.data = foal::sentence("teacher:", o.teacher_hidden, ":", foal::report::shortest(o.teacher_gain));
  std::string const about = foal::sentence(o.base.data, ", ", data.train.size(), " samples to train on, ", data.test.size(),
                                           " to test on, ", data.classes, " classes");
  std::printf("%s: %s\n%s\n%s\n", net.name, net.what, about.c_str(), build().c_str());
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
  if (!o.json.empty()) rows_of(all, known, data.classes, o.last).write(o.json);
  if (!o.html.empty())
    write_page(o.html, {"foal: a sweep", foal::sentence(net.name, ": ", net.what), about, command, o.last}, groups,
               o.reference, known);
}

}  // namespace

int main(int argc, char** argv) {
  options o;
  o.base.net = "mlp";
  CLI::App app{"Trains one network with many methods, numbers and seeds, and compares the methods in pairs."};
  app.add_option("--net", o.base.net, "mlp, deep24, deep40, resnet20");
  app.add_option("--data", o.base.data, "handwritten, digits:DIR, teacher, cifar10:DIR (averaged to 16 x 16)");
  std::string known;
  for (method const& m : methods) known += std::string(known.empty() ? "" : ", ") + m.name;
  app.add_option("--methods", o.methods, known)->delimiter(',');
  app.add_option("--reference", o.reference, "the method that the others are compared with");
  for (std::size_t v = 0; v < value_count; ++v) {
    o.lists[v] = {values[v].usual};
    app.add_option(std::string("--") + values[v].name, o.lists[v], std::string(values[v].help) + "; a list sweeps it")
        ->delimiter(',')
        ->capture_default_str();
  }
  app.add_option("--seeds", o.seeds, "runs of each combination")->check(CLI::PositiveNumber);
  app.add_option("--seed", o.base.seed, "the first seed");
  app.add_option("--last", o.last, "score: mean accuracy of the last so many epochs")->check(CLI::PositiveNumber);
  app.add_option("--lr-find", o.grid, "rates to try synchronously first; the best one is then everybody's")->delimiter(',');
  app.add_option("--teacher-hidden", o.teacher_hidden, "hidden units of the random teacher")->check(CLI::PositiveNumber);
  app.add_option("--teacher-gain", o.teacher_gain, "standard deviation of their arguments")->check(CLI::PositiveNumber);
  app.add_option("--jobs", o.jobs, "processes at the same time; by default one a core")->check(CLI::PositiveNumber);
  app.add_option("--results", o.results, "finished runs, one JSON line each; those that are there are not run again");
  app.add_option("--html", o.html, "write a page to this file");
  app.add_option("--json", o.json, "write the runs as an array of rows to this file");
  CLI11_PARSE(app, argc, argv);
  std::string command;
  for (int i = 0; i < argc; ++i) command += (i > 0 ? " " : "") + std::string(argv[i]);
  try {
    run_sweep(std::move(o), command);
    return 0;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "sweep: %s\n", e.what());
    return 1;
  }
}
