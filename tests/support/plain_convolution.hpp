// Convolution as its definition says it, in plain loops: the oracle in files where the host's matrix library has no place.
#pragma once

#include <cstddef>

#include <foal/device/window.hpp>

namespace foal::test {

struct convolution_elements {
  std::size_t x, y, weights;
};
inline convolution_elements elements_of(device::window const& g, int filters, int samples) {
  auto const at = [](long long n) { return static_cast<std::size_t>(n); };
  return {at(1LL * samples * g.height * g.width * g.channels), at(1LL * samples * g.positions() * filters),
          at(1LL * g.depth() * filters)};
}

/// Calls body(index in x, index in y, index in weight) for all that are multiplied with each other.
template <class Body>
void for_taps(device::window const& g, int filters, int samples, Body body) {
  using index = std::ptrdiff_t;
  for (index n = 0; n < samples; ++n)
    for (index p = 0; p < g.positions(); ++p)
      for (index tap = 0; tap < g.kernel * g.kernel; ++tap) {
        index const h = p / g.out_width() * g.stride - g.padding + tap / g.kernel,
                    w = p % g.out_width() * g.stride - g.padding + tap % g.kernel;
        if (h < 0 || h >= g.height || w < 0 || w >= g.width) continue;
        for (index c = 0; c < g.channels; ++c)
          for (index f = 0; f < filters; ++f)
            body(((n * g.height + h) * g.width + w) * g.channels + c, (n * g.positions() + p) * filters + f,
                 (tap * g.channels + c) * filters + f);
      }
}

template <class S>
void plain_convolve(device::window const& g, int filters, int samples, S const* x, S const* weight, S* y) {
  for (std::size_t i = 0; i < elements_of(g, filters, samples).y; ++i) y[i] = S(0);
  for_taps(g, filters, samples, [=](auto from, auto to, auto by) { y[to] += x[from] * weight[by]; });
}
template <class S>
void plain_convolve_gradient(device::window const& g, int filters, int samples, S const* dy, S const* weight, S* dx) {
  for (std::size_t i = 0; i < elements_of(g, filters, samples).x; ++i) dx[i] = S(0);
  for_taps(g, filters, samples, [=](auto to, auto from, auto by) { dx[to] += dy[from] * weight[by]; });
}
/// dweight +=.
template <class S>
void plain_convolve_weight_gradient(device::window const& g, int filters, int samples, S const* x, S const* dy, S* dweight) {
  for_taps(g, filters, samples, [=](auto from, auto by, auto to) { dweight[to] += x[from] * dy[by]; });
}

}  // namespace foal::test
