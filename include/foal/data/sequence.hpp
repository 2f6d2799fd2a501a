// What a source of sequences is: samples of one or two texts whose lengths differ.
//
// A source is read by several workers at once, so its functions are const, lock nothing, allocate nothing, and depend on
// their arguments alone.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <vector>

#include <foal/tensor/shape.hpp>

namespace foal::data {

/// The target of a position that is padding: no loss, no gradient, no weight.
inline constexpr std::int32_t ignored_target = -100;

/// What token numbers must be below in a vocabulary of that size; 0: in any, so that the number of classes is an int.
constexpr std::int32_t tokens_below(int vocabulary) {
  return vocabulary == 0 ? std::numeric_limits<std::int32_t>::max() : vocabulary;
}

/// Sample i is in [0, size()). Its lengths are those of axes() axes, numbered from 1, in positions as the model gets them
/// (bos or eos included); longest(axis) is the largest. The target lies on the last axis.
///   A language model has axis 1 and the entry 0: token numbers.
///   A translation has axis 1, the source, axis 2, the target, and the entries 0: source numbers, 1: the source's length, 2:
///   the target's numbers, shifted right, beginning with bos.
/// entries() inputs of the model: entry_axis(e) is the axis of entry e, 0 where it is one value a sample. write_entry(i, e,
/// longest, x) writes `longest` values (at least length(i, axis)), those beyond the sample's length the padding 0; or one
/// value. write_target(i, longest, t) writes `longest` targets, those beyond the length ignored_target. weight(i) is the
/// number of targets that count. May have classes(): targets are below; without it a fit or an evaluation looks at all of
/// them first.
template <class T>
concept sequence_source = requires(T const& s, long long i, int k, float* x, double* y, std::int32_t* t) {
  { s.size() } -> std::convertible_to<long long>;
  { s.axes() } -> std::convertible_to<int>;
  { s.length(i, k) } -> std::convertible_to<int>;
  { s.longest(k) } -> std::convertible_to<int>;
  { s.entries() } -> std::convertible_to<int>;
  { s.entry_axis(k) } -> std::convertible_to<int>;
  { s.weight(i) } -> std::convertible_to<long long>;
  s.write_entry(i, k, k, x);
  s.write_entry(i, k, k, y);
  s.write_target(i, k, t);
};

/// The lengths of one sample.
template <sequence_source Source>
lengths_of_axes lengths_of(Source const& source, long long index) {
  lengths_of_axes result;
  for (int a = 0; a < source.axes() && a < most_axes; ++a) result.length[a] = source.length(index, a + 1);
  return result;
}

/// Shorter on the first axis first, of equal ones on the second.
constexpr bool shorter(lengths_of_axes const& a, lengths_of_axes const& b) {
  for (int i = 0; i < most_axes; ++i)
    if (a.length[i] != b.length[i]) return a.length[i] < b.length[i];
  return false;
}

/// The lengths that hold both.
constexpr lengths_of_axes longer_of(lengths_of_axes a, lengths_of_axes const& b) {
  for (int i = 0; i < most_axes; ++i) a.length[i] = std::max(a.length[i], b.length[i]);
  return a;
}

/// All samples, the shorter first (source, then target); of equal ones the smaller index.
template <sequence_source Source>
std::vector<long long> sequence_order(Source const& source) {
  std::vector<long long> order;
  for (long long i = 0; i < source.size(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](long long a, long long b) { return shorter(lengths_of(source, a), lengths_of(source, b)); });
  return order;
}

}  // namespace foal::data
