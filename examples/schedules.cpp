// Compares pipeline schedules: a table of all of them, or one as facts, CSV, picture or page; plans which one trains a model
// fastest. Without arguments draws schedules.svg, the README's picture.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <foal/core/atomic_file.hpp>
#include <foal/data/lines.hpp>
#include <foal/schedule/csv.hpp>
#include <foal/schedule/draw/page.hpp>

#include "options/arguments.hpp"
#include "options/results.hpp"
#include "schedules/catalogue.hpp"
#include "schedules/facts.hpp"
#include "schedules/measures.hpp"
#include "schedules/overview.hpp"
#include "schedules/pictures.hpp"
#include "schedules/plan.hpp"

namespace {

struct settings {
  std::string name, list, json, gallery, format = "facts";
  bool table = false;
  schedules::question asked;
  std::vector<double> costs, stage_costs;
  double latency = 0, bytes = 0;
  bool plan = false, asynchronous = false, one_replica = false, keep_all = false, sends_block = false, long_run = false;
  int minibatch = 32, items = 0, groupings = 300;
  double overhead = 0, memory = -1, bandwidth = -1;
  std::vector<double> item_bytes{0, 0, 1};

  /// A rank runs one op at a time, in the order of its list.
  foal::schedule::costs cost() const {
    foal::schedule::costs c{.message = latency, .stage_factor = stage_costs, .side_by_side = false};
    if (costs.empty()) return c;
    foal::require(costs.size() == 3, "cannot take ", costs.size(),
                  " costs, because an op is F, B or W; give --costs three, as 10,12,8");
    c.forward = costs[0], c.backward = costs[1], c.weight = costs[2];
    return c;
  }

  /// The smallest pieces of the model: one for each of the factors, if there are.
  std::vector<foal::schedule::plan_item> model() const {
    foal::require(item_bytes.size() == 3, "cannot take ", item_bytes.size(),
                  " sizes of an item, because they are those of its weights, state and saved activations; give --item-bytes "
                  "three, as 4,12,1");
    std::size_t const given = stage_costs.size(), wanted = static_cast<std::size_t>(items > 0 ? items : 2 * asked.ranks);
    foal::require(given == 0 || items == 0 || given == wanted, "cannot plan ", items, " items with ", given,
                  " factors, because each has one; give as many --stage-costs, or leave --items out");
    foal::schedule::costs const c = cost();
    std::vector<foal::schedule::plan_item> all;
    for (std::size_t i = 0; i < (given > 0 ? given : wanted); ++i) {
      double const factor = given > 0 ? stage_costs[i] : 1;
      all.push_back({.forward = c.forward * factor,
                     .backward = c.backward * factor,
                     .weight = c.weight * factor,
                     .weights = item_bytes[0],
                     .state = item_bytes[1],
                     .saved = item_bytes[2],
                     .wire = bytes});
    }
    return all;
  }
};

int make_plan(settings const& o) {
  std::vector<foal::schedule::plan_item> const model = o.model();
  foal::schedule::plan_problem p{.items = model, .ranks = o.asked.ranks, .minibatch = o.minibatch, .input = o.bytes};
  p.overhead = o.overhead, p.latency = o.latency;
  p.sends_beside = !o.sends_block, p.long_run = o.long_run;
  p.recompute = !o.keep_all, p.replicas = !o.one_replica, p.groupings = o.groupings;
  if (o.memory >= 0) p.memory = o.memory;
  if (o.bandwidth > 0) p.bandwidth = o.bandwidth;
  auto const candidates = schedules::plan_candidates(o.asynchronous);
  auto const found = foal::schedule::plan(p, candidates);
  foal::schedule::require_plan(found, p);
  std::string const out = schedules::text_of(found, p);
  std::fwrite(out.data(), 1, out.size(), stdout);
  options::results written("schedules");
  written.write(o.json, [&](std::string const& path) { foal::write_file(path, schedules::json_of(found, p)); });
  return written.status();
}

int compare(settings const& o, std::vector<schedules::entry> const& all) {
  std::vector<schedules::measures> rows;
  for (schedules::entry const& e : all) {
    schedules::question q = o.asked;
    if (!e.any_chunks) q.chunks = 0;
    if (e.compared) rows.push_back(schedules::measure(e, q, o.cost()));
  }
  std::printf(
      "%d ranks, %d microbatches. An op is of one of the parts into which a rank's share of a microbatch is cut (chunks,\n"
      "segments): to compare, divide times and peaks by them. Idle: the rank that is idle longest, and that of the "
      "makespan;\n"
      "peaks in what a part's forward saves; delays in updates, of the stage where they are largest. *: asynchronous, in "
      "the\n"
      "steady state; +: what ranks hold is modelled.\n\n%s",
      o.asked.ranks, o.asked.microbatches, schedules::table_of(rows).text().c_str());
  for (schedules::measures const& m : rows)
    if (!m.refused.empty()) std::printf("\n%s: %s\n", m.name.c_str(), m.refused.c_str());
  options::results written("schedules");
  written.write(o.json, [&](std::string const& path) { foal::write_file(path, schedules::json_of(rows)); });
  return written.status();
}

schedules::subject subject_of(settings const& o, std::vector<schedules::entry> const& all) {
  schedules::subject s;
  s.bytes = o.bytes;
  if (!o.list.empty()) {
    s.name = o.list;
    std::string const text = foal::data::read_bytes(o.list);
    s.program = foal::schedule::from_csv(text);
    if (auto const bad = foal::schedule::prove(s.program.view()); !bad) throw foal::error(foal::schedule::text(bad));
    s.staleness = foal::schedule::staleness_of(s.program.view(), foal::schedule::own_versions{});
    s.reads = schedules::reads_by<foal::schedule::own_versions>(s.program.view());
    return s;
  }
  auto const named = std::find_if(all.begin(), all.end(), [&](schedules::entry const& e) { return e.name == o.name; });
  s = schedules::subject_of(*named, o.asked);
  s.bytes = o.bytes;
  return s;
}

/// A picture of each, which the schedule's name names.
int draw_all(settings const& o, std::vector<schedules::entry> const& all) {
  int refused = 0;
  for (schedules::entry const& e : all) {
    if (!e.drawn) continue;
    schedules::question q = o.asked;
    if (!e.any_chunks) q.chunks = 0;
    std::string picture;
    try {
      schedules::subject s = schedules::subject_of(e, q);
      picture = schedules::picture_of(s, schedules::cost_of(s, o.cost()), false);
    } catch (foal::error const& error) {
      std::fprintf(stderr, "%s: %s\n", e.name.c_str(), error.what());
      refused = 1;
      continue;
    }
    foal::write_file(o.gallery + "/" + e.name + ".svg", picture);
  }
  return refused;
}

int run(settings const& o, std::vector<schedules::entry> const& all) {
  if (o.plan) return make_plan(o);
  if (o.table) return compare(o, all);
  if (!o.gallery.empty()) return draw_all(o, all);
  if (o.name.empty() && o.list.empty()) {
    schedules::draw_overview();
    return 0;
  }
  schedules::subject s = subject_of(o, all);
  foal::schedule::costs const cost = schedules::cost_of(s, o.cost());
  std::string const out = o.format == "csv"    ? foal::schedule::to_csv(s.program.view())
                          : o.format == "svg"  ? schedules::picture_of(s, cost)
                          : o.format == "html" ? schedules::page_of(s, cost)
                                               : schedules::facts_of(s, cost);
  std::fwrite(out.data(), 1, out.size(), stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  settings o;
  try {
    std::vector<schedules::entry> const all = schedules::catalogue();
    options::arguments a("Pipeline schedules: what one costs, and all of them beside each other.");
    a.choice("schedule", o.name, schedules::names_of(all), "which one");
    a.flag("--table", o.table, "all of them, in a table");
    a.input("--list", o.list, "a schedule of one's own: a file in the CSV of PyTorch's pipelining schedules");
    a.whole("--ranks", o.asked.ranks, 1, 1024, "R");
    a.whole("--microbatches", o.asked.microbatches, 1, 4096, "N, of a minibatch");
    a.whole("--chunks", o.asked.chunks, 1, 64, "V, on every rank, where a schedule takes any number (else two)");
    a.number("--costs", o.costs, {0, 1e9}, "how long F, B and W of a chunk take, as 10,12,8 (else 1 each)");
    a.number("--stage-costs", o.stage_costs, {0, 1e9}, "a factor for every stage (plan: every item)");
    a.number("--latency", o.latency, {0, 1e9}, "of a message between two ranks");
    a.number("--bytes", o.bytes, {0, 1e15}, "of a message, where the model is known");
    a.choice("--format", o.format, {"facts", "csv", "svg", "html"}, "what is printed");
    a.folder("--gallery", o.gallery, "draw all of them into this folder");
    a.output("--json", o.json, "write the table as an array of rows, or the plan, to this file");
    a.flag("--plan", o.plan, "the schedule that takes the least time, for a model of items on --ranks, and why");
    a.whole("--minibatch", o.minibatch, 1, 1 << 20, "plan: samples; microbatches are the planner's choice");
    a.whole("--items", o.items, 1, 4096, "plan: pieces of the model, with the --costs of a sample (else two a rank)");
    a.number("--item-bytes", o.item_bytes, {0, 1e15}, "plan: an item's weights, state, and what it saves of a sample");
    a.number("--memory", o.memory, {0, 1e18}, "plan: bytes that a rank may hold (else any)");
    a.number("--bandwidth", o.bandwidth, {1e-9, 1e18}, "plan: bytes of a message in a unit of time (else any)");
    a.number("--overhead", o.overhead, {0, 1e9}, "plan: what an op takes besides its samples");
    a.whole("--groupings", o.groupings, 1, 1000000, "plan: try all of them where there are at most so many");
    a.flag("--asynchronous", o.asynchronous, "plan: schedules without a flush too");
    a.flag("--long-run", o.long_run, "plan: minibatches of schedules with a flush overlap where they can");
    a.flag("--sends-block", o.sends_block,
           "plan: a rank does nothing else while the bytes of its messages are on their way");
    a.flag("--one-replica", o.one_replica, "plan: no replicas side by side");
    a.flag("--keep-all", o.keep_all, "plan: no recomputation");
    if (!a.parse(argc, argv)) return 0;
    o.asked.cost = o.cost();
    return run(o, all);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "schedules: %s\n", e.what());
    return 1;
  }
}
