// What a loss over rows gives back, on every device.
#pragma once

#include <foal/core/config.hpp>

#include <cstdint>

namespace foal::device {

/// A row with this class has no loss, no gradient and no weight (PyTorch's ignore_index).
inline constexpr std::int32_t ignored_target = -100;

/// The sum of a microbatch's losses, how many rows had their target as the largest entry, and how many were not ignored.
struct loss_sums {
  double sum = 0;
  long long correct = 0;
  long long counted = 0;
};

}  // namespace foal::device
