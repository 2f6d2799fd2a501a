// The calls of a stage's layers: what a run never changes of them is written once, so that an op fills in the rest.
#pragma once

#include <foal/executor/bound_stage.hpp>

namespace foal::executor {

/// Writes what ops leave alone: the device, shapes, the number of samples, where buffers and gradients lie. Needs a stage
/// whose table, device, gradients and buffers are bound. Allocates.
inline void prepare_calls(bound_stage& b, table::run_tables const& t, table::run_values const& v) {
  table::stage_table const& s = *b.table;
  b.calls.assign(s.layers.size(), {});
  b.earlier.assign(t.segments > 1 ? s.layers.size() : 0, {});
  for (std::size_t i = 0; i < s.layers.size(); ++i) {
    table::layer_row const& l = s.layers[i];
    if (l.carries) b.earlier[i].resize(static_cast<std::size_t>(t.segments) * static_cast<std::size_t>(1 + l.entries));
    table::layer_call& c = b.calls[i];
    c.device = b.device;
    c.in = l.in;
    c.out = l.out;
    for (int r = 0; r < l.reads; ++r) c.read_shape[r] = l.read_shape[r];
    c.samples = v.microbatch_size;
    c.microbatches = v.microbatches;
    c.random = {v.seed, purpose::dropout, static_cast<std::uint32_t>(l.number), 0};
    for (int k = 0; k < l.parameters; ++k)
      c.dw[k] = detail::in(b.microbatch != nullptr ? b.microbatch : b.g, t.types.gradients,
                           s.parameters[static_cast<std::size_t>(l.first_parameter + k)]);
    if (b.later != nullptr && l.call.drops_out) c.first_sample = b.later->sample();
    c.first_buffer = l.first_buffer;
    for (int k = 0; k < l.buffers; ++k)
      c.buffers[k] = detail::in(b.buffers, t.types.statistics, s.buffers[static_cast<std::size_t>(l.first_buffer + k)]);
  }
}

/// From here on weight gradients are added up where those of minibatch k of the phase are.
inline void turn_gradients(bound_stage& b, std::uint32_t k) {
  if (b.results.count < 2) return;
  auto* const to = static_cast<std::byte*>(b.results.at(k));
  std::ptrdiff_t const moved = to - b.g;
  b.g = to;
  if (b.microbatch != nullptr) return;
  for (std::size_t i = 0; i < b.calls.size(); ++i)
    for (int p = 0; p < b.table->layers[i].parameters; ++p)
      b.calls[i].dw[p] = static_cast<std::byte*>(b.calls[i].dw[p]) + moved;
}

/// Writes the shapes, bounds and number of samples that a call has in a microbatch, which has `samples` samples. Needs a
/// stage whose microbatches have lengths (b.lengths is not empty).
inline void give_lengths(table::layer_call& c, bound_stage const& b, table::layer_row const& l, std::uint32_t microbatch,
                         int samples) {
  microbatch_lengths const of = b.lengths.at(microbatch);
  lengths_of_axes const all = of.all();
  c.in = at_length(l.in, all);
  c.out = at_length(l.out, all);
  c.samples = samples_at(l.in, all, samples);
  c.bounds = of.bounds(l.in);
  for (int i = 0; i < l.reads; ++i) {
    c.read_shape[i] = at_length(l.read_shape[i], all);
    c.read_bounds[i] = of.bounds(l.read_shape[i]);
  }
}

}  // namespace foal::executor
