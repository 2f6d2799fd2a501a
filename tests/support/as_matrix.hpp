// Steps of an optimizer that takes a parameter as a whole, on the host, for tests beside a plain loop.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <foal/device/host.hpp>
#include <foal/policy/optim/concept.hpp>

namespace foal::test {

constexpr shape matrix(int rows, int cols) { return {2, {rows, cols, 1, 1}}; }

/// A parameter with its states and scratch, as a run would plan them; scratch begins with what is not a number.
template <class Optimizer, class S = double>
struct whole_parameter {
  Optimizer optimizer;
  shape extent;
  std::vector<S> w, scratch;
  std::vector<std::vector<S>> states;
  optim::magnitudes most;
  bool bounded = true;

  whole_parameter(Optimizer o, shape e) : optimizer(o), extent(e), w(static_cast<std::size_t>(e.size())) {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<S>(std::cos(2.1 * static_cast<double>(i)));
    for (int k = 0; k < Optimizer::states; ++k) {
      long long n = extent.size();
      if constexpr (requires { optimizer.state_size(k, extent); }) n = optimizer.state_size(k, extent);
      states.emplace_back(static_cast<std::size_t>(n));
    }
    long long n = 0;
    if constexpr (requires { optimizer.scratch_size(extent); }) n = optimizer.scratch_size(extent);
    scratch.assign(static_cast<std::size_t>(n), std::numeric_limits<S>::quiet_NaN());
    most.w = 1;
  }

  void step(std::vector<double> const& gradient, optim::moment m) {
    std::vector<S> g(gradient.begin(), gradient.end());
    S* places[4]{};
    for (std::size_t k = 0; k < states.size(); ++k) places[k] = states[k].data();
    alignas(64) static std::byte workspace[device::host::workspace_bytes];
    device::host device(workspace);
    optimizer.step(device, extent, w.data(), g.data(), places, scratch.data(), m);
    if constexpr (requires { optimizer.template bound<S>(extent, m, most); }) {
      most.g = largest(gradient);
      optimizer.template bound<S>(extent, m, most);
      bounded = bounded && largest(w) <= most.w;
      for (std::size_t k = 0; k < states.size(); ++k) bounded = bounded && largest(states[k]) <= most.state[k];
    }
  }

 private:
  template <class T>
  static double largest(std::vector<T> const& x) {
    double m = 0;
    for (T v : x) m = std::abs(static_cast<double>(v)) > m ? std::abs(static_cast<double>(v)) : m;
    return m;
  }
};

/// Gradients of full rank that turn from update to update, some of them along one direction alone.
inline std::vector<double> turning_gradient(int t, int n) {
  std::vector<double> g(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i)
    g[static_cast<std::size_t>(i)] =
        t % 6 == 4 ? std::sin(1.0 + i) * 0.3 : std::sin(1.3 * t * (i + 1) + 0.2 * i * i) / (1 + i % 3);
  return g;
}

}  // namespace foal::test
