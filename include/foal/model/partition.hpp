// Balanced stages: an exact min-max partition of a model's stages by FLOPs.
#pragma once

#include <vector>

#include <foal/core/min_max_partition.hpp>
#include <foal/model/stages.hpp>

namespace foal {

/// Net with its stages merged into K, balanced by forward FLOPs (backward costs twice as much everywhere).
template <int K, model Net>
struct balanced {
  static_assert(K >= 1 && K <= stage_count<Net>,
                "foal: cannot balance a model over K stages, because it has fewer layers with weights than that; lower K");
  static constexpr int items = Net::items;
  static constexpr model_description<items> description = [] {
    model_description<items> d = Net::description;
    std::vector<long long> cost(static_cast<std::size_t>(stage_count<Net>), 0);
    for (int i = 0; i < d.size; ++i) cost[static_cast<std::size_t>(d.row[i].stage)] += d.row[i].flops;
    std::vector<int> const group = min_max_partition(cost, K);
    for (int i = 0; i < d.size; ++i) d.row[i].stage = group[static_cast<std::size_t>(d.row[i].stage)];
    d.stages = K;
    return d;
  }();

  template <class Visitor>
  static constexpr void visit(Visitor& v) {
    Net::visit(v);
  }
};

}  // namespace foal
