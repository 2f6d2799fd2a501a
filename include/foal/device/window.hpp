// The geometry of a window that slides over feature maps: what convolution and pooling ops need to know, on every device.
#pragma once

#include <foal/core/config.hpp>
#include <foal/tensor/shape.hpp>

namespace foal::device {

/// Feature maps [samples, height, width, channels], a square window, equal strides and zero padding on all sides.
struct window {
  int height = 1, width = 1, channels = 1;
  int kernel = 1, stride = 1, padding = 0;

  FOAL_HOST_DEVICE constexpr int out_height() const { return extent(height); }
  FOAL_HOST_DEVICE constexpr int out_width() const { return extent(width); }
  /// Output positions of one sample.
  FOAL_HOST_DEVICE constexpr int positions() const { return out_height() * out_width(); }
  /// Elements that one output position sees: the depth of a convolution's product.
  FOAL_HOST_DEVICE constexpr int depth() const { return kernel * kernel * channels; }

 private:
  FOAL_HOST_DEVICE constexpr int extent(int size) const {
    int const room = size + 2 * padding - kernel;
    return room < 0 ? 0 : room / stride + 1;
  }
};

/// The window over one sample of shape `in`.
constexpr window window_over(shape in, int kernel, int stride, int padding) {
  return {in.height(), in.width(), in.channels(), kernel, stride, padding};
}

}  // namespace foal::device
