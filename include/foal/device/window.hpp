// The geometry of a window that slides over feature maps: what convolution and pooling ops need to know, on every device.
#pragma once

#include <foal/tensor/shape.hpp>

namespace foal::device {

/// Feature maps [samples, height, width, channels], a square window, equal strides and zero padding on all sides.
struct window {
  int height = 1, width = 1, channels = 1;
  int kernel = 1, stride = 1, padding = 0;

  constexpr int out_height() const { return extent(height); }
  constexpr int out_width() const { return extent(width); }
  /// Output positions of one sample.
  constexpr int positions() const { return out_height() * out_width(); }
  /// Elements that one output position sees: the depth of a convolution's product.
  constexpr int depth() const { return kernel * kernel * channels; }
  /// Whether every output position sees exactly its input position, so a convolution is a product without any copy.
  constexpr bool pointwise() const { return kernel == 1 && stride == 1 && padding == 0; }

  /// Samples whose patches are gathered at once: the gathered matrix stays near 64 Ki elements, so it is still cached when
  /// the product reads it, and does not grow with the microbatch.
  constexpr int samples_per_block() const {
    long long const one = static_cast<long long>(positions()) * depth();
    return one >= 65536 ? 1 : static_cast<int>(65536 / one);
  }
  /// Scratch elements of a convolution, whatever the microbatch.
  constexpr long long patch_elements() const {
    return pointwise() ? 0 : static_cast<long long>(samples_per_block()) * positions() * depth();
  }

 private:
  constexpr int extent(int size) const {
    int const room = size + 2 * padding - kernel;
    return room < 0 ? 0 : room / stride + 1;
  }
};

/// The window over one sample of shape `in`.
constexpr window window_over(shape in, int kernel, int stride, int padding) {
  return {in.height(), in.width(), in.channels(), kernel, stride, padding};
}

}  // namespace foal::device
