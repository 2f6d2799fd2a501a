// The parameters of a stage: their names, owners and places in the stage's arrays.
#pragma once

#include <string>
#include <vector>

#include <foal/model/description.hpp>
#include <foal/table/stage_table.hpp>

namespace foal::lower {

using namespace table;

namespace detail {

/// Where a layer's parameters are.
struct layer_parameters {
  int stage = -1, first_parameter = 0;
};

/// The row of a parameter or buffer of the layer that comes next in t; without an offset yet.
inline parameter_row declare(stage_table const& t, layer_row const& l, int index, parameter const& p, element type) {
  parameter_row q;
  q.name = std::to_string(l.number) + "." + l.name + "." + p.name;
  q.layer = static_cast<int>(t.layers.size());
  q.number = l.number;
  q.index = index;
  q.what = p;
  q.type = type;
  q.size = p.extent.size();
  return q;
}

// Every array starts at a multiple of 64 bytes for 4-byte scalars and more, so kernels see aligned pointers.
constexpr long long padded_elements(long long elements) { return (elements + 15) / 16 * 16; }
inline void set_offset(parameter_row& p, long long& total) {
  p.offset = total;
  total += padded_elements(p.size);
}

/// Whether B reads the array of p, itself or as another layer of this stage that is tied to it.
inline bool read_in_backward(stage_table const& t, int number, parameter_row const& p) {
  for (parameter_row const& q : t.parameters) {
    bool const same = &q == &p || (q.home_stage == number && &t.parameters[static_cast<std::size_t>(q.home)] == &p);
    if (same && q.what.read_in_backward && t.layers[static_cast<std::size_t>(q.layer)].input_gradient) return true;
  }
  return false;
}

/// Trained parameters first, then borrowed, then frozen ones; tied within the stage: one array. What B reads of the trained
/// ones has a place in packed copies too.
inline void place_parameters(stage_table& t, int number) {
  for (ownership const kind : {ownership::trained, ownership::borrowed, ownership::frozen}) {
    for (parameter_row& p : t.parameters)
      if (p.kind == kind && p.home_stage != number) set_offset(p, t.weight_elements);
    if (kind == ownership::trained) t.trained_elements = t.weight_elements;
    if (kind == ownership::borrowed) t.gradient_elements = t.weight_elements;
  }
  for (parameter_row& p : t.parameters) {
    if (p.home_stage == number || p.kind != ownership::trained || !read_in_backward(t, number, p)) continue;
    p.backward_offset = t.backward_elements;
    t.backward_elements += padded_elements(p.size);
  }
  for (parameter_row& p : t.parameters) {
    if (p.home_stage != number) continue;
    p.offset = t.parameters[static_cast<std::size_t>(p.home)].offset;
    p.backward_offset = t.parameters[static_cast<std::size_t>(p.home)].backward_offset;
  }
}

}  // namespace detail

}  // namespace foal::lower
