// F of a stage, step by step: in training, in recomputation and in evaluation.
#pragma once

#include <foal/table/stage_table.hpp>

namespace foal::executor {

/// Where a layer's call finds what its forward keeps. at(id): where a tensor lies; null for -1.
template <class At>
void place_kept(table::layer_call& c, table::step const& s, At at) {
  c.saved_x = at(s.kept.x);
  c.saved_y = at(s.kept.y);
  for (int i = 0; i < s.kept.entries; ++i) c.entry[i] = at(s.kept.entry[i]);
  c.scratch = at(s.scratch);
}

/// Runs the forward of a stage. move(step): does a step that is no layer's; call(row, number): the layer's call with all
/// that is no tensor and no weight; weight(number): where a parameter lies; refused(row): the layer has found a number that
/// is not finite, and the rest is left out.
template <class At, class Move, class Call, class Weight, class Refused>
void run_forward(table::stage_table const& t, phase now, At at, Move move, Call call, Weight weight, Refused refused) {
  for (table::step const& s : t.forward) {
    if (s.what != table::step::kind::layer) {
      move(s);
      continue;
    }
    table::layer_row const& l = t.layers[static_cast<std::size_t>(s.layer)];
    table::layer_call& c = call(l, s.layer);
    c.phase = now;
    place_kept(c, s, at);
    for (int i = 0; i < l.parameters; ++i) c.w[i] = weight(l.first_parameter + i);
    c.x = at(s.x);
    c.y = at(s.y);
    for (int i = 0; i < l.reads; ++i) c.read[i] = at(s.read[i]);
    l.call.forward(c);
    if (refused(l)) return;
  }
}

}  // namespace foal::executor
