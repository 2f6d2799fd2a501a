// Feature maps with a frame of zeros around them: where a convolution and its gradient read, without a case for the border.
#pragma once

#include <algorithm>

#include <foal/device/window.hpp>

namespace foal::device {

/// Zeros on each side of maps [height, width, channels] of one sample.
struct frame {
  int height = 1, width = 1, channels = 1;
  int above = 0, below = 0, left = 0, right = 0;

  constexpr bool empty() const { return above + below + left + right == 0; }
  constexpr int framed_width() const { return left + width + right; }
  constexpr long long elements() const { return static_cast<long long>(above + height + below) * framed_width() * channels; }
};

/// The part of a window along one axis that the input gradient of the positions `residue`, residue + stride, ... sees: the
/// taps first, first + stride, ..., of which the last meets the output at `place`, counted from the first of those
/// positions. A window [first, ...] at output o covers the input o * stride - padding + tap, so for each input position the
/// taps are those of one residue, and as the tap falls the output position rises.
struct residue_taps {
  int first = 0, count = 0, place = 0;

  constexpr residue_taps(window const& g, int residue) : first((residue + g.padding) % g.stride) {
    count = first < g.kernel ? (g.kernel - first + g.stride - 1) / g.stride : 0;
    place = (residue + g.padding - first) / g.stride - (count - 1);
  }
};

/// The frame of x for a convolution.
constexpr frame forward_frame(window const& g) {
  return {g.height, g.width, g.channels, g.padding, g.padding, g.padding, g.padding};
}

/// The frame of dy for the input gradient, with `filters` channels.
constexpr frame gradient_frame(window const& g, int filters) {
  int before = 0, below = 0, right = 0;
  for (int r = 0; r < g.stride; ++r) {
    residue_taps const t(g, r);
    if (t.count == 0) continue;
    before = std::max(before, -t.place);
    auto const behind = [&](int size, int out) {
      return size > r ? (size - 1 - r) / g.stride + t.place + t.count - out : 0;
    };
    below = std::max(below, behind(g.height, g.out_height()));
    right = std::max(right, behind(g.width, g.out_width()));
  }
  return {g.out_height(), g.out_width(), filters, before, below, before, right};
}

/// Samples that are framed at once: enough for 512 positions, so that packed weights serve many, but near 160 Ki elements at
/// most, so that they stay cached. It does not grow with the microbatch.
constexpr int framed_samples(window const& g, frame const& f) {
  long long const wanted = (512 + g.positions() - 1) / g.positions();
  return static_cast<int>(std::clamp((160LL << 10) / std::max(1LL, f.elements()), 1LL, wanted));
}

/// Scratch elements of a convolution, whatever the microbatch.
constexpr long long framed_elements(window const& g, int filters) {
  long long most = 0;
  for (frame const& f : {forward_frame(g), gradient_frame(g, filters)}) {
    if (!f.empty()) most = std::max(most, framed_samples(g, f) * f.elements());
  }
  return most;
}

}  // namespace foal::device
