// A source over the user's own arrays: rows of numbers with labels or with rows of targets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/data/part.hpp>
#include <foal/tensor/shape.hpp>

namespace foal::data {

/// n rows of X beside n rows of targets Y. Values are handed on as they are (converted to the asked type), without
/// normalisation.
template <class X = float, class Y = std::int32_t>
class memory {
 public:
  memory() = default;

  /// x: [n, sample] (images channels last); y: [n, target_size]. Throws foal::error where the sizes do not fit.
  memory(shape sample, std::vector<X> x, std::vector<Y> y, int target_size = 1)
      : sample_(sample), target_size_(target_size), x_(std::move(x)), y_(std::move(y)) {
    require(sample.size() > 0 && target_size > 0, "cannot make a source, because a sample has ", sample.size(),
            " elements and its target ", target_size, "; give sizes above 0");
    require(x_.size() % row() == 0 && y_.size() % wanted() == 0 && x_.size() / row() == y_.size() / wanted(),
            "cannot make a source, because ", x_.size(), " values are not rows of ", row(), " for ", y_.size(),
            " target values in rows of ", wanted(), "; give as many samples as targets");
    size_ = static_cast<long long>(x_.size() / row());
  }

  /// A part of n samples: rows that are not in it are left out.
  memory(part which, long long n, shape sample, std::vector<X> x, std::vector<Y> y, int target_size = 1)
      : loaded_(which), size_(n), sample_(sample), target_size_(target_size), x_(std::move(x)), y_(std::move(y)) {
    require(sample.size() > 0 && target_size > 0 && n >= 0, "cannot make a source, because it has ", n,
            " samples, a sample has ", sample.size(), " elements and its target ", target_size, "; give sizes above 0");
    auto const count = static_cast<std::size_t>(n);
    require(x_.size() == (has_inputs(which) ? count * row() : 0) && y_.size() == (has_targets(which) ? count * wanted() : 0),
            "cannot make a source of a part, because ", x_.size(), " values and ", y_.size(),
            " target values are not those of ", n, " samples of ", row(), " and ", wanted(),
            "; give all of the part, and nothing of the other");
  }

  long long size() const { return size_; }
  part loaded() const { return loaded_; }
  shape sample() const { return sample_; }
  int target_size() const { return target_size_; }

  template <class S>
  void write_sample(long long index, S* x) const {
    detail::require_loaded(has_inputs(loaded_), "inputs", index);
    X const* const from = x_.data() + static_cast<std::size_t>(index) * row();
    for (std::size_t i = 0; i < row(); ++i) x[i] = static_cast<S>(from[i]);
  }

  template <class T>
  void write_target(long long index, T* target) const {
    detail::require_loaded(has_targets(loaded_), "targets", index);
    Y const* const from = y_.data() + static_cast<std::size_t>(index) * wanted();
    for (std::size_t i = 0; i < wanted(); ++i) target[i] = static_cast<T>(from[i]);
  }

 private:
  std::size_t row() const { return static_cast<std::size_t>(sample_.size()); }
  std::size_t wanted() const { return static_cast<std::size_t>(target_size_); }

  part loaded_ = part::both;
  long long size_ = 0;
  shape sample_{};
  int target_size_ = 1;
  std::vector<X> x_;
  std::vector<Y> y_;
};

}  // namespace foal::data
