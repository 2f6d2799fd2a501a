// When each temporary tensor of a stage is in use, for the packing of the worker's temporaries.
#pragma once

#include <algorithm>

#include <foal/table/stage_table.hpp>

namespace foal::lower {

using namespace table;

/// Calls f with the number of every tensor that a step names, -1 among them.
template <class F>
constexpr void each_tensor(step const& s, F f) {
  for (int id : {s.x, s.y, s.other, s.scratch, s.kept.x, s.kept.y}) f(id);
  for (auto const& some : {s.read, s.read_gradient, s.kept.read})
    for (int i = 0; i < most_reads; ++i) f(some[i]);
  for (int id : s.kept.entry) f(id);
}

/// Sets the first and the last step that touch each temporary tensor, within its own op.
inline void find_lifetimes(stage_table& t) {
  for (tensor& x : t.tensors) x.first_step = x.last_step = -1;
  auto const find = [&t](std::vector<step> const& steps, bool backward, bool weight) {
    for (int i = 0; i < static_cast<int>(steps.size()); ++i)
      each_tensor(steps[static_cast<std::size_t>(i)], [&](int id) {
        if (id < 0) return;
        tensor& x = t.tensors[static_cast<std::size_t>(id)];
        if (x.where != place::temporary || x.backward != backward || x.weight != weight) return;
        if (x.first_step < 0) x.first_step = i;
        x.last_step = i;
      });
  };
  find(t.forward, false, false);
  find(t.backward, true, false);
  find(t.backward_weight, true, true);
  // Inputs are loaded before the first step, and the loss reads the last stage's output after the last one.
  for (wire_entry const& e : t.wire_in)
    if (e.loaded >= 0) {
      tensor& x = t.tensors[static_cast<std::size_t>(e.loaded)];
      x.first_step = 0;
      x.last_step = std::max(x.last_step, 0);
    }
  if (t.output_tensor >= 0 && t.tensors[static_cast<std::size_t>(t.output_tensor)].where == place::temporary)
    t.tensors[static_cast<std::size_t>(t.output_tensor)].last_step = static_cast<int>(t.forward.size());
}

}  // namespace foal::lower
