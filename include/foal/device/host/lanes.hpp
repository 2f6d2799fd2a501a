// Sums and maxima along a row in vector registers: a fixed order for each length.
#pragma once

#include <foal/device/host/lane_sums.hpp>
#include <foal/device/host/packet.hpp>

namespace foal::device::host_ops {

/// Lanes elements of S in one register: those from p on, or all of one value.
template <class S, int Lanes>
struct lanes_of : packet<S, Lanes> {
  using type = typename packet<S, Lanes>::type;
  static type at(S const* p) { return Eigen::internal::ploadu<type>(p); }
  static type all(S value) { return Eigen::internal::pset1<type>(value); }
};

namespace detail {

/// Lanes elements joined by halving: lane i takes lane i + Lanes / 2, and so on. (Eigen's predux and pmax draw g++ warnings
/// about intrinsics into the files that use them.)
template <class S, int Lanes, class Join>
S joined_lanes(S* lane, Join join) {
  if constexpr (Lanes == 1) {
    return lane[0];
  } else {
    using half = lanes_of<S, Lanes / 2>;
    if constexpr (half::exists) {
      Eigen::internal::pstoreu(lane, join(half::at(lane), half::at(lane + Lanes / 2)));
    } else {
      for (int i = 0; i < Lanes / 2; ++i) lane[i] = join(lane[i], lane[i + Lanes / 2]);
    }
    return joined_lanes<S, Lanes / 2>(lane, join);
  }
}

/// term(lanes_of, i) joined over i in [0, n), starting from `start`: four registers side by side, then their lanes.
template <class S, class Term, class Join>
S reduce(int n, S start, Term term, Join join) {
  constexpr int width = full_lanes<S>;
  using lanes = lanes_of<S, width>;
  typename lanes::type part[4];
  for (auto& p : part) p = lanes::all(start);
  int i = 0;
  for (; i + 4 * width <= n; i += 4 * width) {
#pragma GCC unroll 4
    for (int l = 0; l < 4; ++l) part[l] = join(part[l], term(lanes{}, i + l * width));
  }
  for (; i + width <= n; i += width) part[0] = join(part[0], term(lanes{}, i));
  S lane[extent(width)];
  Eigen::internal::pstoreu(lane, join(join(part[0], part[1]), join(part[2], part[3])));
  S result = joined_lanes<S, width>(lane, join);
  for (; i < n; ++i) result = join(result, term(lanes_of<S, 1>{}, i));
  return result;
}

}  // namespace detail

/// Count sums over i in [0, n) in one pass, four registers side by side, then their lanes: add(lanes, i, sum) adds to sum[0
/// .. Count) the terms of a register of neighbours from i on (and, at the end, of a single i).
template <int Count, class S, class Add>
[[gnu::always_inline]] inline void sums_in_lanes(int n, S* total, Add add) {
  constexpr int width = full_lanes<S>;
  using lanes = lanes_of<S, width>;
  typename lanes::type part[4][extent(Count)];
#pragma GCC unroll 4
  for (auto& p : part)
#pragma GCC unroll 4
    for (auto& sum : p) sum = lanes::all(S(0));
  int i = 0;
  for (; i + 4 * width <= n; i += 4 * width) {
#pragma GCC unroll 4
    for (int l = 0; l < 4; ++l) add(lanes{}, i + l * width, part[l]);
  }
  for (; i + width <= n; i += width) add(lanes{}, i, part[0]);
#pragma GCC unroll 4
  for (int k = 0; k < Count; ++k)
    part[0][k] =
        Eigen::internal::padd(Eigen::internal::padd(part[0][k], part[1][k]), Eigen::internal::padd(part[2][k], part[3][k]));
  sums_of_lanes<S, Count>(part[0], total);
  for (; i < n; ++i) add(lanes_of<S, 1>{}, i, total);
}

/// The sum of term(lanes, i) over i in [0, n): term makes it for a register of neighbours from i on (and, at the end, for a
/// single i) out of lanes.at(p + i), lanes.all(value) and Eigen's packet functions.
template <class S, class Term>
S sum_in_lanes(int n, Term term) {
  return detail::reduce(n, S(0), term, [](auto const& a, auto const& b) { return Eigen::internal::padd(a, b); });
}

/// The sum of x[0 .. n).
template <class S>
S sum_of_row(int n, S const* x) {
  return sum_in_lanes<S>(n, [x](auto lanes, int i) { return lanes.at(x + i); });
}

/// body(lanes, i) for a register of neighbours from i on while there are as many in [0, n), then for single ones.
template <class S, class Body>
[[gnu::always_inline]] inline void for_lanes(int n, Body body) {
  constexpr int width = full_lanes<S>;
  int i = 0;
  for (; i + width <= n; i += width) body(lanes_of<S, width>{}, i);
  for (; i < n; ++i) body(lanes_of<S, 1>{}, i);
}

/// The larger of each lane; NaN is larger than nothing, but a = NaN stays.
template <class P>
P larger(P const& a, P const& b) {
  return b > a ? b : a;
}

/// The largest of x[0 .. n), n >= 1; NaN only if x[0] is.
template <class S>
S largest_of_row(int n, S const* x) {
  return detail::reduce(
      n, x[0], [x](auto lanes, int i) { return lanes.at(x + i); },
      [](auto const& a, auto const& b) { return larger(a, b); });
}

}  // namespace foal::device::host_ops
