// Other forms of a stage's parameters than the true one.
#pragma once

#include <cstddef>

#include <foal/tensor/element.hpp>

namespace foal::table {

/// The parameter in its canonical layout and element is the truth. A form is a copy derived from it, for those who read it:
/// never written back, and no part of a checkpoint.
struct form {
  /// predicted: what the delay policy makes F read (or R); extrapolated: what it makes B read; device: what the device's ops
  /// read in place of the newest weights.
  enum class kind { predicted, extrapolated, device } what = kind::predicted;
  /// before_use: just before the op that reads it, in room that the stages of a worker share; by_update: once for each
  /// update, with the first op that reads it after U, in room of the stage.
  enum class derived { before_use, by_update } when = derived::before_use;
  element type = element::float32;
  bool packed = false;  ///< only what B reads, at parameter_row::backward_offset; else every parameter at its offset
  long long elements = 0;

  std::size_t bytes() const { return bytes_of(type, elements); }
};

constexpr char const* name(form::kind k) {
  return k == form::kind::predicted      ? "weights predicted for F"
         : k == form::kind::extrapolated ? "weights extrapolated for B"
                                         : "weights in the device's form";
}

}  // namespace foal::table
