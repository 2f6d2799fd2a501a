// What delay did to each stage, as charts and JSON lines: one run of each asynchronous method.
#include <cmath>
#include <functional>
#include <limits>

#include <foal/report/metrics.hpp>

#include "report.hpp"

namespace compare {

namespace report = foal::report;

namespace {

using foal::table::diagnostic;

struct quantity {
  char const* title;
  char const* caption;
  double diagnostic::*value;
};
constexpr quantity quantities[] = {
    {"Discrepancy |w_B - w_F| / |w|", "How far the weights moved between a microbatch's F and B.", &diagnostic::discrepancy},
    {"Effective lag, updates", "v_B - v_F as it occurred.", &diagnostic::lag},
    {"Prediction: cosine(u - w_B, w_F - w_B)",
     "How well the weights that B reads point at those that F read: 1 for a stash; none where B reads the live weights.",
     &diagnostic::prediction},
    {"cosine(delayed gradient, fresh gradient)",
     "Fresh: the same samples with all stages at the version that the update changes.", &diagnostic::fresh},
    {"Update norm |w_new - w_old| / |w|", "The length of a step.", &diagnostic::update_norm}};

/// Mean by `key` of what is finite; not a number where nothing is.
std::vector<double> means(std::vector<diagnostic> const& rows, double diagnostic::*value, std::size_t size,
                          std::function<std::size_t(diagnostic const&)> const& key) {
  std::vector<double> sum(size, 0), n(size, 0);
  for (diagnostic const& d : rows)
    if (std::isfinite(d.*value)) {
      sum[key(d)] += d.*value;
      n[key(d)] += 1;
    }
  for (std::size_t i = 0; i < size; ++i) sum[i] = n[i] > 0 ? sum[i] / n[i] : std::numeric_limits<double>::quiet_NaN();
  return sum;
}

bool any_finite(std::vector<double> const& v) {
  return std::any_of(v.begin(), v.end(), [](double x) { return std::isfinite(x); });
}

report::figure by_stage(std::vector<method_results> const& all, quantity const& q) {
  report::line_chart chart{.title = q.title, .x_label = "stage", .y_label = ""};
  for (method_results const& m : all) {
    auto const stages = static_cast<std::size_t>(m.facts.stages);
    auto const y = means(m.runs.front().diagnostics, q.value, stages,
                         [](diagnostic const& d) { return static_cast<std::size_t>(d.stage); });
    if (!any_finite(y)) continue;
    std::vector<double> x;
    for (std::size_t s = 0; s < stages; ++s) x.push_back(static_cast<double>(s));
    chart.curves.push_back({.label = title(m.method), .x = std::move(x), .y = y});
  }
  return {chart.curves.empty() ? "" : chart.svg(), q.caption};
}

report::figure over_updates(std::vector<method_results> const& all, quantity const& q) {
  report::line_chart chart{.title = q.title, .x_label = "update", .y_label = ""};
  for (method_results const& m : all) {
    auto const& rows = m.runs.front().diagnostics;
    std::vector<double> x;
    for (diagnostic const& d : rows)
      if (x.empty() || x.back() < static_cast<double>(d.update)) x.push_back(static_cast<double>(d.update));
    auto const y = means(rows, q.value, x.size(), [&x](diagnostic const& d) {
      return static_cast<std::size_t>(std::lower_bound(x.begin(), x.end(), static_cast<double>(d.update)) - x.begin());
    });
    if (any_finite(y)) chart.curves.push_back({.label = title(m.method), .x = std::move(x), .y = y});
  }
  return {chart.curves.empty() ? "" : chart.svg(), std::string(q.caption) + " Mean over stages."};
}

}  // namespace

void add_diagnostics(std::vector<method_results> const& all, settings const& s, report::metrics& metrics,
                     report::html_page& page) {
  if (!s.base.diagnostics) return;
  for (method_results const& m : all)
    for (diagnostic const& d : m.runs.front().diagnostics)
      metrics.write({{"method", name(m.method)},
                     {"seed", s.base.seed},
                     {"update", d.update},
                     {"stage", d.stage},
                     {"rate", d.rate},
                     {"lag", d.lag},
                     {"discrepancy", d.discrepancy},
                     {"prediction", d.prediction},
                     {"fresh", d.fresh},
                     {"update_norm", d.update_norm}});
  page.section("Delay diagnostics");
  page.paragraph(foal::sentence(
      "The asynchronous methods, seed ", s.base.seed,
      ", once an epoch, the synchronous warm-up left out. By stage: means "
      "over the run. w_F and w_B are the weights that were live at a microbatch's F and B, u what its B read.",
      s.base.workers == 1 ? "" : " Fresh gradients need --workers 1."));
  std::vector<report::figure> figures;
  for (quantity const& q : quantities) figures.push_back(by_stage(all, q));
  for (quantity const& q : quantities)
    if (q.value != &diagnostic::lag) figures.push_back(over_updates(all, q));
  std::erase_if(figures, [](report::figure const& f) { return f.svg.empty(); });
  if (!figures.empty()) page.add(figures);
}

}  // namespace compare
