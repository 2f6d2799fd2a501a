// What a source of samples is: anything that can write its i-th sample and its i-th target.
//
// A source is read by several workers at once, so its functions are const, lock nothing, allocate nothing, and depend on
// their arguments alone. data::split (labelled images) and data::memory (arrays) are sources; a user's own plain struct is
// one too.
#pragma once

#include <concepts>
#include <cstdint>

#include <foal/tensor/shape.hpp>

namespace foal::data {

/// size() samples of shape sample(); write_sample(i, x) writes sample().size() elements, channels last; write_target(i, t)
/// writes target_size() elements (1 for a label). i is in [0, size()). May have classes(): class numbers are below; without
/// it a fit or an evaluation looks at all of them first.
template <class T>
concept source = requires(T const& s, long long i, float* x, double* y) {
  { s.size() } -> std::convertible_to<long long>;
  { s.sample() } -> std::convertible_to<shape>;
  { s.target_size() } -> std::convertible_to<int>;
  s.write_sample(i, x);
  s.write_sample(i, y);
};

/// Samples of several entries, for a model of foal::inputs: entry e of a sample has the shape entry(e), and write_entry(i,
/// e, x) writes it.
template <class T>
concept entries_source = requires(T const& s, long long i, int e, float* x, double* y) {
  { s.size() } -> std::convertible_to<long long>;
  { s.entries() } -> std::convertible_to<int>;
  { s.entry(e) } -> std::convertible_to<shape>;
  { s.target_size() } -> std::convertible_to<int>;
  s.write_entry(i, e, x);
  s.write_entry(i, e, y);
};

/// Samples of one size each, of one entry or of several.
template <class T>
concept sample_source = source<T> || entries_source<T>;

}  // namespace foal::data
