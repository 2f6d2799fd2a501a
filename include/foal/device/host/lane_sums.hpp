// The sums of the lanes of several vectors at once.
#pragma once

#include <cstring>

#include <foal/device/host/packet.hpp>

namespace foal::device::host_ops {

namespace detail {

/// Parts of Wide lanes, in each of which a and b hold `Group` lanes a group: the first halves of the groups of a, then of b.
template <int Lanes, int Wide, int Group, int From, class V, int... I>
[[gnu::always_inline]] inline V halves(V a, V b, std::integer_sequence<int, I...>) {
  constexpr int each = Group / 2, groups = Wide / Group;
  return __builtin_shufflevector(
      a, b, (I / Wide * Wide + I % Wide / each % groups * Group + From + I % each + I % Wide / each / groups * Lanes)...);
}

/// The groups of a, then those of b, each added to half as many lanes.
template <int Lanes, int Wide, int Group, class V>
[[gnu::always_inline]] inline V added_halves(V a, V b) {
  using lanes = std::make_integer_sequence<int, Lanes>;
  return halves<Lanes, Wide, Group, 0>(a, b, lanes{}) + halves<Lanes, Wide, Group, Group / 2>(a, b, lanes{});
}

/// Groups of `Group` lanes to single lanes; v[i] and v[i + Step], v[i + 2 Step], ... end in the parts of one vector, and
/// those beside each other lie beside each other there.
template <int Lanes, int Part, int Group, class V>
[[gnu::always_inline]] inline V sums_of_groups(V const* v, int first, int last) {
  if constexpr (Group == Lanes) {
    return v[first < last ? first : last];  // a vector too few: any, whose sum nobody reads
  } else if constexpr (Group >= Part) {     // across parts
    constexpr int step = Lanes / Group * Part / 2;
    return added_halves<Lanes, Lanes, 2 * Group>(sums_of_groups<Lanes, Part, 2 * Group>(v, first, last),
                                                 sums_of_groups<Lanes, Part, 2 * Group>(v, first + step, last));
  } else {  // within parts
    constexpr int step = Part / Group / 2;
    return added_halves<Lanes, Part, 2 * Group>(sums_of_groups<Lanes, Part, 2 * Group>(v, first, last),
                                                sums_of_groups<Lanes, Part, 2 * Group>(v, first + step, last));
  }
}

}  // namespace detail

/// total[i] = the sum of the lanes of v[i] by halving: lane l takes lane l + full / 2, and so on. As many vectors as one has
/// lanes are summed together. (Eigen's predux draws g++ warnings about intrinsics into the file that uses it.)
template <class S, int Count, class Vector>
[[gnu::always_inline]] inline void sums_of_lanes(Vector const* v, S* total) {
  constexpr int lanes = full_lanes<S>;
  if constexpr (lanes == 1) {
    for (int i = 0; i < Count; ++i) std::memcpy(total + i, v + i, sizeof(S));
  } else {
    typename detail::plain_vector<S, lanes>::type plain[extent(Count)];
#pragma GCC unroll 16
    for (int i = 0; i < Count; ++i) std::memcpy(&plain[i], v + i, sizeof plain[i]);
#pragma GCC unroll 16
    for (int i = 0; i < Count; i += lanes) {
      auto const sums = detail::sums_of_groups<lanes, detail::part_lanes<S, lanes>, 1>(plain, i, Count - 1);
      std::memcpy(total + i, &sums, sizeof(S) * extent(Count - i < lanes ? Count - i : lanes));
    }
  }
}

}  // namespace foal::device::host_ops
