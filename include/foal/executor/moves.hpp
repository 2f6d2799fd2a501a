// The steps of an op that are no layer: copies, sums, zeros, and conversions between stored and scalar type.
#pragma once

#include <foal/table/run_values.hpp>

namespace foal::executor {

namespace detail {

/// Stored as 8-bit integers, a tensor is the scales of the rows that the microbatch has, then their integers.
inline std::size_t scale_bytes(std::size_t elements, table::tensor const& stored) {
  return elements / static_cast<std::size_t>(stored.scale_row) * sizeof(float);
}

inline void quantise(table::run_tables const& t, void* device, table::tensor const& to, int samples,
                     lengths_of_axes const& lengths, void const* x, void* error, void* y) {
  auto const row = static_cast<std::size_t>(to.scale_row), most = static_cast<std::size_t>(to.sample.size());
  auto const n = static_cast<std::size_t>(to.used(samples, lengths));
  samples = samples_at(to.sample, lengths, samples);
  std::size_t const one = n / static_cast<std::size_t>(samples);
  auto* const scale = static_cast<std::byte*>(y);
  std::byte* const q = scale + scale_bytes(n, to);
  if (error == nullptr || one == most) return t.device.quantise(device, n / row, row, x, error, scale, q);
  // Errors lie where the longest microbatch has its positions, or one after the other where it is ragged.
  for (std::size_t i = 0; i < static_cast<std::size_t>(samples); ++i)
    t.device.quantise(device, one / row, row, static_cast<std::byte const*>(x) + i * one * t.scalar_bytes,
                      static_cast<std::byte*>(error) + i * most * t.scalar_bytes, scale + scale_bytes(i * one, to),
                      q + i * one);
}

}  // namespace detail

/// Does one such step for `samples` samples of these lengths. x, other, y: where the step's tensors are.
inline void move(table::run_tables const& t, void* device, table::stage_table const& stage, table::step const& s,
                 int samples, lengths_of_axes const& lengths, void const* x, void* other, void* y) {
  using kind = table::step::kind;
  table::tensor const& to = stage.tensors[static_cast<std::size_t>(s.y)];
  auto const n = static_cast<std::size_t>(to.used(samples, lengths));
  auto const bytes = static_cast<std::size_t>(table::scaled_bytes(
      static_cast<long long>(n), to.element_bytes > 0 ? to.element_bytes : static_cast<int>(t.scalar_bytes), to.scale_row));
  switch (s.what) {
    case kind::zero:
      return t.device.zero(device, y, bytes);
    case kind::copy:
      return t.device.copy(device, y, x, bytes);
    case kind::widen:
      if (table::tensor const& from = stage.tensors[static_cast<std::size_t>(s.x)]; from.scale_row > 0) {
        auto const row = static_cast<std::size_t>(from.scale_row);
        return t.device.dequantise(device, n / row, row, x, static_cast<std::byte const*>(x) + detail::scale_bytes(n, from),
                                   y);
      }
      return t.device.widen(device, n, x, y);
    case kind::narrow:
      if (to.scale_row > 0) return detail::quantise(t, device, to, samples, lengths, x, other, y);
      return t.device.narrow(device, n, x, y);
    default:
      return t.device.add(device, n, x, other, y);
  }
}

}  // namespace foal::executor
