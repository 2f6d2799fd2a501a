#include <algorithm>
#include <catch2/catch.hpp>
#include <foal/device/host/strided_product.hpp>
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

namespace {

/// Small integers, so that every order of additions gives the same number.
std::vector<float> integers(std::size_t count, std::size_t seed) {
  std::vector<float> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = static_cast<float>((i * 7 + i / 5 * 3 + seed) % 9) - 4;
  return all;
}

/// How many elements of y, dx and dweight are not exactly those of the plain loops; dweight starts at numbers other than 0.
int wrong_elements(window const& g, int filters, int samples) {
  auto const at = [](long long i) { return static_cast<std::size_t>(i); };
  std::size_t const in = at(1LL * samples * g.height * g.width * g.channels),
                    out = at(1LL * samples * g.positions() * filters), weights = at(1LL * g.depth() * filters);
  auto const x = integers(in, 1), dy = integers(out, 2), w = integers(weights, 3);
  std::vector<float> y(out), dx(in), dw = integers(weights, 4), y0(out), dx0(in), dw0 = dw;
  std::vector<float> scratch(at(foal::device::framed_elements(g, filters)));
  host_device const host;
  host.device.convolve(g, filters, samples, x.data(), w.data(), y.data(), scratch.data());
  host.device.convolve_gradient(g, filters, samples, dy.data(), w.data(), dx.data(), scratch.data());
  host.device.convolve_weight_gradient(g, filters, samples, x.data(), dy.data(), dw.data(), scratch.data());
  long long o = 0;
  for (int n = 0; n < samples; ++n)
    for (int i = 0; i < g.out_height(); ++i)
      for (int j = 0; j < g.out_width(); ++j, ++o)
        for (int kh = 0; kh < g.kernel; ++kh)
          for (int kw = 0; kw < g.kernel; ++kw) {
            int const h = i * g.stride + kh - g.padding, v = j * g.stride + kw - g.padding;
            if (h < 0 || h >= g.height || v < 0 || v >= g.width) continue;
            for (int c = 0; c < g.channels; ++c)
              for (int f = 0; f < filters; ++f) {
                std::size_t const from = at(((1LL * n * g.height + h) * g.width + v) * g.channels + c),
                                  to = at(o * filters + f),
                                  by = at(((1LL * kh * g.kernel + kw) * g.channels + c) * filters + f);
                y0[to] += x[from] * w[by];
                dx0[from] += dy[to] * w[by];
                dw0[by] += x[from] * dy[to];
              }
          }
  int wrong = 0;
  for (std::size_t i = 0; i < out; ++i) wrong += y[i] != y0[i];
  for (std::size_t i = 0; i < in; ++i) wrong += dx[i] != dx0[i];
  for (std::size_t i = 0; i < weights; ++i) wrong += dw[i] != dw0[i];
  return wrong;
}

}  // namespace

TEST_CASE("convolutions of every number of filters, channels and positions around the register tiles are exact",
          "[device]") {
  using foal::device::host_ops::full_lanes;
  using foal::device::host_ops::tile_shapes;
  int wrong = 0;
  for (int filters = 1; filters <= 2 * full_lanes<float> * tile_shapes::most_packets + 1; ++filters)
    wrong += wrong_elements({3, 5, 4, 3, 1, 1}, filters, 1) + wrong_elements({3, 4, 3, 2, 2, 1}, filters, 2);
  for (int channels = 1; channels <= 33; ++channels)
    for (int filters : {8, 16, 32, 130})
      wrong += wrong_elements({3, 3, channels, 3, 2, 1}, filters, 1) + wrong_elements({2, 3, channels, 1, 2, 0}, filters, 3);
  for (int width = 1; width <= 34; ++width)
    for (int filters : {7, 16, 33}) wrong += wrong_elements({1, width, 3, 3, 1, 1}, filters, 1);
  CHECK(wrong == 0);
}

TEST_CASE("strided products of every number of rows and columns around the register tiles are exact", "[device]") {
  using namespace foal::device::host_ops;
  int const depth = 5, most_rows = 25, most_cols = 2 * full_lanes<float> * tile_shapes::most_packets + 1;
  std::ptrdiff_t const step = most_cols + 3;
  auto const b = integers(static_cast<std::size_t>(depth * step), 1);
  auto const start = integers(static_cast<std::size_t>(most_rows * step), 2);
  auto const a = integers(static_cast<std::size_t>(2 * depth * most_rows), 3);
  int wrong = 0;
  for (int rows = 1; rows <= most_rows; ++rows) {
    for (int cols = 1; cols <= most_cols; ++cols) {
      for (bool const turned : {false, true}) {
        strided<float> const left{a.data(), turned ? 1 : 2 * depth, turned ? most_rows : 1};
        for (bool const add : {false, true}) {
          std::vector<float> c = start, wanted = start;
          strided_product::run(rows, cols, depth, left, b.data(), step, c.data(), step, add);
          for (int r = 0; r < rows; ++r) {
            for (int j = 0; j < cols; ++j) {
              float sum = add ? start[static_cast<std::size_t>(r * step + j)] : 0;
              for (int k = 0; k < depth; ++k)
                sum += left.data[r * left.down + k * left.right] * b[static_cast<std::size_t>(k * step + j)];
              wanted[static_cast<std::size_t>(r * step + j)] = sum;
            }
          }
          wrong += c != wanted;
        }
      }
    }
  }
  CHECK(wrong == 0);
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
