// The shape of one sample of a tensor: a structural value, so it can be a template argument and travel in error texts.
#pragma once

#include <cstdint>
#include <limits>

#include <foal/core/checked.hpp>
#include <foal/core/config.hpp>
#include <foal/core/error.hpp>

namespace foal {

/// Extents of one sample, without the sample dimension. Images are named (channels, height, width); their elements are
/// stored channels last: element (h, w, c) of a sample lies at (h * width + w) * channels + c. Sequences (rank 2) are named
/// (features, positions) and stored position by position; `axis` says whose length they have, so sequences of different
/// texts are different shapes: 0 always all positions, 1, 2, ... the positions of that axis in the microbatch, of which the
/// extent is the largest number.
struct shape {
  int rank = 0;
  int extent[4] = {1, 1, 1, 1};
  int axis = 0;

  constexpr int size() const { return extent[0] * extent[1] * extent[2] * extent[3]; }
  constexpr int channels() const { return extent[0]; }
  constexpr int height() const { return extent[1]; }
  constexpr int width() const { return extent[2]; }
  constexpr int positions() const { return extent[1] * extent[2] * extent[3]; }  ///< at which there is a vector of channels
  constexpr bool operator==(shape const&) const = default;
};

namespace detail {

/// s, whose elements an int can count. Throws foal::error otherwise; in a constant expression that does not compile.
constexpr shape countable(shape s) {
  for (int const e : s.extent)
    if (e < 0) return s;  // what has no such shape is said by who made it
  std::uint64_t const size = saturating_size(s.extent);
  if (size > static_cast<std::uint64_t>(std::numeric_limits<int>::max()))
    throw error(sentence("cannot make a sample of ", s.extent[0], " x ", s.extent[1], " x ", s.extent[2], " x ", s.extent[3],
                         " elements, because these are ", size, " where at most ", std::numeric_limits<int>::max(),
                         " are expected; make it smaller"));
  return s;
}

}  // namespace detail

/// A vector of n features.
constexpr shape features(int n) { return {1, {n, 1, 1, 1}}; }

/// An image (or feature map) of c channels, height h, width w. Here and below: throws foal::error where a sample would have
/// more elements than an int can count.
constexpr shape image(int c, int h, int w) { return detail::countable({3, {c, h, w, 1}}); }

/// A sequence of at most n positions with c features each; its length is that of an axis (0: n).
constexpr shape sequence(int c, int n, int axis = 0) { return detail::countable({2, {c, n, 1, 1}, axis}); }

/// The same positions with c features each.
constexpr shape with_channels(shape s, int c) {
  s.extent[0] = c;
  return detail::countable(s);
}

/// Most length axes of a model.
inline constexpr int most_axes = 2;

/// The positions that each axis has in a microbatch: axis a at [a - 1]; 0: as many as the shape says. Padded, these are the
/// positions of each sample. Ragged, the samples lie one after the other without padding, and these are the positions of all
/// of them together.
struct lengths_of_axes {
  int length[most_axes] = {};
  bool ragged = false;
  constexpr bool operator==(lengths_of_axes const&) const = default;
};

/// The shape that a microbatch of these lengths has: where it is ragged, of all samples as if they were one.
constexpr shape at_length(shape s, lengths_of_axes const& n) {
  if (s.axis > 0 && (n.ragged || n.length[s.axis - 1] > 0)) s.extent[1] = n.length[s.axis - 1];
  return s;
}

/// How many of these shapes a microbatch of `samples` samples has.
constexpr int samples_at(shape s, lengths_of_axes const& n, int samples) { return n.ragged && s.axis > 0 ? 1 : samples; }

/// Which of the `count` segments of its sequences an op works on. Segment i of `whole` positions begins at position
/// whole * i / count. A sequence that is not cut is its only segment.
struct segment_range {
  int number = 0, count = 1;
  int whole = 0;  ///< positions of the sequence

  constexpr bool cut() const { return count > 1; }
  constexpr int first(int i) const { return static_cast<int>(static_cast<long long>(whole) * i / count); }
  constexpr int positions(int i) const { return first(i + 1) - first(i); }
  /// Of the segment at hand.
  constexpr int first() const { return first(number); }
  constexpr int segment_at(int position) const {
    int i = static_cast<int>((static_cast<long long>(position) * count) / (whole > 0 ? whole : 1));
    while (i + 1 < count && first(i + 1) <= position) ++i;
    return i;
  }
};

/// Positions of the longest of `count` segments.
constexpr int longest_segment(int whole, int count) { return (whole + count - 1) / count; }

/// The shape of the longest segment of a sequence; other shapes are not cut.
constexpr shape segment_of(shape s, int count) {
  if (s.rank == 2) s.extent[1] = longest_segment(s.extent[1], count);
  return s;
}

/// Where the samples of a ragged microbatch lie: sample i has the positions begin[i] to begin[i + 1] - 1. Empty where a
/// microbatch is padded: then each sample has as many as the next, which the functions are told.
struct sample_bounds {
  int samples = 0;
  int const* begin = nullptr;  ///< [samples + 1]

  constexpr int first(int i, int padded_positions) const { return begin == nullptr ? i * padded_positions : begin[i]; }
  constexpr int positions(int i, int padded_positions) const {
    return begin == nullptr ? padded_positions : begin[i + 1] - begin[i];
  }
};

}  // namespace foal
