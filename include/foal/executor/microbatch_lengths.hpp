// How long a microbatch's sequences are, as it travels from stage to stage.
#pragma once

#include <algorithm>
#include <cstddef>
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

/// The lengths of one microbatch, and where its samples begin if it is ragged. Room for them is taken once: to assign one to
/// another of as many samples allocates nothing.
class microbatch_lengths {
 public:
  /// most: see longest_of().
  microbatch_lengths(int samples, lengths_of_axes const& most)
      : samples_(samples), most_(most), begin_(static_cast<std::size_t>(most_axes) * place(2), 0) {}

  lengths_of_axes const& all() const { return all_; }

  /// Where the samples of a sequence of this shape lie; empty where they are padded or the shape has no axis.
  sample_bounds bounds(shape s) const {
    if (!all_.ragged || s.axis == 0) return {};
    return {samples_, begin_.data() + place(s.axis)};
  }

  /// Asks the source for those of a microbatch. Throws foal::error where they are more than the model's inputs hold.
  void load(table::source_functions const& from, long long microbatch) {
    all_ = {};
    if (from.sample_lengths == nullptr) {
      if (from.lengths != nullptr) all_ = from.lengths(from.self, microbatch);
      check_lengths(all_, most_, "microbatch", microbatch);
      return;
    }
    all_.ragged = true;
    for (int axis = 1; axis <= most_axes; ++axis) {
      int const most = most_.length[axis - 1];
      if (most == 0) continue;
      int* const begin = begin_.data() + place(axis);
      begin[0] = 0;
      from.sample_lengths(from.self, microbatch, axis, begin + 1);
      for (int i = 0; i < samples_; ++i) {
        check_length(begin[i + 1], most, axis, "a sample of microbatch", microbatch);
        begin[i + 1] += begin[i];
      }
      all_.length[axis - 1] = begin[samples_];
    }
  }

 private:
  std::size_t place(int axis) const { return static_cast<std::size_t>(axis - 1) * (static_cast<std::size_t>(samples_) + 1); }

  int samples_;
  lengths_of_axes most_;
  lengths_of_axes all_{};
  std::vector<int> begin_;  // [axis, samples + 1]
};

}  // namespace foal::executor
