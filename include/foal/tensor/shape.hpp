// The shape of one sample of a tensor: a structural value, so it can be a template argument and travel in error texts.
#pragma once

namespace foal {

/// Extents of one sample, without the sample dimension. Images are named (channels, height, width); their elements are
/// stored channels last: element (h, w, c) of a sample lies at (h * width + w) * channels + c.
struct shape {
  int rank = 0;
  int extent[4] = {1, 1, 1, 1};

  constexpr int size() const { return extent[0] * extent[1] * extent[2] * extent[3]; }
  constexpr int channels() const { return extent[0]; }
  constexpr int height() const { return extent[1]; }
  constexpr int width() const { return extent[2]; }
  constexpr bool operator==(shape const&) const = default;
};

/// A vector of n features.
constexpr shape features(int n) { return {1, {n, 1, 1, 1}}; }

/// An image (or feature map) of c channels, height h, width w.
constexpr shape image(int c, int h, int w) { return {3, {c, h, w, 1}}; }

}  // namespace foal
