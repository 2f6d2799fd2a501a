// Pooling on the host: maximum and mean over windows, mean over all positions.
#pragma once

#include <algorithm>
#include <cstddef>

#include <foal/device/window.hpp>

namespace foal::device::host_ops {

/// Feature maps are channels last: x [samples, height, width, channels], y [samples, out_height, out_width, channels].
/// A window that reaches into the padding has only its elements inside the map.
struct pooling_ops {
  /// y = the largest element of each window and channel (NaN wins), place = its position in the window, row by row; the
  /// first of equals. place may be null.
  template <class S>
  static void max_pool(window const& g, int samples, S const* x, S* y, unsigned char* place) {
    constexpr int tile = 64;  // channels whose maxima and places stay in registers or the first cache
    for_windows(g, samples, [&](spot const& in, std::ptrdiff_t out) {
      for (int c0 = 0; c0 < g.channels; c0 += tile) {
        int const width = std::min(tile, g.channels - c0);
        S best[tile];
        int index[tile];
        std::fill_n(index, width, in.top * g.kernel + in.left);
        std::copy_n(x + in.offset(g, in.top, in.left) + c0, width, best);
        for_places(g, in, [&](int k, std::ptrdiff_t offset) {
          S const* const from = x + offset + c0;
          for (int c = 0; c < width; ++c) {
            // Comparisons with NaN are false, so !(from <= best) lets a new NaN in, and best == best keeps an old one.
            bool const better = !(from[c] <= best[c]) & (best[c] == best[c]);
            index[c] = better ? k : index[c];
            best[c] = better ? from[c] : best[c];
          }
        });
        std::copy_n(best, width, y + out + c0);
        if (place == nullptr) continue;
        for (int c = 0; c < width; ++c) place[out + c0 + c] = static_cast<unsigned char>(index[c]);
      }
    });
  }

  /// dx = dy at the place of each window's maximum, summed over windows.
  template <class S>
  static void max_pool_gradient(window const& g, int samples, S const* dy, unsigned char const* place, S* dx) {
    std::fill_n(dx, static_cast<std::ptrdiff_t>(samples) * g.height * g.width * g.channels, S(0));
    for_windows(g, samples, [&](spot const& in, std::ptrdiff_t out) {
      for_places(g, in, [&](int k, std::ptrdiff_t offset) {
        S const* __restrict from = dy + out;
        unsigned char const* __restrict index = place + out;
        S* __restrict to = dx + offset;
        for (int c = 0; c < g.channels; ++c) to[c] += index[c] == k ? from[c] : S(0);
      });
    });
  }

  /// y = the mean of each window and channel.
  template <class S>
  static void average_pool(window const& g, int samples, S const* x, S* y) {
    S const share = S(1) / static_cast<S>(g.kernel * g.kernel);
    for_windows(g, samples, [&](spot const& in, std::ptrdiff_t out) {
      S* __restrict sum = y + out;
      for (int c = 0; c < g.channels; ++c) sum[c] = S(0);
      for_places(g, in, [&](int, std::ptrdiff_t offset) {
        S const* __restrict from = x + offset;
        for (int c = 0; c < g.channels; ++c) sum[c] += from[c];
      });
      for (int c = 0; c < g.channels; ++c) sum[c] *= share;
    });
  }

  /// dx = dy / kernel^2, summed over windows.
  template <class S>
  static void average_pool_gradient(window const& g, int samples, S const* dy, S* dx) {
    S const share = S(1) / static_cast<S>(g.kernel * g.kernel);
    std::fill_n(dx, static_cast<std::ptrdiff_t>(samples) * g.height * g.width * g.channels, S(0));
    for_windows(g, samples, [&](spot const& in, std::ptrdiff_t out) {
      for_places(g, in, [&](int, std::ptrdiff_t offset) {
        S const* __restrict from = dy + out;
        S* __restrict to = dx + offset;
        for (int c = 0; c < g.channels; ++c) to[c] += share * from[c];
      });
    });
  }

  /// y [samples, channels] = the mean over positions of x [samples, positions, channels].
  template <class S>
  static void mean_of_positions(int samples, int positions, int channels, S const* x, S* y) {
    S const share = S(1) / static_cast<S>(positions);
    for (std::ptrdiff_t n = 0; n < samples; ++n) {
      S* __restrict sum = y + n * channels;
      for (int c = 0; c < channels; ++c) sum[c] = S(0);
      for (std::ptrdiff_t p = 0; p < positions; ++p) {
        S const* __restrict from = x + (n * positions + p) * channels;
        for (int c = 0; c < channels; ++c) sum[c] += from[c];
      }
      for (int c = 0; c < channels; ++c) sum[c] *= share;
    }
  }

  /// dx [samples, positions, channels] = dy [samples, channels] / positions.
  template <class S>
  static void mean_of_positions_gradient(int samples, int positions, int channels, S const* dy, S* dx) {
    S const share = S(1) / static_cast<S>(positions);
    for (std::ptrdiff_t n = 0; n < samples; ++n) {
      S const* __restrict from = dy + n * channels;
      for (std::ptrdiff_t p = 0; p < positions; ++p) {
        S* __restrict to = dx + (n * positions + p) * channels;
        for (int c = 0; c < channels; ++c) to[c] = share * from[c];
      }
    }
  }

 private:
  /// Where a window lies: its corner, which may be outside, and which of its rows and columns are inside.
  struct spot {
    std::ptrdiff_t corner;  // the offset in x of what would be its first element
    int top, bottom, left, right;

    std::ptrdiff_t offset(window const& g, int row, int column) const {
      return corner + (static_cast<std::ptrdiff_t>(row) * g.width + column) * g.channels;
    }
  };

  /// Calls body(spot, offset in y) for each window.
  template <class Body>
  static void for_windows(window const& g, int samples, Body body) {
    std::ptrdiff_t const c = g.channels;
    std::ptrdiff_t out = 0;
    for (std::ptrdiff_t n = 0; n < samples; ++n) {
      for (int oh = 0; oh < g.out_height(); ++oh) {
        int const row = oh * g.stride - g.padding;
        for (int ow = 0; ow < g.out_width(); ++ow, out += c) {
          int const column = ow * g.stride - g.padding;
          body(spot{((n * g.height + row) * g.width + column) * c, std::max(0, -row), std::min(g.kernel, g.height - row),
                    std::max(0, -column), std::min(g.kernel, g.width - column)},
               out);
        }
      }
    }
  }

  /// Calls body(position in the window, its offset in x) for each position of a window that is inside.
  template <class Body>
  static void for_places(window const& g, spot const& in, Body body) {
    for (int kh = in.top; kh < in.bottom; ++kh) {
      for (int kw = in.left; kw < in.right; ++kw) body(kh * g.kernel + kw, in.offset(g, kh, kw));
    }
  }
};

}  // namespace foal::device::host_ops
