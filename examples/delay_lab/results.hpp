// Runs of the laboratory on disk: one JSON line each with all that it depends on; what is there is not run again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "net.hpp"

namespace delay_lab {

/// All that a run depends on: equal keys, equal runs.
std::string key_of(network const& n, setting const& s);

using outcomes = std::map<std::string, outcome>;

/// What a file has; none where there is no file. A line that is no run, cut short by a kill for instance, is passed over
/// with a word: its run is done again. Throws foal::error if the file cannot be read, or has lines and none of them is a
/// run.
outcomes read_outcomes(std::string const& path, std::vector<std::string>& words);

/// Runs what `known` lacks, `jobs` at the same time, and adds it to `known` and to the file as it ends, with the progress
/// and the time left on stderr. Throws what a run has thrown, when the others are done.
void run_all(network const& n, std::vector<setting> const& all, int jobs, std::string const& path, outcomes& known,
             std::string const& label);

}  // namespace delay_lab
