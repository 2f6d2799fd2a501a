// Pooling on the host: maximum and mean over windows, mean over all positions.
#pragma once

#include <algorithm>
#include <cstddef>

#include <foal/device/window.hpp>

namespace foal::device::host_ops {

/// Feature maps are channels last: x [samples, height, width, channels], y [samples, out_height, out_width, channels].
/// Windows have no padding here.
struct pooling_ops {
  /// y = the largest element of each window and channel (NaN wins), place = its position in the window, row by row; the
  /// first of equals. place may be null.
  template <class S>
  static void max_pool(window const& g, int samples, S const* x, S* y, unsigned char* place) {
    constexpr int tile = 64;  // channels whose maxima and places stay in registers or the first cache
    for_windows(g, samples, [&](std::ptrdiff_t in, std::ptrdiff_t out) {
      for (int c0 = 0; c0 < g.channels; c0 += tile) {
        int const width = std::min(tile, g.channels - c0);
        S best[tile];
        int index[tile] = {};
        std::copy_n(x + in + c0, width, best);
        for_places(g, [&](int k, std::ptrdiff_t offset) {
          S const* const from = x + in + offset + c0;
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
    for_windows(g, samples, [&](std::ptrdiff_t in, std::ptrdiff_t out) {
      for_places(g, [&](int k, std::ptrdiff_t offset) {
        S const* __restrict from = dy + out;
        unsigned char const* __restrict index = place + out;
        S* __restrict to = dx + in + offset;
        for (int c = 0; c < g.channels; ++c) to[c] += index[c] == k ? from[c] : S(0);
      });
    });
  }

  /// y = the mean of each window and channel.
  template <class S>
  static void average_pool(window const& g, int samples, S const* x, S* y) {
    S const share = S(1) / static_cast<S>(g.kernel * g.kernel);
    for_windows(g, samples, [&](std::ptrdiff_t in, std::ptrdiff_t out) {
      S* __restrict sum = y + out;
      for (int c = 0; c < g.channels; ++c) sum[c] = S(0);
      for_places(g, [&](int, std::ptrdiff_t offset) {
        S const* __restrict from = x + in + offset;
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
    for_windows(g, samples, [&](std::ptrdiff_t in, std::ptrdiff_t out) {
      for_places(g, [&](int, std::ptrdiff_t offset) {
        S const* __restrict from = dy + out;
        S* __restrict to = dx + in + offset;
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
  /// Calls body(offset of the window's first element in x, offset in y) for each window.
  template <class Body>
  static void for_windows(window const& g, int samples, Body body) {
    std::ptrdiff_t const c = g.channels;
    std::ptrdiff_t out = 0;
    for (std::ptrdiff_t n = 0; n < samples; ++n) {
      for (std::ptrdiff_t oh = 0; oh < g.out_height(); ++oh) {
        for (std::ptrdiff_t ow = 0; ow < g.out_width(); ++ow, out += c) {
          body(((n * g.height + oh * g.stride) * g.width + ow * g.stride) * c, out);
        }
      }
    }
  }

  /// Calls body(position in the window, its offset in x) for each position of a window.
  template <class Body>
  static void for_places(window const& g, Body body) {
    for (int kh = 0; kh < g.kernel; ++kh) {
      for (int kw = 0; kw < g.kernel; ++kw) {
        body(kh * g.kernel + kw, (static_cast<std::ptrdiff_t>(kh) * g.width + kw) * g.channels);
      }
    }
  }
};

}  // namespace foal::device::host_ops
