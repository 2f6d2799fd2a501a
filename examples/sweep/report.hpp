// What a sweep makes of its runs: groups over seeds, compared in pairs with a reference method; tables, rows, a page.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <foal/report/rows.hpp>
#include <foal/report/statistics.hpp>
#include <foal/report/table.hpp>

#include "results.hpp"

namespace sweep {

/// One setting over all its seeds.
struct group {
  setting first;
  std::vector<double> score = {};               ///< accuracy in percent, in the order of seeds
  std::vector<std::vector<double>> curve = {};  ///< accuracy in percent after each epoch
  int diverged = 0;
  double max_tau = 0;
  std::optional<foal::report::interval> difference =
      {};  ///< to the reference on the same seeds; none: it is the reference, or one seed
};

/// Percent right: the mean over the last `last` epochs. A run that diverged left no network to use: chance.
double score_of(result const& r, int classes, int last);

/// Groups in the order of `all`, which must all be known; each compared with the group of `reference` at the same numbers.
std::vector<group> grouped(std::vector<setting> const& all, std::map<std::string, result> const& known,
                           std::string const& reference, int classes, int last);

/// Of each method the group with the best mean, compared with the reference's best.
std::vector<group> best_of(std::vector<group> const& groups, std::string const& reference);

/// Columns: method, the numbers that differ between groups, mean, spread, diverged, difference.
foal::report::table table_of(std::vector<group> const& groups, std::string const& reference);

/// One row a run: method, seed, all numbers, score, final accuracy, diverged_at.
foal::report::rows rows_of(std::vector<setting> const& all, std::map<std::string, result> const& known, int classes,
                           int last);

/// What a page says besides its tables.
struct words {
  std::string title, network, data, command;
  int last = 1;
};
void write_page(std::string const& path, words const& w, std::vector<group> const& groups, std::string const& reference,
                std::map<std::string, result> const& known);

}  // namespace sweep
