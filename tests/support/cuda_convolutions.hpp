// Convolutions on the GPU beside plain loops in double.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include <foal/cuda.hpp>

#include "cuda_array.hpp"
#include "plain_convolution.hpp"
#include "rounded.hpp"

namespace foal::test {

/// A device with the workspace that a convolution of this shape needs.
template <class S, class Device = device::cuda>
struct with_convolution_room {
  std::size_t bytes;
  void* workspace = Device::allocate(bytes);
  Device device{workspace, bytes};
  with_convolution_room(device::window const& g, int filters)
      : bytes(Device::template workspace_for<S>({4, {g.kernel, g.kernel, g.channels, filters}})) {}
  with_convolution_room(with_convolution_room const&) = delete;
  ~with_convolution_room() { Device::release(workspace); }
};

struct convolution_problem {
  device::window g;
  int filters, samples;
};
// height, width, channels, kernel, stride, padding; filters, samples
inline constexpr convolution_problem convolution_problems[] = {
    {{8, 8, 16, 3, 1, 1}, 16, 3}, {{8, 8, 16, 3, 2, 1}, 32, 2}, {{7, 9, 3, 3, 1, 1}, 16, 2}, {{9, 7, 20, 3, 2, 1}, 47, 2},
    {{5, 5, 33, 1, 1, 0}, 70, 3}, {{1, 2, 20, 1, 1, 0}, 40, 1}, {{3, 4, 6, 1, 1, 1}, 8, 2},  {{6, 6, 12, 1, 2, 0}, 24, 3},
    {{11, 10, 4, 5, 3, 2}, 9, 2}, {{5, 5, 2, 2, 3, 0}, 3, 2},   {{2, 3, 4, 3, 1, 2}, 5, 1},  {{1, 1, 5, 3, 2, 1}, 1, 4},
    {{4, 4, 8, 3, 1, 0}, 8, 1},   {{12, 12, 3, 7, 2, 3}, 8, 2}, {{3, 5, 7, 3, 1, 1}, 30, 9},
};

template <class S>
struct convolution_results {
  std::vector<S> y, dx, dw;
};

template <class S, class Device = device::cuda>
convolution_results<S> convolved_on_the_gpu(convolution_problem const& p, std::size_t by = 0) {
  auto const e = elements_of(p.g, p.filters, p.samples);
  with_convolution_room<S, Device> gpu(p.g, p.filters);
  S const nan = std::numeric_limits<S>::quiet_NaN();
  auto const behind = [by](std::vector<S> const& v) {
    std::vector<S> all(by, S(7));
    all.insert(all.end(), v.begin(), v.end());
    return all;
  };
  array_on<Device, S> x(gpu.device, behind(numbers<S>(e.x, 1))), dy(gpu.device, behind(numbers<S>(e.y, 2))),
      w(gpu.device, behind(numbers<S>(e.weights, 3))), y(gpu.device, behind(std::vector<S>(e.y, nan))),
      dx(gpu.device, behind(std::vector<S>(e.x, nan))), dw(gpu.device, behind(numbers<S>(e.weights, 4)));
  auto const in = [by](array_on<Device, S>& all) { return static_cast<S const*>(all.data() + by); };
  S* const no_scratch = nullptr;
  gpu.device.convolve(p.g, p.filters, p.samples, in(x), in(w), y.data() + by, no_scratch);
  gpu.device.convolve_gradient(p.g, p.filters, p.samples, in(dy), in(w), dx.data() + by, no_scratch);
  gpu.device.convolve_weight_gradient(p.g, p.filters, p.samples, in(x), in(dy), dw.data() + by, no_scratch);
  auto const cut = [by](std::vector<S> v) { return std::vector<S>(v.begin() + static_cast<std::ptrdiff_t>(by), v.end()); };
  return {cut(y.values()), cut(dx.values()), cut(dw.values())};
}

/// The largest distance from plain loops in double, with factors that round() changes there.
template <class S, class Device = device::cuda, class Round = keep_numbers>
double convolutions_apart(convolution_problem const& p, std::size_t by = 0, Round round = {}) {
  auto const e = elements_of(p.g, p.filters, p.samples);
  auto const wide = [](std::vector<S> const& v) { return std::vector<double>(v.begin(), v.end()); };
  auto const x = wide(round(numbers<S>(e.x, 1))), dy = wide(round(numbers<S>(e.y, 2))),
             w = wide(round(numbers<S>(e.weights, 3)));
  std::vector<double> y(e.y), dx(e.x), dw = wide(numbers<S>(e.weights, 4));
  plain_convolve(p.g, p.filters, p.samples, x.data(), w.data(), y.data());
  plain_convolve_gradient(p.g, p.filters, p.samples, dy.data(), w.data(), dx.data());
  plain_convolve_weight_gradient(p.g, p.filters, p.samples, x.data(), dy.data(), dw.data());
  convolution_results<S> const there = convolved_on_the_gpu<S, Device>(p, by);
  return std::max({distance(wide(there.y), y), distance(wide(there.dx), dx), distance(wide(there.dw), dw)});
}

}  // namespace foal::test
