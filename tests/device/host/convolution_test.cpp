#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "../../support/layer_check.hpp"
#include "../../support/patches.hpp"

using namespace foal::test;
using foal::device::window;

namespace {

/// The largest relative error of y, dx and dweight against the oracle, in S. dweight starts at numbers other than 0.
template <class S>
double error(window const& g, int filters, int samples) {
  auto const elements = [](long long n) { return static_cast<std::size_t>(n); };
  std::size_t const in = elements(1LL * samples * g.height * g.width * g.channels),
                    out = elements(1LL * samples * g.positions() * filters), weights = elements(1LL * g.depth() * filters);
  auto const x = random_numbers<S>(in, 1), dy = random_numbers<S>(out, 2), w = random_numbers<S>(weights, 3);
  // NaN wherever nothing was written yet; the scratch has exactly the declared size.
  S const nan = std::numeric_limits<S>::quiet_NaN();
  std::vector<S> y(out, nan), dx(in, nan), dw = random_numbers<S>(weights, 4);
  std::vector<S> y0(out, nan), dx0(in, nan), dw0 = dw;
  std::vector<S> scratch(elements(foal::device::framed_elements(g, filters)), nan);
  std::vector<S> patches(patch_convolution::patch_elements(g, samples), nan);

  host_device host;
  host.device.convolve(g, filters, samples, x.data(), w.data(), y.data(), scratch.data());
  host.device.convolve_gradient(g, filters, samples, dy.data(), w.data(), dx.data(), scratch.data());
  host.device.convolve_weight_gradient(g, filters, samples, x.data(), dy.data(), dw.data(), scratch.data());
  patch_convolution const oracle(host.workspace);
  oracle.convolve(g, filters, samples, x.data(), w.data(), y0.data(), patches.data());
  oracle.convolve_gradient(g, filters, samples, dy.data(), w.data(), dx0.data(), patches.data());
  oracle.convolve_weight_gradient(g, filters, samples, x.data(), dy.data(), dw0.data(), patches.data());
  return std::max({relative_error(y, y0), relative_error(dx, dx0), relative_error(dw, dw0)});
}

double float_error(window const& g, int filters, int samples) { return error<float>(g, filters, samples); }
double double_error(window const& g, int filters, int samples) { return error<double>(g, filters, samples); }

}  // namespace

TEST_CASE("convolution: kernels that read in place against gathered patches", "[device]") {
  // height, width, channels, kernel, stride, padding; filters, samples
  CHECK(float_error({8, 8, 16, 3, 1, 1}, 16, 3) < 1e-5);
  CHECK(float_error({8, 8, 16, 3, 2, 1}, 32, 3) < 1e-5);
  CHECK(float_error({7, 9, 3, 3, 1, 1}, 16, 2) < 1e-5);
  CHECK(float_error({9, 7, 20, 3, 2, 1}, 47, 2) < 1e-5);    // every width of panel
  CHECK(float_error({4, 4, 130, 3, 1, 1}, 140, 3) < 1e-5);  // several blocks of depth, rows brought together
  CHECK(float_error({4, 4, 600, 1, 1, 0}, 72, 2) < 1e-5);
  CHECK(float_error({5, 5, 33, 1, 1, 0}, 70, 3) < 1e-5);  // products
  CHECK(float_error({1, 2, 20, 1, 1, 0}, 400, 1) < 1e-5);
  CHECK(float_error({3, 4, 6, 1, 1, 1}, 8, 2) < 1e-5);    // padding around one position
  CHECK(float_error({6, 6, 12, 1, 2, 0}, 24, 3) < 1e-5);  // positions of dx that no window sees
  CHECK(float_error({11, 10, 4, 5, 3, 2}, 9, 2) < 1e-5);
  CHECK(float_error({5, 5, 2, 2, 3, 0}, 3, 2) < 1e-5);  // stride beyond the kernel
  CHECK(float_error({2, 3, 4, 3, 1, 2}, 5, 1) < 1e-5);  // padding beyond half the kernel
  CHECK(float_error({1, 1, 5, 3, 2, 1}, 1, 4) < 1e-5);
  CHECK(float_error({40, 40, 40, 1, 1, 0}, 17, 1) < 1e-5);  // several blocks of positions
  CHECK(float_error({3, 5, 7, 3, 1, 1}, 300, 9) < 1e-5);
  CHECK(double_error({8, 8, 16, 3, 1, 1}, 16, 3) < 1e-13);
  CHECK(double_error({9, 7, 20, 3, 2, 1}, 47, 2) < 1e-13);
  CHECK(double_error({4, 4, 130, 3, 1, 1}, 140, 3) < 1e-13);
}

TEST_CASE("convolution: the frame of zeros", "[device]") {
  using foal::device::forward_frame;
  using foal::device::framed_elements;
  using foal::device::gradient_frame;
  constexpr window same{8, 6, 4, 3, 1, 1};
  static_assert(forward_frame(same).elements() == 10 * 8 * 4 && gradient_frame(same, 5).elements() == 10 * 8 * 5);
  constexpr window halving{8, 8, 4, 3, 2, 1};  // the last row of dx sees one row of dy below the last
  static_assert(gradient_frame(halving, 5).elements() == 5 * 5 * 5);
  constexpr window pointwise{8, 8, 4, 1, 2, 0};
  static_assert(forward_frame(pointwise).empty() && gradient_frame(pointwise, 3).empty());
  static_assert(framed_elements(pointwise, 3) == 0);
  constexpr window valid{4, 4, 1, 3, 1, 0};
  static_assert(forward_frame(valid).empty() && gradient_frame(valid, 1).elements() == 36);
  SUCCEED();
}
