// Whether a source of samples suits a model; a sentence where it does not.
#pragma once

#include <string>

#include <foal/core/error.hpp>
#include <foal/tensor/shape.hpp>

namespace foal::executor {

/// For a model with one input. d: the model's description. classes: targets are class numbers.
template <class Source, class Description>
void check_samples(Source const& source, std::string const& model, Description const& d, int targets, bool classes) {
  shape const given = source.sample(), needed = d.input;
  require(given == needed, "cannot train ", model, " on these samples, because they have ", given.extent[0], " x ",
          given.extent[1], " x ", given.extent[2], " elements and its foal::input is ", needed.extent[0], " x ",
          needed.extent[1], " x ", needed.extent[2], "; change the input or the data");
  require(source.target_size() == targets, "cannot train on these samples, because each has ", source.target_size(),
          " targets and the loss takes ", targets, "; change the loss or the data");
  if constexpr (requires { source.classes(); })
    require(!classes || source.classes() <= d.output.channels(), "cannot train on these samples, because they have ",
            source.classes(), " classes and the model ends in ", d.output.channels(), " outputs; widen the last layer");
}

/// For a model of sequences.
template <class Source, class Description>
void check_sequences(Source const& source, std::string const& model, Description const& d) {
  require(source.entries() == d.inputs, "cannot train ", model, " on these sequences, because a sample has ",
          source.entries(), " entries and the model ", d.inputs, " inputs; change foal::inputs or the data");
  for (int e = 0; e < d.inputs; ++e) {
    int const axis = source.entry_axis(e), longest = axis == 0 ? 1 : source.longest(axis);
    shape const needed = d.input_entry[e];
    require(needed.axis == axis && longest <= needed.positions() && needed.channels() == 1, "cannot train ", model,
            " on these sequences, because entry ", e, " has up to ", longest, " values on axis ", axis,
            " and the model's input ", needed.positions(), " on axis ", needed.axis,
            "; give foal::tokens<longest, axis> that hold them, or drop longer samples");
  }
  require(d.output.axis == source.axes(), "cannot train ", model, " on these sequences, because their targets lie on axis ",
          source.axes(), " and the model's output on axis ", d.output.axis,
          "; let the model end on the sequence whose tokens it predicts");
}

}  // namespace foal::executor
