// What a loss is, and what it gives back for one microbatch.
//
// A loss is a plain struct of numbers with role = foal::role::loss, name, target (void: the run's scalar), targets(shape)
// and weight(shape, samples), as the losses beside this file have them, and apply(), which gives a loss_result. For devices
// whose ops are done later than they return it also has an apply() with a place in device memory at the end,
// device::loss_sums*, in which it leaves the sum, what it is an average of, and the correct ones; without, such a device
// waits for each loss. It may say `using ops`, as layers do. A loss whose
// targets are class numbers, one for each position of its input, says so with
//   static constexpr bool classes = true    targets are 0 to channels - 1; every other one is refused with a sentence
//   static constexpr target ignored = ...   none; a target that does not count: no loss, no gradient, no weight
// Then a run counts, before the first loss of a minibatch, the targets of the minibatch that count, and divides by that.
// It may say static constexpr bool has_accuracy, whether its `correct` means something; if it does not say so, it does where
// target is not void. Without, no accuracy is reported.
#pragma once

#include <foal/core/config.hpp>
#include <foal/device/loss_sums.hpp>

namespace foal::loss {

/// sum: of the samples' losses; weight: what the sum is an average of when divided by it (samples, or targets); correct:
/// targets that were the largest entry (0 where that means nothing). Sums and weights of microbatches add up.
struct loss_result {
  double sum = 0;
  double weight = 0;
  long long correct = 0;
};

/// Of what apply() has left on an asynchronous device.
constexpr loss_result result_of(device::loss_sums const& s) { return {s.sum, static_cast<double>(s.counted), s.correct}; }

}  // namespace foal::loss
