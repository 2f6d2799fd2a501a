// The one numbering of what a program does once: a unit's work on a segment of a microbatch.
#pragma once

#include <foal/schedule/placement.hpp>

namespace foal::schedule {

/// A cell is (unit or stage, position of the microbatch in its minibatch, segment). Tables over all ops of a program have an
/// entry per cell; those of a unit are a row, neighbours in a row are neighbours in time where a program runs its
/// microbatches in order. Needs numbers in their ranges.
struct cells {
  int microbatches = 1, segments = 1;

  constexpr cells() = default;
  constexpr explicit cells(extent e) : microbatches(e.microbatches), segments(e.segments) {}

  /// Entries of a unit or stage.
  constexpr int row() const { return microbatches * segments; }
  constexpr int at(int unit, int position, int segment = 0) const {
    return (unit * microbatches + position) * segments + segment;
  }
  /// The position of any microbatch, which may be below 0.
  constexpr int position(int microbatch) const { return floor_mod(microbatch, microbatches); }
};

}  // namespace foal::schedule
