// The steps of an op that are no layer: copies, sums, zeros, and conversions between stored and scalar type.
#pragma once

#include <foal/executor/tables.hpp>

namespace foal::executor {

/// Does one such step for `samples` samples of these lengths. x, other, y: where the step's tensors are.
inline void move(run_tables const& t, void* device, lower::stage_table const& stage, lower::step const& s, int samples,
                 lengths_of_axes const& lengths, void const* x, void const* other, void* y) {
  using kind = lower::step::kind;
  lower::tensor const& to = stage.tensors[static_cast<std::size_t>(s.y)];
  auto const n = static_cast<std::size_t>(to.used(samples, lengths));
  std::size_t const bytes = n * (to.element_bytes > 0 ? static_cast<std::size_t>(to.element_bytes) : t.scalar_bytes);
  switch (s.what) {
    case kind::zero:
      return t.device.zero(device, y, bytes);
    case kind::copy:
      return t.device.copy(device, y, x, bytes);
    case kind::widen:
      return t.device.widen(device, n, x, y);
    case kind::narrow:
      return t.device.narrow(device, n, x, y);
    default:
      return t.device.add(device, n, x, other, y);
  }
}

}  // namespace foal::executor
