// Convolution by patches gathered into a matrix and one product: the oracle of the kernels that read maps in place.
#pragma once

#include <algorithm>
#include <cstddef>

#include <foal/device/host/product.hpp>
#include <foal/device/window.hpp>

namespace foal::test {

/// Feature maps are channels last. x [samples, height, width, channels], weight [kernel, kernel, channels, filters], y
/// [samples, out_height, out_width, filters]; patches is scratch of patch_elements(g, samples) elements.
class patch_convolution : public device::host_ops::product_ops {
  using window = device::window;

 public:
  using product_ops::product_ops;

  static std::size_t patch_elements(window const& g, int samples) {
    return static_cast<std::size_t>(samples) * static_cast<std::size_t>(g.positions()) * static_cast<std::size_t>(g.depth());
  }

  /// y = x * weight.
  template <class S>
  void convolve(window const& g, int filters, int samples, S const* x, S const* weight, S* y, S* patches) const {
    gather(g, samples, x, patches);
    product_nn(samples * g.positions(), filters, g.depth(), patches, weight, y, false);
  }

  /// dx = the gradient of x from dy.
  template <class S>
  void convolve_gradient(window const& g, int filters, int samples, S const* dy, S const* weight, S* dx, S* patches) const {
    std::fill_n(dx, samples * in_elements(g), S(0));
    product_nt(samples * g.positions(), g.depth(), filters, dy, weight, patches, false);
    scatter(g, samples, patches, dx);
  }

  /// dweight += the gradient of the weight from x and dy.
  template <class S>
  void convolve_weight_gradient(window const& g, int filters, int samples, S const* x, S const* dy, S* dweight,
                                S* patches) const {
    gather(g, samples, x, patches);
    product_tn(g.depth(), filters, samples * g.positions(), patches, dy, dweight, true);
  }

 private:
  static std::ptrdiff_t in_elements(window const& g) { return static_cast<std::ptrdiff_t>(g.height) * g.width * g.channels; }
  /// Calls body(offset in x, offset in patches, elements, inside) for each run of neighbouring columns that one row of one
  /// window covers: channels last makes those contiguous on both sides. Runs in the padding have inside = false.
  template <class Body>
  static void for_runs(window const& g, int samples, Body body) {
    std::ptrdiff_t const c = g.channels;
    std::ptrdiff_t patch = 0;
    for (int n = 0; n < samples; ++n) {
      std::ptrdiff_t const sample = n * in_elements(g);
      for (int oh = 0; oh < g.out_height(); ++oh) {
        for (int ow = 0; ow < g.out_width(); ++ow) {
          int const left = ow * g.stride - g.padding;
          int const from = std::clamp(left, 0, g.width), to = std::clamp(left + g.kernel, 0, g.width);
          for (int kh = 0; kh < g.kernel; ++kh, patch += g.kernel * c) {
            int const h = oh * g.stride - g.padding + kh;
            if (h < 0 || h >= g.height || from == to) {
              body(std::ptrdiff_t{0}, patch, g.kernel * c, false);
              continue;
            }
            if (from > left) body(std::ptrdiff_t{0}, patch, (from - left) * c, false);
            std::ptrdiff_t const row = sample + static_cast<std::ptrdiff_t>(h) * g.width * c;
            body(row + from * c, patch + (from - left) * c, (to - from) * c, true);
            if (to < left + g.kernel) body(std::ptrdiff_t{0}, patch + (to - left) * c, (left + g.kernel - to) * c, false);
          }
        }
      }
    }
  }

  /// patches [samples * positions, kernel * kernel * channels] from x.
  template <class S>
  static void gather(window const& g, int samples, S const* x, S* patches) {
    for_runs(g, samples, [x, patches](std::ptrdiff_t from, std::ptrdiff_t to, std::ptrdiff_t n, bool inside) {
      S* __restrict out = patches + to;
      if (!inside) {
        for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = S(0);
        return;
      }
      S const* __restrict in = x + from;
      for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = in[i];
    });
  }

  /// dx += patches, each element where it was gathered from, in the order of the patches.
  template <class S>
  static void scatter(window const& g, int samples, S const* patches, S* dx) {
    for_runs(g, samples, [patches, dx](std::ptrdiff_t to, std::ptrdiff_t from, std::ptrdiff_t n, bool inside) {
      if (!inside) return;
      S const* __restrict in = patches + from;
      S* __restrict out = dx + to;
      for (std::ptrdiff_t i = 0; i < n; ++i) out[i] += in[i];
    });
  }
};

}  // namespace foal::test
