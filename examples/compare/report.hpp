// What compare makes of its runs: rows, the table on the terminal, the HTML page.
#pragma once

#include <string>
#include <vector>

#include <foal/report/bar_chart.hpp>
#include <foal/report/chart.hpp>
#include <foal/report/html.hpp>
#include <foal/report/metrics.hpp>
#include <foal/report/rows.hpp>
#include <foal/report/statistics.hpp>
#include <foal/report/trace_json.hpp>
#include <foal/report/trace_svg.hpp>

#include "experiment.hpp"

namespace compare {

/// All that is known of one method after its runs.
struct method_results {
  compare::method method = method::gpipe;
  std::vector<outcome> runs;  ///< one per seed
  foal::report::facts facts;
  double samples_per_s = 0;  ///< measured alone, median
  double utilisation = 0;    ///< of the schedule, the synchronous warm-up included
  std::vector<foal::report::span> trace;
  foal::schedule::program program;
};

struct settings {
  experiment base;
  std::string data, network, command, version;
  int seeds = 1, ranks = 1, classes = 10;
  double target = 0;  ///< accuracy; 0: 1 point below GPipe's mean
};

/// Accuracy at the end; of a run that diverged, chance: there is no network to use.
inline double final_accuracy(outcome const& o, int classes) {
  return o.diverged_at >= 0 || o.accuracy.empty() ? 1.0 / classes : o.accuracy.back();
}

inline std::vector<double> final_accuracies(method_results const& m, int classes) {
  std::vector<double> v;
  for (outcome const& o : m.runs) v.push_back(final_accuracy(o, classes));
  return v;
}

/// What training allocates; the copies that evaluations and diagnostics look at are left out.
inline long long training_bytes(foal::report::byte_facts const& b) {
  return b.total() - b[foal::category::evaluation] - b[foal::category::diagnostics];
}

/// Epochs until the mean curve over seeds reaches the target; 0: never.
inline int epochs_to(method_results const& m, double target, int epochs) {
  for (int e = 0; e < epochs; ++e) {
    double sum = 0;
    for (outcome const& o : m.runs)
      sum += static_cast<std::size_t>(e) < o.accuracy.size() ? o.accuracy[static_cast<std::size_t>(e)] : 0;
    if (sum / static_cast<double>(m.runs.size()) >= target) return e + 1;
  }
  return 0;
}

/// Seconds on R workers, one per rank: the measured cost of a sample on the workers used, spread over R at the schedule's
/// utilisation; synchronous epochs of T3 at that of one_f_one_b.
inline double modelled_seconds(method_results const& m, settings const& s, double synchronous_utilisation, int epochs) {
  double const epoch = static_cast<double>(s.base.data->train.size()) * s.base.workers / m.samples_per_s / s.ranks;
  int const warm = m.method == method::t1t2t3 ? std::min(epochs, s.base.warmup_epochs) : 0;
  return epoch * (warm / synchronous_utilisation + (epochs - warm) / m.facts.utilisation);
}

foal::report::rows rows_of(std::vector<method_results> const& all, settings const& s);
foal::report::table summary(std::vector<method_results> const& all, settings const& s, double target);
foal::report::table memory_table(std::vector<method_results> const& all);
/// Charts and JSON lines of the diagnostics; nothing where none were asked for.
void add_diagnostics(std::vector<method_results> const& all, settings const& s, foal::report::metrics& metrics,
                     foal::report::html_page& page);
void write_report(std::vector<method_results> const& all, settings const& s, double target, std::string const& folder);

}  // namespace compare
