// Convolution on the host: register tiles that read the maps where they lie, framed by zeros where the window has padding.
#pragma once

#include <algorithm>
#include <cstddef>

#include <foal/device/framed.hpp>
#include <foal/device/host/product.hpp>
#include <foal/device/host/window_outer.hpp>
#include <foal/device/host/window_sums.hpp>

namespace foal::device::host_ops {

/// Feature maps are channels last. x [samples, height, width, channels], weight [kernel, kernel, channels, filters],
/// y [samples, out_height, out_width, filters]; scratch holds framed_elements(g, filters) elements.
///
/// The order of additions: an element of y or dx is one chain over the window, in order, so it does not depend on the number
/// of samples; an element of dweight is a sum of 128 positions after the other, or, where a window of one position makes it
/// a product (and that is faster: with at least as many filters as channels), one chain over all positions.
class convolution_ops : public product_ops {
 public:
  using product_ops::product_ops;

  /// y = x * weight.
  template <class S>
  void convolve(window const& g, int filters, int samples, S const* x, S const* weight, S* y, S* scratch) const {
    if (pointwise(g)) return product_nn(samples * g.positions(), filters, g.channels, x, weight, y);
    for_blocks(g, forward_frame(g), samples, x, scratch, [&](int first, int count, S const* maps) {
      auto const pack = [&](auto width, index k, index depth, index column, S* block) {
        S const* const from = weight + k * filters + column;
        if (filters == width.value) return from;
        for (index i = 0; i < depth; ++i) std::copy_n(from + i * filters, width.value, block + i * width.value);
        return static_cast<S const*>(block);
      };
      index const positions = g.positions(), row = g.out_width();
      outputs<S> const to{y + first * positions * filters, positions * filters, row * filters, filters};
      window_sums(workspace()).run<S>(forward_places(g, count), forward_runs(g), filters, maps, to, pack);
    });
  }

  /// dx = the gradient of x from dy: for each residue of the positions by the stride a convolution of dy with those taps of
  /// the weight that meet there.
  template <class S>
  void convolve_gradient(window const& g, int filters, int samples, S const* dy, S const* weight, S* dx, S* scratch) const {
    if (pointwise(g)) return chained_nt(samples * g.positions(), g.channels, filters, dy, weight, dx);
    for_blocks(g, gradient_frame(g, filters), samples, dy, scratch, [&](int first, int count, S const* maps) {
      for (int rh = 0; rh < std::min(g.stride, g.height); ++rh) {
        for (int rw = 0; rw < std::min(g.stride, g.width); ++rw) {
          gradient_of_residue(g, filters, count, maps, weight, rh, rw, dx + first * in_elements(g));
        }
      }
    });
  }

  /// dweight += the gradient of the weight from x and dy.
  template <class S>
  void convolve_weight_gradient(window const& g, int filters, int samples, S const* x, S const* dy, S* dweight,
                                S* scratch) const {
    if (pointwise(g) && filters >= g.channels)
      return product_tn(g.channels, filters, samples * g.positions(), x, dy, dweight, true);
    for_blocks(g, forward_frame(g), samples, x, scratch, [&](int first, int count, S const* maps) {
      index const from = static_cast<index>(first) * g.positions() * filters;
      window_outer(workspace()).run(forward_places(g, count), forward_runs(g), filters, maps, dy + from, dweight);
    });
  }

 private:
  using index = std::ptrdiff_t;
  static_assert(std::max(window_sums::workspace_bytes, window_outer::workspace_bytes) <= workspace_bytes);

  /// Each output is of one position: the maps are matrices of positions and channels.
  static bool pointwise(window const& g) { return g.kernel == 1 && g.stride == 1 && g.padding == 0; }

  static index in_elements(window const& g) { return static_cast<index>(g.height) * g.width * g.channels; }

  static places forward_places(window const& g, int samples) {
    frame const f = forward_frame(g);
    index const row = static_cast<index>(f.framed_width()) * g.channels;
    return {samples, g.out_height(), g.out_width(), f.elements(), g.stride * row, static_cast<index>(g.stride) * g.channels};
  }
  static window_runs forward_runs(window const& g) {
    index const row = static_cast<index>(forward_frame(g).framed_width()) * g.channels;
    return {g.kernel, static_cast<index>(g.kernel) * g.channels, row};
  }

  /// dx at the rows rh, rh + stride, ... and columns rw, rw + stride, ...
  template <class S>
  void gradient_of_residue(window const& g, int filters, int samples, S const* maps, S const* weight, int rh, int rw,
                           S* dx) const {
    frame const f = gradient_frame(g, filters);
    index const c = g.channels, row = static_cast<index>(f.framed_width()) * filters;
    residue_taps const th(g, rh), tw(g, rw);
    places const at{samples, (g.height - 1 - rh) / g.stride + 1, (g.width - 1 - rw) / g.stride + 1, f.elements(), row,
                    filters};
    outputs<S> const to{dx + (static_cast<index>(rh) * g.width + rw) * c, in_elements(g), g.stride * g.width * c,
                        g.stride * c};
    if (th.count == 0 || tw.count == 0) {  // no output sees these positions
      walker w(at);
      for (index left = at.count(); left > 0; --left, w.next()) std::fill_n(to.at(w.n, w.i, w.j), c, S(0));
      return;
    }
    auto const pack = [&](auto width, index k, index depth, index column, S* block) {
      for (S* out = block; depth > 0;) {  // one tap after the other
        index const tap = k / filters, within = k % filters, n = std::min(depth, filters - within);
        index const kh = th.first + (th.count - 1 - tap / tw.count) * g.stride,
                    kw = tw.first + (tw.count - 1 - tap % tw.count) * g.stride;
        S const* const from = weight + ((kh * g.kernel + kw) * c + column) * filters + within;  // [column, depth]
        transpose_panel<S, width.value>(n, from, filters, out);
        out += n * width.value;
        k += n;
        depth -= n;
      }
      return static_cast<S const*>(block);
    };
    S const* const from = maps + (f.above + th.place) * row + static_cast<index>(f.left + tw.place) * filters;
    window_sums(workspace()).run<S>(at, {th.count, static_cast<index>(tw.count) * filters, row}, c, from, to, pack);
  }

  /// Calls body(first sample, samples, their framed maps), block by block; maps without a frame are read where they lie.
  template <class S, class Body>
  static void for_blocks(window const& g, frame const& f, int samples, S const* x, S* scratch, Body body) {
    if (f.empty()) return body(0, samples, x);
    int const block = framed_samples(g, f), blocks = (samples + block - 1) / block;
    for (int b = 0; b < blocks; ++b) {
      int const first = static_cast<int>(static_cast<index>(samples) * b / blocks),
                last = static_cast<int>(static_cast<index>(samples) * (b + 1) / blocks);
      for (int n = first; n < last; ++n) {
        S const* const from = x + static_cast<index>(n) * f.height * f.width * f.channels;
        add_frame(f, from, scratch + (n - first) * f.elements());
      }
      body(first, last - first, scratch);
    }
  }

  template <class S>
  static void add_frame(frame const& f, S const* x, S* to) {
    index const c = f.channels, inner = f.width * c, row = f.framed_width() * c;
    std::fill_n(to, f.above * row + f.left * c, S(0));
    to += f.above * row + f.left * c;
    for (int h = 0; h < f.height; ++h, x += inner, to += row) {
      std::copy_n(x, inner, to);
      index const gap = h + 1 < f.height ? row - inner : f.right * c + f.below * row;
      std::fill_n(to + inner, gap, S(0));
    }
  }
};

}  // namespace foal::device::host_ops
