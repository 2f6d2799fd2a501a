// Sums and maxima along a row in sixteen interleaved parts: a fixed order that vectorises.
#pragma once

namespace foal::device::host_ops {

inline constexpr int row_lanes = 16;

/// lane[0] joined with all others by halving: lane l takes lane l + 8, then l + 4, and so on.
template <class S, class Join>
S joined_lanes(S* lane, Join join) {
  for (int width = row_lanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lane[l] = join(lane[l], lane[l + width]);
  }
  return lane[0];
}

/// The sum of term(i) over i in [0, n): lane l sums i = l, l + 16, ...
template <class S, class Term>
S sum_in_lanes(int n, Term term) {
  S lane[row_lanes] = {};
  int i = 0;
  for (; i + row_lanes <= n; i += row_lanes) {
    for (int l = 0; l < row_lanes; ++l) lane[l] += term(i + l);
  }
  for (int l = 0; i < n; ++i, ++l) lane[l] += term(i);
  return joined_lanes(lane, [](S a, S b) { return a + b; });
}

/// The largest of x[0 .. n), n >= 1; NaN is larger than nothing, but x[0] = NaN gives NaN.
template <class S>
S largest_in_lanes(int n, S const* x) {
  auto const larger = [](S a, S b) { return b > a ? b : a; };
  S lane[row_lanes];
  for (S& l : lane) l = x[0];
  int i = 0;
  for (; i + row_lanes <= n; i += row_lanes) {
    for (int l = 0; l < row_lanes; ++l) lane[l] = larger(lane[l], x[i + l]);
  }
  for (int l = 0; i < n; ++i, ++l) lane[l] = larger(lane[l], x[i]);
  return joined_lanes(lane, larger);
}

}  // namespace foal::device::host_ops
