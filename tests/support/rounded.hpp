// What device::cuda_bf16 does to numbers, on the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <foal/device/host/bfloat16.hpp>
#include <foal/device/window.hpp>

namespace foal::test {

/// The nearest bfloat16 of each float; double stays.
inline std::vector<float> to_bfloat16(float const* x, std::size_t n) {
  std::vector<std::uint16_t> narrow(n);
  std::vector<float> out(n);
  device::host_ops::bfloat16_ops::narrow(n, x, narrow.data());
  device::host_ops::bfloat16_ops::widen(n, narrow.data(), out.data());
  return out;
}
struct keep_numbers {
  template <class S>
  std::vector<S> operator()(std::vector<S> const& x) const {
    return x;
  }
};
struct round_numbers {
  std::vector<float> operator()(std::vector<float> const& x) const { return to_bfloat16(x.data(), x.size()); }
};

/// A device of the host that rounds what device::cuda_bf16 rounds, and adds up as Base does.
template <class Base>
struct rounded : Base {
  using Base::Base;
  Base& exact() { return *this; }

  void product_nn(int rows, int cols, int depth, float const* a, float const* b, float* c, bool accumulate) const {
    Base::product_nn(rows, cols, depth, of(a, rows, depth).data(), of(b, depth, cols).data(), c, accumulate);
  }
  void product_nt(int rows, int cols, int depth, float const* a, float const* b, float* c, bool accumulate) const {
    Base::product_nt(rows, cols, depth, of(a, rows, depth).data(), of(b, cols, depth).data(), c, accumulate);
  }
  void product_tn(int rows, int cols, int depth, float const* a, float const* b, float* c, bool accumulate) const {
    Base::product_tn(rows, cols, depth, of(a, depth, rows).data(), of(b, depth, cols).data(), c, accumulate);
  }

  void convolve(device::window const& g, int filters, int samples, float const* x, float const* weight, float* y,
                float* scratch) const {
    Base::convolve(g, filters, samples, maps_in(g, samples, x).data(), of(weight, g.depth(), filters).data(), y, scratch);
    round_result(g, y, samples * g.positions(), filters);
  }
  void convolve_gradient(device::window const& g, int filters, int samples, float const* dy, float const* weight, float* dx,
                         float* scratch) const {
    Base::convolve_gradient(g, filters, samples, of(dy, samples * g.positions(), filters).data(),
                            of(weight, g.depth(), filters).data(), dx, scratch);
    round_result(g, dx, samples * g.height * g.width, g.channels);
  }
  void convolve_weight_gradient(device::window const& g, int filters, int samples, float const* x, float const* dy,
                                float* dweight, float* scratch) const {
    std::vector<float> of_call(size(g.depth(), filters));
    Base::convolve_weight_gradient(g, filters, samples, maps_in(g, samples, x).data(),
                                   of(dy, samples * g.positions(), filters).data(), of_call.data(), scratch);
    round_result(g, of_call.data(), g.depth(), filters);
    for (std::size_t i = 0; i < of_call.size(); ++i) dweight[i] += of_call[i];
  }

 private:
  static std::size_t size(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }
  static std::vector<float> of(float const* x, int rows, int cols) { return to_bfloat16(x, size(rows, cols)); }
  static std::vector<float> maps_in(device::window const& g, int samples, float const* x) {
    return of(x, samples * g.height * g.width, g.channels);
  }
  /// Of what is no product.
  static void round_result(device::window const& g, float* y, int rows, int cols) {
    if (g.kernel == 1 && g.stride == 1 && g.padding == 0) return;
    auto const narrow = of(y, rows, cols);
    for (std::size_t i = 0; i < narrow.size(); ++i) y[i] = narrow[i];
  }
};

}  // namespace foal::test
