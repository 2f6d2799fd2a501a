// How long a microbatch's sequences are, as it travels from stage to stage.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/plan/inputs.hpp>
#include <foal/tensor/shape.hpp>

namespace foal::executor {

/// Buffers are planned for what the inputs hold, so nothing longer may come in. where: "microbatch 7".
inline void check_length(int positions, int most, int axis, char const* where, long long number) {
  require(positions >= 0 && positions <= most, "cannot take ", where, " ", number, ", because it has ", positions,
          " positions on axis ", axis, " and the model's inputs hold 0 to ", most,
          "; give foal::tokens<longest, axis> that hold them, or shorter samples");
}

/// The same on every axis, of padded samples.
inline void check_lengths(lengths_of_axes const& n, lengths_of_axes const& most, char const* where, long long number) {
  for (int a = 0; a < most_axes; ++a)
    if (most.length[a] > 0) check_length(n.length[a], most.length[a], a + 1, where, number);
}

/// The lengths of one microbatch, and where its samples begin if it is ragged: a view of numbers that lie elsewhere,
/// [ragged, length of each axis, that of the whole sequences of which this is a segment, then for each axis samples + 1
/// places], all zero at first.
class microbatch_lengths {
 public:
  /// Numbers of one microbatch.
  static constexpr std::size_t size(int samples) {
    return 1 + 2 * most_axes + static_cast<std::size_t>(most_axes) * (static_cast<std::size_t>(samples) + 1);
  }

  microbatch_lengths(int* numbers, int samples) : at_(numbers), samples_(samples) {}

  lengths_of_axes all() const {
    lengths_of_axes n;
    n.ragged = at_[0] != 0;
    for (int a = 0; a < most_axes; ++a) n.length[a] = at_[1 + a];
    return n;
  }

  /// Where the samples of a sequence of this shape lie; empty where they are padded or the shape has no axis.
  sample_bounds bounds(shape s) const {
    if (at_[0] == 0 || s.axis == 0) return {};
    return {samples_, begin(s.axis)};
  }

  /// Positions of the whole sequences on an axis, after cut().
  int whole(int axis) const { return at_[most_axes + axis]; }
  /// From those of whole microbatches, as load() gives them, to those of one segment.
  void cut(segment_range of, lengths_of_axes const& most, long long microbatch) {
    require(at_[0] == 0, "cannot take microbatch ", microbatch, " in ", of.count,
            " segments, because it is ragged; give padded ones (data::layout::padded)");
    for (int a = 0; a < most_axes; ++a) {
      if (most.length[a] == 0) continue;
      of.whole = at_[1 + a] > 0 ? at_[1 + a] : most.length[a];
      require(of.whole >= of.count, "cannot take microbatch ", microbatch, " in ", of.count, " segments, because it has ",
              of.whole, " positions on axis ", a + 1, "; use as many segments at most, or longer samples");
      at_[1 + most_axes + a] = of.whole;
      at_[1 + a] = of.positions(of.number);
    }
  }

  /// Becomes a copy of another one of as many samples.
  void take(microbatch_lengths from) { std::copy_n(from.at_, size(samples_), at_); }

  /// Asks the source for those of a microbatch. most: see longest_of(). Throws foal::error where they are more than the
  /// model's inputs hold.
  void load(table::source_functions const& from, long long microbatch, lengths_of_axes const& most) {
    std::fill_n(at_, 1 + most_axes, 0);
    if (from.sample_lengths == nullptr) {
      lengths_of_axes const n = from.lengths != nullptr ? from.lengths(from.self, microbatch) : lengths_of_axes{};
      at_[0] = n.ragged ? 1 : 0;
      std::copy_n(n.length, most_axes, at_ + 1);
      check_lengths(n, most, "microbatch", microbatch);
      return;
    }
    at_[0] = 1;
    for (int axis = 1; axis <= most_axes; ++axis) {
      int const longest = most.length[axis - 1];
      if (longest == 0) continue;
      int* const place = begin(axis);
      place[0] = 0;
      from.sample_lengths(from.self, microbatch, axis, place + 1);
      for (int i = 0; i < samples_; ++i) {
        check_length(place[i + 1], longest, axis, "a sample of microbatch", microbatch);
        place[i + 1] += place[i];
      }
      at_[axis] = place[samples_];
    }
  }

 private:
  int* begin(int axis) const {
    return at_ + 1 + 2 * most_axes + static_cast<std::size_t>(axis - 1) * (static_cast<std::size_t>(samples_) + 1);
  }

  int* at_;
  int samples_;
};

/// Lengths of microbatches in slots of equal size: microbatch m has slot m mod count. Empty where no axis has a length of
/// its own.
struct lengths_ring {
  int* numbers = nullptr;
  int samples = 0;
  std::uint32_t count = 0;

  bool empty() const { return count == 0; }
  microbatch_lengths at(std::uint32_t microbatch) const {
    return {numbers + (microbatch % count) * microbatch_lengths::size(samples), samples};
  }
};

}  // namespace foal::executor
