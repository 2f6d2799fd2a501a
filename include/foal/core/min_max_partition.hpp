// Cuts a row of costs into groups so that the largest sum is as small as it can be.
#pragma once

#include <vector>

#include <foal/core/error.hpp>

namespace foal {

/// Cuts costs, each 0 or more, into `parts` contiguous non-empty groups so that the largest sum is as small as it can be;
/// gives each item's group. Exact, by dynamic programming over (items, groups), O(parts * n^2). Of equally good cuts the
/// first groups are made as large as possible: ordered 1F1B runs fastest with its slow rank first. Throws foal::error unless
/// 1 <= parts <= cost.size().
template <class Cost = long long>
constexpr std::vector<int> min_max_partition(std::vector<Cost> const& cost, int parts) {
  int const n = static_cast<int>(cost.size());
  if (parts < 1 || parts > n)
    throw error(sentence("cannot cut ", n, " costs into ", parts, " groups, because no group may be empty; use 1 to ", n,
                         " groups"));
  auto const at = [](int i) { return static_cast<std::size_t>(i); };
  std::vector<Cost> sum(at(n + 1), 0);
  for (int i = 0; i < n; ++i) sum[at(i + 1)] = sum[at(i)] + cost[at(i)];
  // best[i]: smallest possible largest sum of items i.. cut into p groups, for the p of the pass; cut: where the first ends.
  std::vector<Cost> best(at(n + 1), 0);
  std::vector<int> cut(at((parts + 1) * (n + 1)), n);
  for (int i = 0; i < n; ++i) best[at(i)] = sum[at(n)] - sum[at(i)];
  for (int p = 2; p <= parts; ++p)
    for (int i = 0; i + p <= n; ++i) {
      Cost least = -1;
      for (int j = i + 1; j + p - 1 <= n; ++j) {
        Cost const head = sum[at(j)] - sum[at(i)];
        Cost const worst = head > best[at(j)] ? head : best[at(j)];
        if (least < 0 || worst <= least) {
          least = worst;
          cut[at(p * (n + 1) + i)] = j;
        }
      }
      best[at(i)] = least;
    }
  std::vector<int> group(at(n), 0);
  for (int p = parts, i = 0, g = 0; p >= 1; --p, ++g) {
    int const end = p == 1 ? n : cut[at(p * (n + 1) + i)];
    for (; i < end; ++i) group[at(i)] = g;
  }
  return group;
}

}  // namespace foal
