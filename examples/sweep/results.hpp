// The results of a sweep on disk: one JSON line a finished run, with its manifest, so that a sweep can stop and go on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "network.hpp"

namespace sweep {

/// What a finished run left.
struct result {
  std::string run;    ///< setting::name()
  std::string build;  ///< of the program that ran it
  std::vector<double> accuracy;
  long long diverged_at = -1;
  double max_tau = 0, seconds = 0;
};

/// Compiler, flags that change arithmetic, foal's version and the processor.
std::string build();

/// One line: the manifest (setting, number by number, and build) and the outcome.
std::string line_of(setting const& s, outcome const& o, network const& n);

/// The lines of a results file by run; none if there is no file. A line that is no result, cut short by a kill for instance,
/// is passed over with a word. Throws foal::error if the file cannot be read, or nothing in it is a result or a part of one.
std::map<std::string, result> read_results(std::string const& path, std::vector<std::string>& words);

/// Runs every setting that `known` lacks, each in a process of its own, `jobs` at a time, and appends its line to the file
/// as it ends. A run that fails or is killed leaves no line. Throws foal::error when runs failed, after the others are done.
void run_all(std::vector<setting> const& all, network const& n, task const& data, int jobs, std::string const& path,
             std::map<std::string, result>& known);

}  // namespace sweep
