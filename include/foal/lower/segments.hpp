// Whether a model's sequences can come in segments (schedule::seq1f1b).
#pragma once

#include <string>
#include <string_view>

#include <foal/core/error.hpp>
#include <foal/model/stages.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::lower {

using namespace table;

namespace detail {

/// Throws foal::error unless the layer takes sequences in segments, and this one.
inline void check_layer_in_segments(model_row const& r, bool served, int segments, std::string const& run) {
  std::string const layer = sentence("layer ", r.number, ", ", r.info->name);
  require(
      r.info->segmented, "cannot run ", run, ", because ", layer,
      ", takes no sequences in segments; use a schedule of 1 segment, or, if the layer takes every position alone, declare "
      "segmented = true in it");
  require(served, "cannot run ", run, ", because the device lacks an op that ", layer,
          ", calls for sequences in segments; use another device, or a schedule of 1 segment");
  require(r.in.rank == 2 && r.out.rank == 2 && r.in.positions() == r.out.positions(), "cannot run ", run, ", because ",
          layer, ", does not make a sequence of a sequence as long; use a schedule of 1 segment");
  for (int i = 0; i < r.info->reads; ++i)
    require(r.read_shape[i].rank != 2, "cannot run ", run, ", because ", layer,
            ", reads another sequence, of which it would see one segment; use a schedule of 1 segment");
  int const positions = r.in.positions();
  require(positions >= segments, "cannot run ", run, ", because the sequences of ", layer, ", have ", positions,
          " positions; use as many segments at most");
  require(r.in.axis > 0 || positions % segments == 0, "cannot run ", run, ", because the ", positions,
          " positions that the sequences of ", layer,
          ", always have are no multiple of the segments; use another number of segments, or give the input a length axis "
          "(foal::tokens<longest, axis>)");
}

}  // namespace detail

/// Throws foal::error, with the layer's name, where a model's sequences cannot come in segments. functions: of its layers.
template <model Net, class Loss>
void check_segments(int segments, std::string_view schedule, layer_functions const* functions) {
  auto const& d = Net::description;
  std::string const run = sentence(schedule, " with microbatches in ", segments, " segments");
  for (int i = 0; i < d.size; ++i)
    if (model_row const& r = d.row[i]; r.kind == foal::detail::item_kind::layer)
      detail::check_layer_in_segments(r, functions[r.number].segments, segments, run);
  constexpr bool by_position = [] {
    if constexpr (requires { Loss::ragged; })
      return Loss::ragged;
    else
      return false;
  }();
  require(
      by_position, "cannot run ", run, ", because the loss ", Loss::name,
      " takes samples as a whole; use foal::loss::cross_entropy, or, if it is a sum over positions, declare ragged = true "
      "in it");
}

/// The same for what the program does with the stages' layers.
inline void check_segments(run_tables const& t) {
  for (phase_table const& phase : t.phases)
    for (std::size_t s = 0; s < t.stages.size(); ++s)
      for (layer_row const& l : t.stages[s].layers)
        require(!l.carries || (l.x >= 0 && phase.facts.stage[s].head < 0 &&
                               phase.wanted(static_cast<int>(s)) != schedule::gradients::none),
                "cannot run ", phase.name, " with microbatches in ", t.segments, " segments, because layer ", l.number, ", ",
                l.name,
                ", reads what it has kept of earlier segments, and it is recomputed, or nothing trains before it; use a "
                "schedule of 1 segment, or neither freeze nor recompute what is before it");
}

/// The same for the codecs by which activations are kept and sent.
inline void check_coded_segments(run_tables const& t) {
  for (stage_table const& stage : t.stages)
    for (layer_row const& l : stage.layers)
      require(!l.carries || !stage.tensors[static_cast<std::size_t>(l.x)].code.coded(),
              "cannot keep or send the input of layer ", l.number, ", ", l.name,
              ", in a code, because later segments of the sequence read it; use no codec, or a schedule of 1 segment");
}

}  // namespace foal::lower
