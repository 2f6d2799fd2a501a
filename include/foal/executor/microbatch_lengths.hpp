// How long a microbatch's sequences are, as it travels from stage to stage.
#pragma once

#include <cstddef>
#include <vector>

#include <foal/executor/tables.hpp>
#include <foal/tensor/shape.hpp>

namespace foal::executor {

/// The lengths of one microbatch, and where its samples begin if it is ragged. Room for them is taken once: to assign one to
/// another of as many samples allocates nothing.
class microbatch_lengths {
 public:
  microbatch_lengths(int samples, int axes)
      : samples_(samples),
        axes_(axes),
        begin_(static_cast<std::size_t>(axes) * (static_cast<std::size_t>(samples) + 1), 0) {}

  lengths_of_axes const& all() const { return all_; }

  /// Where the samples of a sequence of this shape lie; empty where they are padded or the shape has no axis.
  sample_bounds bounds(shape s) const {
    if (!all_.ragged || s.axis == 0) return {};
    return {samples_, begin_.data() + place(s.axis)};
  }

  /// Asks the source for those of a microbatch.
  void load(source_functions const& from, long long microbatch) {
    all_ = {};
    if (from.sample_lengths == nullptr) {
      if (from.lengths != nullptr) all_ = from.lengths(from.self, microbatch);
      return;
    }
    all_.ragged = true;
    for (int axis = 1; axis <= axes_; ++axis) {
      int* const begin = begin_.data() + place(axis);
      begin[0] = 0;
      from.sample_lengths(from.self, microbatch, axis, begin + 1);
      for (int i = 0; i < samples_; ++i) begin[i + 1] += begin[i];
      all_.length[axis - 1] = begin[samples_];
    }
  }

 private:
  std::size_t place(int axis) const { return static_cast<std::size_t>(axis - 1) * (static_cast<std::size_t>(samples_) + 1); }

  int samples_, axes_;
  lengths_of_axes all_{};
  std::vector<int> begin_;  // [axes, samples + 1]
};

}  // namespace foal::executor
