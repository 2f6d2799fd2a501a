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
  phase.delayed = view.asynchronous || phase.reads.delayed;
  phase.wants.assign(view.wants.begin(), view.wants.end());
  phase.inference = view.inference;
  phase.program = std::move(program);
  return phase;
}

}  // namespace foal::lower::detail
