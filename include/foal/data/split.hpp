// One labelled image split held in memory: 8-bit pixels, channels last, and the normalisation that turns them into numbers.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/data/part.hpp>
#include <foal/tensor/shape.hpp>

namespace foal::data {

/// Per channel: a pixel p in 0..255 becomes (p / 255 - mean) / deviation.
struct normalisation {
  std::vector<double> mean, deviation;

  /// Mean and standard deviation of each channel over all pixels (channels last). The sums are integers, hence exact. A
  /// channel that never changes gets deviation 1.
  static normalisation measure(int channels, std::span<std::uint8_t const> pixels) {
    normalisation result;
    for (int c = 0; c < channels; ++c) {
      std::uint64_t sum = 0, squares = 0, count = 0;
      for (std::size_t i = static_cast<std::size_t>(c); i < pixels.size(); i += static_cast<std::size_t>(channels)) {
        std::uint64_t const p = pixels[i];
        sum += p;
        squares += p * p;
        ++count;
      }
      double const n = count == 0 ? 1.0 : static_cast<double>(count);
      double const mean = static_cast<double>(sum) / n;
      double const variance = static_cast<double>(squares) / n - mean * mean;
      result.mean.push_back(mean / 255.0);
      result.deviation.push_back(variance > 1e-9 ? std::sqrt(variance) / 255.0 : 1.0);
    }
    return result;
  }
};

/// A labelled image split. Its const members are safe to call from several threads and do not allocate.
class split {
 public:
  split() = default;

  /// pixels: [n, H, W, C]; labels: n values in [0, classes). Throws foal::error where sizes, labels or channels disagree.
  split(shape sample, int classes, std::vector<std::uint8_t> pixels, std::vector<std::int32_t> labels, normalisation scale)
      : split(part::both, labels.size(), sample, classes, std::move(pixels), std::move(labels), std::move(scale)) {}

  /// The same of a part of n samples: pixels, or labels, that are not in it are left out.
  split(part which, std::size_t n, shape sample, int classes, std::vector<std::uint8_t>&& pixels,
        std::vector<std::int32_t>&& labels, normalisation scale)
      : size_(n),
        loaded_(which),
        sample_(sample),
        classes_(classes),
        pixels_(std::move(pixels)),
        labels_(std::move(labels)),
        scale_(std::move(scale)) {
    require(sample.rank == 3 && sample.size() > 0, "cannot make a split, because its samples have rank ", sample.rank,
            " and ", sample.size(), " elements where images have rank 3; give foal::image(channels, height, width)");
    require(pixels_.size() == (has_inputs(which) ? n * elements() : 0) && labels_.size() == (has_targets(which) ? n : 0),
            "cannot make a split, because ", pixels_.size(), " pixels are not ", labels_.size(), " labels x ", elements(),
            " pixels a sample; give as many images as labels");
    auto const channels = static_cast<std::size_t>(sample.channels());
    require(scale_.mean.size() == channels && scale_.deviation.size() == channels,
            "cannot make a split, because its normalisation has ", scale_.mean.size(), " means and ",
            scale_.deviation.size(), " deviations for ", channels, " channels; give one of each per channel");
    for (std::size_t i = 0; i < labels_.size(); ++i)
      require(labels_[i] >= 0 && labels_[i] < classes, "cannot make a split, because the label of sample ", i, " is ",
              labels_[i], " and there are ", classes, " classes; give labels from 0 to ", classes - 1);
    value_.reserve(channels * 256);
    for (std::size_t c = 0; c < channels; ++c)
      for (int p = 0; p < 256; ++p) value_.push_back((p / 255.0 - scale_.mean[c]) / scale_.deviation[c]);
  }

  long long size() const { return static_cast<long long>(size_); }
  part loaded() const { return loaded_; }
  shape sample() const { return sample_; }
  int classes() const { return classes_; }
  int target_size() const { return 1; }
  normalisation const& scale() const { return scale_; }

  /// Writes the normalised sample, [H, W, C]. index is in [0, size()). Rounded to S once, from double.
  template <class S>
  void write_sample(long long index, S* x) const {
    detail::require_loaded(has_inputs(loaded_), "inputs", index);
    std::size_t const channels = static_cast<std::size_t>(sample_.channels());
    std::uint8_t const* const p = pixels_.data() + static_cast<std::size_t>(index) * elements();
    for (std::size_t i = 0, c = 0; i < elements(); ++i) {
      x[i] = static_cast<S>(value_[c * 256 + p[i]]);
      c = c + 1 == channels ? 0 : c + 1;
    }
  }

  std::int32_t label(long long index) const {
    detail::require_loaded(has_targets(loaded_), "targets", index);
    return labels_[static_cast<std::size_t>(index)];
  }

  template <class T>
  void write_target(long long index, T* target) const {
    *target = static_cast<T>(label(index));
  }

  /// The pixels of one sample as they are on disk, but channels last.
  std::span<std::uint8_t const> pixels(long long index) const {
    detail::require_loaded(has_inputs(loaded_), "inputs", index);
    return {pixels_.data() + static_cast<std::size_t>(index) * elements(), elements()};
  }

 private:
  std::size_t elements() const { return static_cast<std::size_t>(sample_.size()); }

  std::size_t size_ = 0;
  part loaded_ = part::both;
  shape sample_{};
  int classes_ = 0;
  std::vector<std::uint8_t> pixels_;
  std::vector<std::int32_t> labels_;
  normalisation scale_;
  std::vector<double>
      value_;  // [channel][pixel]: a table, so that a value cannot depend on how a compiler contracts the formula
};

/// What a loader gives: two splits that share one normalisation, measured on the training split.
struct dataset {
  split train, test;
  std::string name;
};

}  // namespace foal::data
