// What training has changed in a trainer, to compare runs by: weights and running statistics.
#pragma once

#include <cstddef>
#include <vector>

namespace foal::test {

/// All weights, then the buffers of every stage in their order.
template <class Trainer>
std::vector<typename Trainer::scalar_type> learned(Trainer const& t) {
  std::vector<typename Trainer::scalar_type> all = t.all_weights();
  for (int s = 0; s < Trainer::stages; ++s)
    for (std::size_t i = 0; i < t.tables().stages[static_cast<std::size_t>(s)].buffers.size(); ++i)
      for (auto const v : t.statistics(s, i)) all.push_back(v);
  return all;
}

}  // namespace foal::test
