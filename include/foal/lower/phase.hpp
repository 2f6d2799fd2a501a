// One phase of a run: a program, proved, with what follows from it and from the versions that a rule has its ops read.
#pragma once

#include <string>
#include <utility>

#include <foal/policy/versions/concept.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::lower::detail {

/// Throws the sentence of the program's proof, or of that of the versions.
template <versions::rule Versions>
table::phase_table make_phase(std::string name, schedule::program program, Versions const& rule, bool thick = false) {
  table::phase_table phase;
  phase.name = std::move(name);
  schedule::program_view const view = program.view();
  schedule::version_table newest;
  phase.facts = schedule::analyse(view, thick, &newest);
  phase.reads = schedule::reads_of(rule, newest);
  versions::require_versions(rule, newest, phase.reads);
  schedule::take_versions(phase.facts, newest, phase.reads);
  for (int s = 0; s < newest.stages(); ++s) {
    int& least = phase.least_delay.emplace_back(0);
    for (int j = 0; j < newest.microbatches && newest.updates[static_cast<std::size_t>(s)] > 0; ++j) {
      int const delay = newest.consumer(s, j) - phase.reads.at(s, j).forward;
      least = j == 0 || delay < least ? delay : least;
    }
  }
  phase.delayed = view.asynchronous || phase.reads.delayed;
  phase.wants.assign(view.wants.begin(), view.wants.end());
  phase.inference = view.inference;
  phase.program = std::move(program);
  return phase;
}

}  // namespace foal::lower::detail
