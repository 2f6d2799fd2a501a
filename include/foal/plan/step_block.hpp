// The block of a unit on an asynchronous device: numbers that change from step to step, and results that are read late.
#pragma once

#include <algorithm>
#include <cstddef>

#include <foal/table/run_tables.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// Where what lies in a unit's block, in bytes: table::step_numbers, the functors of the parameters' updates, those of the
/// op at work, and of the last stage the sums of losses.
struct step_block {
  std::size_t update = 0, weight = 0;  ///< of one parameter
  std::size_t updates = 0, weights = 0, losses = 0, bytes = 0;
  int loss_slots = 0;

  std::size_t update_at(std::size_t parameter) const { return updates + parameter * update; }
  std::size_t weight_at(std::size_t parameter) const { return weights + parameter * weight; }
  std::size_t loss_at(std::size_t slot) const { return losses + slot * sizeof(device::loss_sums); }
};

/// Losses on their way: those of two minibatches, so that a worker waits for none of them while it goes on.
inline step_block block_of(table::run_tables const& t, std::size_t stage, int microbatches) {
  step_block b;
  if (!t.device.asynchronous) return b;
  auto const room = [](std::size_t bytes) { return (bytes + 15) / 16 * 16; };
  table::policy_functions const& p = t.policies;
  for (int i = 0; i < p.optimizers; ++i) b.update = std::max(b.update, room(p.optimizer[i].numbers.bytes));
  b.weight = room(std::max({p.forward_numbers.bytes, p.backward_numbers.bytes, p.gradient_numbers.bytes}));
  std::size_t const count = t.stages[stage].parameters.size();
  b.updates = padded(sizeof(table::step_numbers));
  b.weights = padded(b.update_at(count));
  b.losses = padded(b.weight_at(count));
  b.loss_slots = stage + 1 == t.stages.size() ? 2 * microbatches * t.segments : 0;
  b.bytes = padded(b.loss_at(static_cast<std::size_t>(b.loss_slots)));
  return b;
}

}  // namespace foal::executor
