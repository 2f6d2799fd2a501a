// The laboratory of delay: methods x profiles of delays x rates x seeds on small nets, and how many more updates each method
// takes to the same losses than it takes without delay, at its own best rate of a grid that other seeds have searched.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <thread>

#include "delay_lab/report.hpp"
#include "options/arguments.hpp"
#include "options/results.hpp"

namespace {

using namespace delay_lab;

struct arguments {
  std::vector<std::string> nets{"quadratic", "mlp"}, methods, profiles;
  delay_lab::plan plan{.methods = {}, .profiles = {}, .jobs = 0, .results = "delay_lab.jsonl"};
  std::string text, html, json;
  bool quick = false;
};

std::vector<network const*> all_nets() { return {&quadratic(), &noisy(), &mlp(), &gpt(), &digits()}; }

/// What stands between commas.
std::vector<std::string> listed(std::string const& text) {
  std::vector<std::string> all(1);
  for (char const c : text) {
    if (c == ',')
      all.emplace_back();
    else
      all.back() += c;
  }
  return all;
}

/// Every method's name, with commas between.
std::string all_methods() {
  std::string all;
  for (method const& m : methods()) all += (all.empty() ? "" : ",") + m.name;
  return all;
}

/// What is not given; minutes on two processors.
void make_quick(arguments& o, bool chooses_methods) {
  if (chooses_methods)
    o.methods = {"momentum", "pipedream", "t1t2", "adamw", "rotation", "muon", "muon-matched", "muon-ahead-t2"};
  o.profiles = {"1f1b-8", "1f1b-32"};
  o.plan.seeds = std::min(o.plan.seeds, 3);
  if (o.plan.updates == 0) o.plan.updates = 200;
  if (o.html.empty()) o.html = "delay_lab.html";
}

int work(arguments o, std::string const& command) {
  if (o.plan.jobs == 0) o.plan.jobs = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (std::string const& name : o.methods) o.plan.methods.push_back(&method_named(name));
  for (std::string const& name : o.profiles)
    if (profile const p = profile_named(name); p.late()) o.plan.profiles.push_back(p);
  if (!o.text.empty()) read_text(o.text);
  std::vector<std::string> words;
  outcomes known = read_outcomes(o.plan.results, words);
  for (std::string const& word : words) std::fprintf(stderr, "delay_lab: %s\n", word.c_str());
  foal::report::html_page page("The laboratory of delay", "Steps to a target under delay, relative to no delay");
  page.section("How to read this");
  page.paragraph(
      "A method's figure is the median, over 8 losses on the way, of the updates that it takes under delay by those that "
      "the "
      "same optimizer takes without, each at its own best rate of a grid searched on other seeds; never: it misses most of "
      "them within the run. Both may read out their weights or an average of them. Intervals: bootstrap over seeds. "
      "1f1b-32: the "
      "delays of asynchronous 1F1B on 32 ranks, one microbatch an update; pipemare-32: the paper's on 32 ranks, 8.");
  foal::report::rows rows;
  for (network const* n : all_nets()) {
    if (std::find(o.nets.begin(), o.nets.end(), n->name) == o.nets.end()) continue;
    auto const all = judge_all(*n, o.plan, known);
    std::printf("\n%s: %s\n%s\n", n->name, n->what, table_of(all).text().c_str());
    std::fflush(stdout);
    add_rows(rows, *n, all);
    add_net(page, *n, all);
  }
  page.how_run(command, {{"results", o.plan.results}});
  options::results written("delay_lab");
  written.write(o.html, [&](std::string const& path) { page.write(path); });
  written.write(o.json, [&](std::string const& path) { rows.write(path); });
  return written.status();
}

}  // namespace

int main(int argc, char** argv) {
  arguments o;
  std::string command;
  for (int i = 0; i < argc; ++i) command += (i > 0 ? " " : "") + std::string(argv[i]);
  try {
    using namespace options;
    options::arguments a("Compares answers to delay by the steps to a target that each takes, relative to no delay.");
    std::vector<std::string> nets;
    for (network const* n : all_nets()) nets.emplace_back(n->name);
    a.choice("--nets,--net", o.nets, nets, "");
    std::string named, numbers;
    for_each_number([&](char const* name, auto...) { numbers += foal::sentence(numbers.empty() ? "" : ", ", name); });
    a.text("--methods,--method", named,
           foal::sentence("some of these, or variants of them as muon-ahead-last:horizon=0.25 (numbers: ", numbers,
                          "); by default all: ", all_methods()));
    std::string late = "1f1b-8,1f1b-16,1f1b-32,pipemare-32";
    a.text("--profiles,--profile", late,
           "whose delays: a schedule (1f1b, pipemare, paci) - ranks, x microbatches an update");
    a.whole("--seeds", o.plan.seeds, 1, most, "measured runs of each method");
    a.whole("--search-seeds", o.plan.searched, 1, most, "other seeds, which search the rates");
    a.whole("--rates", o.plan.rates, 1, 99, "rates of the grid at first, a factor of 2 apart");
    a.whole("--updates", o.plan.updates, 1, most, "of a run; by default what suits the net");
    a.whole("--enlarged", o.plan.enlarged, 1, 1024, "minibatches of the net's in one, for less noise with the same updates");
    a.whole("--jobs", o.plan.jobs, 1, 1024, "runs at the same time; by default one a core");
    a.input("--text", o.text, "that the GPT learns; without one, spelled-out numbers are made");
    a.flag("--quick", o.quick, "few methods, profiles and seeds, in minutes; writes a page");
    a.text("--results", o.plan.results, "finished runs, one JSON line each; those that are there are not run again")
        ->type_name("FILE");
    a.output("--html", o.html, "write a page to this file");
    a.output("--json", o.json, "write the table as an array of rows to this file");
    if (!a.parse(argc, argv)) return 0;
    o.methods = listed(named.empty() && !o.quick ? all_methods() : named);
    o.profiles = listed(late);
    if (o.quick) make_quick(o, named.empty());
    return work(std::move(o), command);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "delay_lab: %s\n", e.what());
    return 1;
  }
}
