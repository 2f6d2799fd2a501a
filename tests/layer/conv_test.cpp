#include <catch2/catch.hpp>
#include <foal/layer/conv.hpp>

#include "../support/layer_check.hpp"

using foal::conv;
using foal::image;
using namespace foal::test;

namespace {

/// The definition, in double: y[n, oh, ow, f] = b[f] + sum x[n, oh s - p + kh, ow s - p + kw, c] w[kh, kw, c, f].
template <class S>
std::vector<double> plain(layer_run<S, float> const& run, int kernel, int stride, int padding) {
  int const h = run.in.height(), w = run.in.width(), c = run.in.channels(), f = run.out.channels();
  std::vector<double> y;
  for (int n = 0; n < run.samples; ++n)
    for (int oh = 0; oh < run.out.height(); ++oh)
      for (int ow = 0; ow < run.out.width(); ++ow)
        for (int j = 0; j < f; ++j) {
          double sum = run.parameters.size() > 1 ? static_cast<double>(run.parameters[1][static_cast<std::size_t>(j)]) : 0;
          for (int kh = 0; kh < kernel; ++kh)
            for (int kw = 0; kw < kernel; ++kw)
              for (int i = 0; i < c; ++i) {
                int const r = oh * stride - padding + kh, s = ow * stride - padding + kw;
                if (r < 0 || r >= h || s < 0 || s >= w) continue;
                sum +=
                    static_cast<double>(run.x[static_cast<std::size_t>(((n * h + r) * w + s) * c + i)]) *
                    static_cast<double>(run.parameters[0][static_cast<std::size_t>(((kh * kernel + kw) * c + i) * f + j)]);
              }
          y.push_back(sum);
        }
  return y;
}

template <int Out, int Kernel, int Stride, int Padding>
double forward_error(foal::shape in, int samples) {
  layer_run<conv<Out, Kernel, Stride, Padding>, float> run(in, samples, 5);
  run.forward();
  return relative_error(run.y, plain(run, Kernel, Stride, Padding));
}

}  // namespace

TEST_CASE("conv: forward against its definition", "[layer]") {
  CHECK(forward_error<4, 3, 1, 1>(image(3, 6, 5), 3) < 1e-6);
  CHECK(forward_error<5, 3, 2, 1>(image(2, 7, 8), 2) < 1e-6);
  CHECK(forward_error<3, 5, 1, 2>(image(1, 3, 4), 2) < 1e-6);  // windows wider than the map
  CHECK(forward_error<3, 2, 2, 0>(image(4, 5, 5), 2) < 1e-6);
  CHECK(forward_error<8, 1, 1, 0>(image(6, 3, 3), 2) < 1e-6);
  CHECK(forward_error<8, 1, 2, 0>(image(6, 5, 3), 2) < 1e-6);
  CHECK(forward_error<2, 3, 1, 2>(image(2, 1, 1), 2) < 1e-6);
}

TEST_CASE("conv: gradients against central differences", "[layer]") {
  CHECK(gradient_error<conv<4, 3>>(image(3, 5, 4), 2, 1) < 1e-6);
  CHECK(gradient_error<conv<3, 3, 2>>(image(2, 6, 5), 2, 2) < 1e-6);
  CHECK(gradient_error<conv<3, 2, 1, 0>>(image(2, 3, 4), 3, 3) < 1e-6);
  CHECK(gradient_error<conv<5, 1>>(image(3, 2, 3), 3, 4) < 1e-6);
  CHECK(gradient_error<conv<5, 1, 2>>(image(3, 3, 3), 2, 5) < 1e-6);
  CHECK(gradient_error<conv<2, 5>>(image(1, 3, 2), 2, 6) < 1e-6);
  CHECK(gradient_error<foal::conv_no_bias<4, 3>>(image(2, 3, 3), 2, 7) < 1e-6);
}

TEST_CASE("conv: several blocks of samples", "[layer]") {
  // 16 * 16 positions: two samples fill a block, five need three.
  constexpr auto window = conv<2, 3>::window(image(3, 16, 16));
  static_assert(foal::device::framed_samples(window, foal::device::forward_frame(window)) == 2);
  CHECK(forward_error<2, 3, 1, 1>(image(3, 16, 16), 5) < 1e-6);
  layer_run<conv<2, 3>, float> a(image(3, 16, 16), 5, 9);
  layer_run<conv<2, 3>, double> b(image(3, 16, 16), 5, 9);
  a.forward(), a.backward_input(), a.backward_weight();
  b.forward(), b.backward_input(), b.backward_weight();
  CHECK(relative_error(a.dx, b.dx) < 1e-6);
  CHECK(relative_error(a.gradients[0], b.gradients[0]) < 1e-5);
  CHECK(relative_error(a.gradients[1], b.gradients[1]) < 1e-5);
}

TEST_CASE("conv: a sample's bits do not depend on the others", "[layer]") {
  CHECK(same_one_by_one<conv<20, 3>, float>(image(5, 9, 7), 4, 1));
  CHECK(same_one_by_one<conv<37, 3, 2>, float>(image(6, 16, 16), 5, 2));
  CHECK(same_one_by_one<conv<16, 1, 2>, float>(image(16, 6, 6), 3, 3));
  CHECK(same_one_by_one<conv<3, 1>, double>(image(70, 3, 3), 3, 4));
}

TEST_CASE("conv: what it declares", "[layer]") {
  using layer = conv<16, 3, 2>;
  static_assert(layer::output(image(3, 32, 31)) == image(16, 16, 16));
  static_assert(layer::accepts(image(3, 1, 1)) && !layer::accepts(foal::features(9)));
  static_assert(!conv<1, 3, 1, 0>::accepts(image(1, 2, 3)));
  static_assert(layer::parameters(image(3, 8, 8))[0].extent == foal::shape{4, {3, 3, 3, 16}});
  static_assert(layer::parameters(image(3, 8, 8))[0].start.fan_in == 27);
  static_assert(conv<8, 1>::scratch(image(3, 8, 8)).of(100) == 0);
  static_assert(layer::flops(image(3, 8, 8)) == 2LL * 16 * 27 * 16);
  SUCCEED();
}
