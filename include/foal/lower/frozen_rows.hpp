// A model's rows as a schedule wants them: what it does not train is frozen, and no gradient is made for what lies below.
#pragma once

#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/model/description.hpp>
#include <foal/schedule/program.hpp>

namespace foal::lower {

/// The rows of a model whose layers do not train in the stages for which the program has no U, with the gradients that are
/// then wanted. Throws foal::error where tied layers would train in one stage and not in another.
inline std::vector<model_row> frozen_rows(model_row const* rows, int size, schedule::program_view v) {
  std::vector<model_row> out(rows, rows + size);
  if (v.wants.empty()) return out;
  bool wanted[most_entries]{};
  for (model_row& r : out) {
    auto const e = static_cast<std::size_t>(r.entry);
    switch (r.kind) {
      case foal::detail::item_kind::layer:
        r.trains = r.trains && v.wanted(r.stage) == schedule::gradients::both;
        r.wanted = wanted[e];
        for (int i = 0; i < r.info->reads; ++i) r.read_wanted[i] = wanted[r.read[i]];
        wanted[e] = r.gradient_wanted();
        break;
      case foal::detail::item_kind::save:
        r.wanted = r.source_wanted = wanted[e] = wanted[r.source];
        break;
      default:  // add and load, where the entry ends
        r.wanted = wanted[e];
        r.source_wanted = std::exchange(wanted[0], wanted[e] || (wanted[0] && r.kind != foal::detail::item_kind::load));
    }
  }
  for (model_row const& r : out) {
    if (r.home < 0) continue;
    model_row const& home = out[static_cast<std::size_t>(r.home)];
    require(r.trains == home.trains, "cannot freeze stage ", r.trains ? home.stage : r.stage,
            " by the schedule, because it shares tied weights with stage ", r.trains ? r.stage : home.stage,
            ", which trains; freeze both, or none");
  }
  return out;
}

}  // namespace foal::lower
