// Groups, tables and the page of a sweep.
#include "report.hpp"

#include <algorithm>

#include <foal/report/chart.hpp>
#include <foal/report/html.hpp>

namespace sweep {

namespace report = foal::report;

namespace {

void compare(group& g, group const* reference) {
  g.difference.reset();
  if (reference == nullptr || reference->first.method == g.first.method) return;
  if (g.score.size() < 2 || g.score.size() != reference->score.size()) return;
  g.difference = report::paired_difference(g.score, reference->score);
}

group const* found(std::vector<group> const& groups, std::string const& name) {
  for (group const& g : groups)
    if (g.first.group() == name) return &g;
  return nullptr;
}

/// True where two groups that read the number have different ones.
bool varies(std::vector<group> const& groups, value v) {
  std::optional<double> seen;
  for (group const& g : groups) {
    if (!g.first.uses(v)) continue;
    if (seen && *seen != g.first.number[v]) return true;
    seen = g.first.number[v];
  }
  return false;
}

std::string label_of(group const& g, std::vector<group> const& all) {
  std::string text = g.first.method;
  for (std::size_t v = 0; v < value_count; ++v)
    if (varies(all, static_cast<value>(v)) && g.first.uses(static_cast<value>(v)))
      text += std::string(" ") + values[v].label + " " + report::shortest(g.first.number[v]);
  return text;
}

}  // namespace

double score_of(result const& r, int classes, int last) {
  if (r.diverged_at >= 0 || r.accuracy.empty()) return 100.0 / classes;
  auto const n = std::min(r.accuracy.size(), static_cast<std::size_t>(last));
  return 100 * report::mean(std::span(r.accuracy).last(n));
}

std::vector<group> grouped(std::vector<setting> const& all, std::map<std::string, result> const& known,
                           std::string const& reference, int classes, int last) {
  std::vector<group> groups;
  for (setting const& s : all) {
    result const& r = known.at(s.name());
    auto g = std::find_if(groups.begin(), groups.end(), [&](group const& o) { return o.first.group() == s.group(); });
    if (g == groups.end()) g = groups.insert(groups.end(), group{.first = s});
    g->score.push_back(score_of(r, classes, last));
    std::vector<double> curve = r.accuracy;
    for (double& a : curve) a *= 100;
    g->curve.push_back(std::move(curve));
    g->diverged += r.diverged_at >= 0 ? 1 : 0;
    g->max_tau = std::max(g->max_tau, r.max_tau);
  }
  for (group& g : groups) {
    setting s = g.first;
    s.method = reference;
    compare(g, found(groups, s.group()));
  }
  return groups;
}

std::vector<group> best_of(std::vector<group> const& groups, std::string const& reference) {
  std::vector<group> best;
  for (group const& g : groups) {
    auto b = std::find_if(best.begin(), best.end(), [&](group const& o) { return o.first.method == g.first.method; });
    if (b == best.end())
      best.push_back(g);
    else if (report::mean(g.score) > report::mean(b->score))
      *b = g;
  }
  group const* of_reference = nullptr;
  for (group const& g : best)
    if (g.first.method == reference) of_reference = &g;
  for (group& g : best) compare(g, of_reference);
  return best;
}

report::table table_of(std::vector<group> const& groups, std::string const& reference) {
  std::vector<value> varied;
  for (std::size_t v = 0; v < value_count; ++v)
    if (varies(groups, static_cast<value>(v))) varied.push_back(static_cast<value>(v));
  report::table t{{{"method", report::align::left}}};
  for (value v : varied) t.columns.push_back({values[v].label});
  for (report::column c : {report::column{"accuracy %", report::align::right, report::better::higher},
                           {"sd"},
                           {"lowest"},
                           {"diverged"},
                           {"max tau"},
                           {"minus " + reference},
                           {"95 % interval"}})
    t.columns.push_back(std::move(c));
  for (group const& g : groups) {
    std::vector<report::table_entry> row{g.first.how().title};
    for (value v : varied) row.emplace_back(g.first.uses(v) ? report::shortest(g.first.number[v]) : "-");
    double const mean = report::mean(g.score);
    row.emplace_back(report::fixed(mean, 2), mean);
    row.emplace_back(report::fixed(report::standard_deviation(g.score), 2));
    row.emplace_back(report::fixed(*std::min_element(g.score.begin(), g.score.end()), 2));
    row.emplace_back(report::shortest(g.diverged) + " of " + report::shortest(g.score.size()));
    row.emplace_back(report::trimmed(g.max_tau, 2));
    if (g.difference) {
      row.emplace_back(report::fixed(g.difference->mean, 2));
      row.emplace_back("[" + report::fixed(g.difference->low(), 2) + ", " + report::fixed(g.difference->high(), 2) + "]");
    } else {
      row.emplace_back("-");
      row.emplace_back("-");
    }
    t.add(std::move(row));
  }
  return t;
}

report::rows rows_of(std::vector<setting> const& all, std::map<std::string, result> const& known, int classes, int last) {
  report::rows rows;
  for (setting const& s : all) {
    result const& r = known.at(s.name());
    report::row row{{"net", s.net}, {"method", s.method}, {"seed", s.seed}};
    for (std::size_t v = 0; v < value_count; ++v) {
      std::string key = values[v].name;
      std::replace(key.begin(), key.end(), '-', '_');
      row.set(key, s.uses(static_cast<value>(v)) ? report::cell(s.number[v]) : report::cell());
    }
    row.set("score", score_of(r, classes, last) / 100).set("accuracy", score_of(r, classes, 1) / 100);
    row.set("diverged_at", r.diverged_at >= 0 ? report::cell(r.diverged_at) : report::cell());
    row.set("max_tau", r.max_tau).set("seconds", r.seconds);
    rows.add(std::move(row));
  }
  return rows;
}

void write_page(std::string const& path, words const& w, std::vector<group> const& groups, std::string const& reference,
                std::map<std::string, result> const& known) {
  report::html_page page(w.title, w.network + "; " + w.data);
  page.section("Results");
  page.add(table_of(groups, reference));
  page.note(foal::sentence("accuracy: of the test samples, mean over the last ", w.last, w.last == 1 ? " epoch" : " epochs",
                           " and over seeds. A run that diverged counts with the accuracy of chance. Differences are "
                           "paired: the same seeds, the same numbers, another method; intervals by Student's t."));
  if (auto const best = best_of(groups, reference); best.size() < groups.size()) {
    page.section("Every method at its best");
    page.add(table_of(best, reference), "Of each method the group with the highest mean, chosen on the same runs.");
  }
  page.section("Curves");
  report::line_chart chart{.title = "Test accuracy", .x_label = "epoch", .y_label = "%"};
  for (group const& g : best_of(groups, reference)) {
    std::size_t longest = 0;
    for (auto const& c : g.curve) longest = std::max(longest, c.size());
    std::vector<double> epochs;
    for (std::size_t e = 1; e <= longest; ++e) epochs.push_back(static_cast<double>(e));
    chart.curves.push_back(report::mean_curve(label_of(g, groups), epochs, g.curve));
  }
  page.add(report::figure{chart.svg(), "Means with one standard deviation; each method at its best."});
  std::string builds;
  for (auto const& [name, r] : known)
    if (builds.find(r.build) == std::string::npos) builds += (builds.empty() ? "" : "; ") + r.build;
  page.how_run(w.command, {{"network", w.network}, {"data", w.data}, {"builds", builds}});
  page.write(path);
}

}  // namespace sweep
