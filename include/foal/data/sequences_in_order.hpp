// The pass over sequences that an evaluation sees: all of them once, by length, the last microbatch partial.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/data/sequence.hpp>
#include <foal/tensor/shape.hpp>

namespace foal::data {

/// Microbatches of `source` in the order of sequence_order(). Refers to the source, which must live longer. The const
/// members allocate nothing and may be called from several threads at once.
template <sequence_source Source>
class sequences_in_order {
 public:
  /// Throws foal::error if the microbatch size is not positive.
  sequences_in_order(Source const& from, int microbatch_size)
      : source_(&from), samples_(microbatch_size), order_(sequence_order(from)) {
    require(microbatch_size > 0, "cannot batch, because the microbatch size is ", microbatch_size,
            "; give a number above 0");
  }
  sequences_in_order(Source const&&, int) = delete;

  long long microbatches() const { return (source_->size() + samples_ - 1) / samples_; }

  /// How many samples of a microbatch are real: M, or less for the last one.
  int samples(long long microbatch) const {
    return static_cast<int>(std::min<long long>(samples_, source_->size() - microbatch * samples_));
  }

  /// M.
  int microbatch_size() const { return samples_; }

  /// The lengths of sample i of a microbatch, without padding.
  lengths_of_axes lengths_of_sample(long long microbatch, int i) const { return lengths_of(*source_, index(microbatch, i)); }

  /// Which sample of the source is sample i of a microbatch.
  long long index(long long microbatch, int i) const { return order_[static_cast<std::size_t>(microbatch * samples_ + i)]; }

  /// The longest of a microbatch's samples, on each axis.
  lengths_of_axes lengths(long long microbatch) const {
    lengths_of_axes result;
    for (int i = 0; i < samples(microbatch); ++i) result = longer_of(result, lengths_of(*source_, index(microbatch, i)));
    return result;
  }

  /// Writes [M, length of the entry's axis], or [M] values. Rows from samples() on are padding, of length 1.
  template <class S>
  void inputs(long long microbatch, int entry, S* x) const {
    int const axis = source_->entry_axis(entry), real = samples(microbatch);
    std::ptrdiff_t const row = axis == 0 ? 1 : lengths(microbatch).length[axis - 1];
    for (int i = 0; i < real; ++i) source_->write_entry(index(microbatch, i), entry, static_cast<int>(row), x + i * row);
    std::fill(x + real * row, x + samples_ * row, static_cast<S>(axis == 0 ? 1 : 0));
  }

  /// Writes [M, length of the last axis]; padding, and rows from samples() on, are ignored_target.
  void targets(long long microbatch, std::int32_t* t) const {
    int const real = samples(microbatch);
    std::ptrdiff_t const row = lengths(microbatch).length[source_->axes() - 1];
    for (int i = 0; i < real; ++i) source_->write_target(index(microbatch, i), static_cast<int>(row), t + i * row);
    std::fill(t + real * row, t + samples_ * row, ignored_target);
  }

 private:
  Source const* source_;
  int samples_;
  std::vector<long long> order_;
};

}  // namespace foal::data
