// What the laboratory shows.
#include "report.hpp"

#include <algorithm>
#include <cmath>

#include <foal/core/error.hpp>
#include <foal/report/chart.hpp>
#include <foal/report/svg.hpp>

#include "measure.hpp"

namespace delay_lab {

namespace report = foal::report;

namespace {

std::string text_of(double ratio) { return std::isfinite(ratio) ? report::fixed(ratio, 2) : "never"; }
/// Null where it is no number.
void set(report::row& to, char const* name, double number) {
  if (std::isfinite(number))
    to.set(name, number);
  else
    to.set(name, nullptr);
}

std::vector<profile> profiles_of(std::vector<judged> const& all) {
  std::vector<profile> found;
  for (judged const& j : all)
    if (std::none_of(found.begin(), found.end(), [&](profile const& p) { return p.name == j.profile.name; }))
      found.push_back(j.profile);
  return found;
}

double end_of(judged const& j) {
  std::vector<double> last;
  for (std::size_t k = 0; k < j.curves.size(); ++k) last.push_back(std::min(j.final_loss(k), 1e9));
  return report::median(last);
}

struct shaded {
  std::string text;
  double shade;  ///< 0 to 1
};

/// Methods downwards, profiles to the right; cell_of(judged) is a shaded.
template <class Cell>
std::string heat_map(std::vector<judged> const& all, std::string const& title, Cell cell_of) {
  constexpr double left = 210, cell = 96, row = 22, top = 58, edge = 16;
  std::vector<method const*> methods;
  std::vector<std::string> profiles;
  for (judged const& j : all) {
    if (!j.profile.late()) continue;
    if (std::find(methods.begin(), methods.end(), j.how) == methods.end()) methods.push_back(j.how);
    if (std::find(profiles.begin(), profiles.end(), j.profile.name) == profiles.end()) profiles.push_back(j.profile.name);
  }
  report::svg picture(left + cell * static_cast<double>(profiles.size()) + edge,
                      top + row * static_cast<double>(methods.size()) + edge, title);
  picture.text(12, 22, title, "ink title");
  for (std::size_t c = 0; c < profiles.size(); ++c)
    picture.text(left + cell * (static_cast<double>(c) + 0.5), top - 10, profiles[c], "muted", "middle");
  for (std::size_t r = 0; r < methods.size(); ++r) {
    double const y = top + row * static_cast<double>(r);
    picture.text(left - 8, y + 15, methods[r]->name, "ink", "end");
    for (judged const& j : all) {
      if (j.how != methods[r] || !j.profile.late()) continue;
      auto const c = static_cast<double>(std::find(profiles.begin(), profiles.end(), j.profile.name) - profiles.begin());
      shaded const now = cell_of(j);
      double const x = left + cell * c;
      picture.rectangle(x + 1, y + 1, cell - 2, row - 2, "f1",
                        foal::sentence(j.how->what, ", ", j.profile.name, ": ", now.text),
                        0.05 + 0.65 * std::clamp(now.shade, 0.0, 1.0));
      picture.text(x + cell / 2, y + 15, now.text, "ink", "middle");
    }
  }
  return picture.finish();
}

/// Darker from 1 to 4 times as many steps.
shaded steps_of(judged const& j) {
  double const ratio = bootstrap(j.ratios).median;
  return {text_of(ratio), std::isfinite(ratio) ? std::log(ratio) / std::log(4.0) : 1};
}

/// Darker from the lowest loss without delay to the median under delay, and twice as far.
std::string map_of_losses(std::vector<judged> const& all) {
  double least = never;
  std::vector<double> late;
  for (judged const& j : all)
    if (j.profile.late())
      late.push_back(end_of(j));
    else
      least = std::min(least, end_of(j));
  double const spread = std::max(2 * (report::median(late) - least), 1e-6);
  return heat_map(all, "Last loss", [&](judged const& j) {
    double const end = end_of(j);
    return shaded{end < 1e9 ? report::fixed(end, 3) : "lost", (end - least) / spread};
  });
}

report::figure curves_of(std::vector<judged> const& all, profile const& p, network const& n) {
  constexpr std::size_t shown = 6;
  std::vector<judged const*> of;
  for (judged const& j : all)
    if (j.profile.name == p.name) of.push_back(&j);
  std::stable_sort(of.begin(), of.end(), [](auto const* a, auto const* b) { return end_of(*a) < end_of(*b); });
  report::line_chart chart{.title = foal::sentence(n.name, ", ", p.late() ? p.name : std::string("no delay")),
                           .x_label = "updates",
                           .y_label = "loss"};
  for (std::size_t i = 0; i < std::min(of.size(), shown); ++i) {
    std::vector<double> x;
    for (std::size_t k = 0; k < of[i]->curves.front().size(); ++k) x.push_back(of[i]->every * static_cast<double>(k + 1));
    chart.curves.push_back(report::mean_curve(of[i]->how->name, std::move(x), of[i]->curves));
  }
  return {chart.svg(), foal::sentence("The ", std::min(of.size(), shown), " of ", of.size(),
                                      " with the lowest last loss, each at its best rate: mean and spread over seeds.")};
}

}  // namespace

report::table table_of(std::vector<judged> const& all) {
  report::table t{.columns = {{"method", report::align::left},
                              {"profile", report::align::left},
                              {"steps, relative", report::align::right, report::better::lower},
                              {"95 % interval"},
                              {"to the best without delay"},
                              {"rate"},
                              {"last loss"},
                              {"diverged"},
                              {"copies of W"}}};
  for (judged const& j : all) {
    auto const i = bootstrap(j.ratios);
    auto const lost = std::count_if(j.diverged_at.begin(), j.diverged_at.end(), [](long long at) { return at >= 0; });
    t.add({j.how->name,
           j.profile.name,
           {text_of(i.median), i.median},
           text_of(i.low) + " .. " + text_of(i.high),
           text_of(bootstrap(j.to_best).median),
           report::significant(j.rate, 3),
           end_of(j) < 1e9 ? report::fixed(end_of(j), 3) : "-",
           foal::sentence(lost, " of ", j.diverged_at.size()),
           report::fixed(j.bytes_relative, 1)});
  }
  return t;
}

void add_rows(report::rows& to, network const& n, std::vector<judged> const& all) {
  for (judged const& j : all)
    for (std::size_t k = 0; k < j.ratios.size(); ++k) {
      report::row& row = to.add();
      row.set("net", n.name).set("method", j.how->name).set("profile", j.profile.name).set("max_tau", j.max_tau);
      row.set("rate", j.rate).set("seed", static_cast<long long>(k + 1));
      set(row, "ratio", j.ratios[k]);
      set(row, "ratio_to_best", j.to_best[k]);
      set(row, "final_loss", j.final_loss(k));
      if (j.diverged_at[k] >= 0)
        row.set("diverged_at", j.diverged_at[k]);
      else
        row.set("diverged_at", nullptr);
      row.set("bytes_relative", j.bytes_relative);
    }
}

void add_net(report::html_page& to, network const& n, std::vector<judged> const& all) {
  to.section(foal::sentence(n.name, ": ", n.what));
  auto const profiles = profiles_of(all);
  if (profiles.size() > 1)
    to.add(std::vector<report::figure>{
        {heat_map(all, "Steps relative to no delay", &steps_of), "Darker: more steps; never: most targets are missed."},
        {map_of_losses(all),
         "Of the weights or one of their averages; where nobody reaches the targets, this tells methods apart."}});
  std::vector<report::figure> figures;
  for (profile const& p : profiles) figures.push_back(curves_of(all, p, n));
  to.add(figures);
  to.add(table_of(all));
}

}  // namespace delay_lab
