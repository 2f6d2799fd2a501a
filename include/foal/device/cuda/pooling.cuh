// Pooling on the GPU: maximum and mean over windows, mean over all positions. Each output, and in the backward each input,
// has a thread that reads all it depends on, in the host's order, so nothing is added by two.
#pragma once

#include <cstddef>

#include <foal/device/cuda/columns.cuh>
#include <foal/device/window.hpp>

namespace foal::device::cuda_ops {

/// A window's numbers for kernels, with the extents that it gives on the host.
struct pool_window {
  int height, width, channels, kernel, stride, padding, out_height, out_width;
  pool_window(window const& g)
      : height(g.height),
        width(g.width),
        channels(g.channels),
        kernel(g.kernel),
        stride(g.stride),
        padding(g.padding),
        out_height(g.out_height()),
        out_width(g.out_width()) {}

  /// Calls body(position in the window, offset in x) for what is inside of the window of an output's place.
  template <class Body>
  __device__ void inside(std::size_t place, Body body) const {
    int const c = static_cast<int>(place % static_cast<std::size_t>(channels));
    std::size_t const row = place / static_cast<std::size_t>(channels);
    int const at = static_cast<int>(row % static_cast<std::size_t>(out_height * out_width));
    std::size_t const first =
        row / static_cast<std::size_t>(out_height * out_width) * static_cast<std::size_t>(height * width);
    int const top = at / out_width * stride - padding, left = at % out_width * stride - padding;
    for (int i = 0; i < kernel; ++i)
      for (int j = 0; j < kernel; ++j) {
        int const h = top + i, w = left + j;
        if (h < 0 || h >= height || w < 0 || w >= width) continue;
        body(i * kernel + j, (first + static_cast<std::size_t>(h * width + w)) * static_cast<std::size_t>(channels) +
                                 static_cast<std::size_t>(c));
      }
  }
  /// Calls body(position in the window, offset in y) for each window that has an input's place, in their order.
  template <class Body>
  __device__ void around(std::size_t place, Body body) const {
    int const c = static_cast<int>(place % static_cast<std::size_t>(channels));
    std::size_t const row = place / static_cast<std::size_t>(channels);
    int const at = static_cast<int>(row % static_cast<std::size_t>(height * width));
    std::size_t const first =
        row / static_cast<std::size_t>(height * width) * static_cast<std::size_t>(out_height * out_width);
    int const h = at / width + padding, w = at % width + padding;  // from the padding's corner
    int const first_i = h < kernel ? 0 : (h - kernel) / stride + 1, first_j = w < kernel ? 0 : (w - kernel) / stride + 1;
    for (int i = first_i; i < out_height && i * stride <= h; ++i)
      for (int j = first_j; j < out_width && j * stride <= w; ++j)
        body((h - i * stride) * kernel + w - j * stride,
             (first + static_cast<std::size_t>(i * out_width + j)) * static_cast<std::size_t>(channels) +
                 static_cast<std::size_t>(c));
  }
  int outputs(int samples) const { return samples * out_height * out_width; }
  int inputs(int samples) const { return samples * height * width; }
};

/// One column at a time, nothing kept of it.
struct single_column {
  static constexpr int width = 1;
  struct nothing {};
  __device__ nothing at(int) const { return {}; }
};

template <class S>
struct max_pool_element : single_column {
  pool_window g;
  S const* x;
  S* y;
  unsigned char* place;
  max_pool_element(pool_window const& w, S const* from, S* to, unsigned char* at) : g(w), x(from), y(to), place(at) {}
  __device__ void operator()(nothing, std::size_t i) const {
    bool any = false;
    S best = S(0);
    int where = 0;
    g.inside(i, [&](int k, std::size_t at) {
      // A NaN is let in, and kept: comparisons with it are false.
      bool const better = !any || (!(x[at] <= best) && best == best);
      if (better) best = x[at], where = k;
      any = true;
    });
    y[i] = best;
    if (place != nullptr) place[i] = static_cast<unsigned char>(where);
  }
};

/// y = the largest element of each window and channel (NaN wins), place = its position in it, as the host has them.
template <class S>
void max_pool(cudaStream_t stream, window const& g, int samples, S const* x, S* y, unsigned char* place) {
  pool_window const w(g);
  over_rows("max_pool", stream, w.outputs(samples), g.channels, max_pool_element<S>(w, x, y, place));
}

template <class S>
struct max_pool_gradient_element : single_column {
  pool_window g;
  S const* dy;
  unsigned char const* place;
  S* dx;
  max_pool_gradient_element(pool_window const& w, S const* from, unsigned char const* at, S* to)
      : g(w), dy(from), place(at), dx(to) {}
  __device__ void operator()(nothing, std::size_t i) const {
    S sum = S(0);
    g.around(i, [&](int k, std::size_t at) { sum += place[at] == k ? dy[at] : S(0); });
    dx[i] = sum;
  }
};

/// dx = dy at the place of each window's maximum, summed over windows.
template <class S>
void max_pool_gradient(cudaStream_t stream, window const& g, int samples, S const* dy, unsigned char const* place, S* dx) {
  pool_window const w(g);
  over_rows("max_pool_gradient", stream, w.inputs(samples), g.channels, max_pool_gradient_element<S>(w, dy, place, dx));
}

template <class S>
struct average_pool_element : single_column {
  pool_window g;
  S const* x;
  S* y;
  S share;
  average_pool_element(pool_window const& w, S const* from, S* to, S by) : g(w), x(from), y(to), share(by) {}
  __device__ void operator()(nothing, std::size_t i) const {
    S sum = S(0);
    g.inside(i, [&](int, std::size_t at) { sum += x[at]; });
    y[i] = sum * share;
  }
};
template <class S>
struct average_pool_gradient_element : single_column {
  pool_window g;
  S const* dy;
  S* dx;
  S share;
  average_pool_gradient_element(pool_window const& w, S const* from, S* to, S by) : g(w), dy(from), dx(to), share(by) {}
  __device__ void operator()(nothing, std::size_t i) const {
    S sum = S(0);
    g.around(i, [&](int, std::size_t at) { sum += share * dy[at]; });
    dx[i] = sum;
  }
};

/// y = the mean of each window and channel.
template <class S>
void average_pool(cudaStream_t stream, window const& g, int samples, S const* x, S* y) {
  pool_window const w(g);
  over_rows("average_pool", stream, w.outputs(samples), g.channels,
            average_pool_element<S>(w, x, y, S(1) / static_cast<S>(g.kernel * g.kernel)));
}
/// dx = dy / kernel^2, summed over windows.
template <class S>
void average_pool_gradient(cudaStream_t stream, window const& g, int samples, S const* dy, S* dx) {
  pool_window const w(g);
  over_rows("average_pool_gradient", stream, w.inputs(samples), g.channels,
            average_pool_gradient_element<S>(w, dy, dx, S(1) / static_cast<S>(g.kernel * g.kernel)));
}

template <class S>
struct mean_of_positions_element : single_column {
  std::size_t positions, channels;
  S const* x;
  S* y;
  S share;
  mean_of_positions_element(int p, int c, S const* from, S* to)
      : positions(static_cast<std::size_t>(p)),
        channels(static_cast<std::size_t>(c)),
        x(from),
        y(to),
        share(S(1) / static_cast<S>(p)) {}
  __device__ void operator()(nothing, std::size_t i) const {
    S const* const from = x + i / channels * positions * channels + i % channels;
    S sum = S(0);
    for (std::size_t p = 0; p < positions; ++p) sum += from[p * channels];
    y[i] = sum * share;
  }
};
template <class S>
struct mean_of_positions_gradient_element : single_column {
  std::size_t positions, channels;
  S const* dy;
  S* dx;
  S share;
  mean_of_positions_gradient_element(int p, int c, S const* from, S* to)
      : positions(static_cast<std::size_t>(p)),
        channels(static_cast<std::size_t>(c)),
        dy(from),
        dx(to),
        share(S(1) / static_cast<S>(p)) {}
  __device__ void operator()(nothing, std::size_t i) const {
    dx[i] = share * dy[i / channels / positions * channels + i % channels];
  }
};

/// y [samples, channels] = the mean over positions of x [samples, positions, channels].
template <class S>
void mean_of_positions(cudaStream_t stream, int samples, int positions, int channels, S const* x, S* y) {
  over_rows("mean_of_positions", stream, samples, channels, mean_of_positions_element<S>(positions, channels, x, y));
}
/// dx [samples, positions, channels] = dy [samples, channels] / positions.
template <class S>
void mean_of_positions_gradient(cudaStream_t stream, int samples, int positions, int channels, S const* dy, S* dx) {
  over_rows("mean_of_positions_gradient", stream, samples * positions, channels,
            mean_of_positions_gradient_element<S>(positions, channels, dy, dx));
}

}  // namespace foal::device::cuda_ops
