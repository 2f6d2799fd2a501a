// Random changes of training images: each a plain struct of numbers, applied out of place to one sample.
//
// An augmentation is any struct with
//   template <class S> void operator()(random_key const& key, shape sample, S const* x, S* y) const
// that reads the image x and writes y, both [H, W, C] and not overlapping. It draws its random numbers from `key` (seed, the
// augmentation's place in the pack, the sample's ordinal in the run) and from nothing else. It may have void check() const,
// which throws foal::error where its numbers cannot work; foal::data::batches calls it first.
#pragma once

#include <algorithm>
#include <cstdint>

#include <foal/core/error.hpp>
#include <foal/core/random.hpp>
#include <foal/tensor/shape.hpp>

namespace foal::data::augment {

namespace detail {

/// A number in [-reach, reach], each as likely.
constexpr int draw(random_key const& key, std::uint32_t element, int reach) {
  std::uint64_t const choices = 2 * static_cast<std::uint64_t>(reach) + 1;
  return static_cast<int>((random_word(key, element) * choices) >> 32U) - reach;
}

inline constexpr int farthest = 1 << 20;  ///< that an image is moved, in pixels

template <class S>
void copy_pixel(S const* from, S* to, int channels) {
  for (int c = 0; c < channels; ++c) to[c] = from[c];
}

}  // namespace detail

/// Mirrors left and right, with the given probability.
struct flip {
  float probability = 0.5F;

  void check() const {
    require_number(probability >= 0 && probability <= 1, "flip", "probability", static_cast<double>(probability), "0 to 1");
  }

  template <class S>
  void operator()(random_key const& key, shape sample, S const* x, S* y) const {
    bool const mirrored = random_unit(key, 0) < probability;
    int const width = sample.width(), channels = sample.channels();
    for (int h = 0; h < sample.height(); ++h)
      for (int w = 0; w < width; ++w) {
        int const from = mirrored ? width - 1 - w : w;
        detail::copy_pixel(x + (h * width + from) * channels, y + (h * width + w) * channels, channels);
      }
  }
};

/// Pads with `padding` zeros (the mean colour, as samples are normalised) on all four sides, then cuts out the original size
/// at a random place.
struct crop {
  int padding = 4;

  void check() const {
    require_number(padding >= 0 && padding <= detail::farthest, "crop", "padding", padding, "0 to 1048576");
  }

  template <class S>
  void operator()(random_key const& key, shape sample, S const* x, S* y) const {
    int const down = detail::draw(key, 0, padding), right = detail::draw(key, 1, padding);
    int const height = sample.height(), width = sample.width(), channels = sample.channels();
    for (int h = 0; h < height; ++h)
      for (int w = 0; w < width; ++w) {
        int const from_h = h + down, from_w = w + right;
        S* const to = y + (h * width + w) * channels;
        if (from_h < 0 || from_h >= height || from_w < 0 || from_w >= width)
          std::fill_n(to, channels, S{0});
        else
          detail::copy_pixel(x + (from_h * width + from_w) * channels, to, channels);
      }
  }
};

/// Moves by up to `pixels` along both axes; the border row or column is repeated, so that a plain background stays plain.
struct shift {
  int pixels = 1;

  void check() const {
    require_number(pixels >= 0 && pixels <= detail::farthest, "shift", "pixels", pixels, "0 to 1048576");
  }

  template <class S>
  void operator()(random_key const& key, shape sample, S const* x, S* y) const {
    int const down = detail::draw(key, 0, pixels), right = detail::draw(key, 1, pixels);
    int const height = sample.height(), width = sample.width(), channels = sample.channels();
    for (int h = 0; h < height; ++h)
      for (int w = 0; w < width; ++w) {
        int const from_h = std::clamp(h + down, 0, height - 1), from_w = std::clamp(w + right, 0, width - 1);
        detail::copy_pixel(x + (from_h * width + from_w) * channels, y + (h * width + w) * channels, channels);
      }
  }
};

}  // namespace foal::data::augment
