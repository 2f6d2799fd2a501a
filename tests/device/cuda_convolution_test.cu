// Convolutions on the GPU by cuDNN, and by patches where it has no engine.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/device/ops.hpp>

#include "../support/cuda_convolutions.hpp"

namespace {

using namespace foal::test;
using foal::device::cuda;
using foal::device::window;

static_assert(foal::device::ops::convolutions::in<cuda, float> && foal::device::ops::convolutions::in<cuda, double>);

template <class T>
using on_gpu = array_on<cuda, T>;

}  // namespace

TEMPLATE_TEST_CASE("convolutions on the GPU are the plain loops' in double", "[cuda]", float, double) {
  for (convolution_problem const& p : convolution_problems) {
    CAPTURE(p.g.height, p.g.width, p.g.channels, p.g.kernel, p.g.stride, p.g.padding, p.filters, p.samples);
    double const near = std::is_same_v<TestType, float> ? 1e-5 : 1e-13;
    CHECK(convolutions_apart<TestType>(p) < near);
  }
  CHECK(convolutions_apart<TestType>(convolution_problems[3], 1) < 1e-5);  // addresses that only an element's alignment have
}

TEST_CASE("convolutions by TF32 are near those of floats, and those of double are as they were", "[cuda]") {
  for (convolution_problem const& p : convolution_problems) {
    CHECK(convolutions_apart<float, foal::device::cuda_tf32>(p) < 1e-2);
    CHECK(convolutions_apart<double, foal::device::cuda_tf32>(p) < 1e-13);
  }
}

TEST_CASE("convolutions on the GPU have the same bits twice", "[cuda]") {
  for (convolution_problem const& p : {convolution_problems[0], convolution_problems[3], convolution_problems[4]}) {
    auto const one = convolved_on_the_gpu<float>(p), other = convolved_on_the_gpu<float>(p);
    CHECK(one.y == other.y);
    CHECK(one.dx == other.dx);
    CHECK(one.dw == other.dw);
  }
}

TEST_CASE("a convolution on the GPU is done at many addresses with one plan", "[cuda]") {
  convolution_problem const p{{4, 4, 3, 3, 1, 1}, 5, 1};
  auto const e = elements_of(p.g, p.filters, p.samples);
  with_convolution_room<float> gpu(p.g, p.filters);
  auto const w = numbers<float>(e.weights, 3);
  std::size_t const many = 100, room = (e.x + 15) / 16 * 16;
  std::vector<float> maps;
  for (std::size_t i = 0; i < many; ++i) {
    auto const x = numbers<float>(room, static_cast<std::uint32_t>(10 + i));
    maps.insert(maps.end(), x.begin(), x.end());
  }
  on_gpu<float> x(gpu.device, maps), weight(gpu.device, w), y(gpu.device, std::vector<float>(e.y));
  for (int round = 0; round < 2; ++round)
    for (std::size_t i = 0; i < many; ++i) {
      float const *const in = x.data() + i * room, *const by = weight.data();
      gpu.device.convolve(p.g, p.filters, p.samples, in, by, y.data(), static_cast<float*>(nullptr));
      if (i % 33 != 0) continue;
      std::vector<float> wanted(e.y);
      plain_convolve(p.g, p.filters, p.samples, maps.data() + i * room, w.data(), wanted.data());
      CHECK(distance(y.values(), wanted) < 1e-6);
    }
}

TEST_CASE("a convolution on the GPU without room for its weights is refused", "[cuda]") {
  with_workspace<cuda> gpu;
  window const g{3, 3, 300, 3, 1, 1};
  int const filters = 200;
  auto const e = elements_of(g, filters, 1);
  on_gpu<float> x(gpu.device, std::vector<float>(e.x)), w(gpu.device, std::vector<float>(e.weights)),
      y(gpu.device, std::vector<float>(e.y));
  float const *const in = x.data(), *const by = w.data();
  CHECK_THROWS_WITH(
      gpu.device.convolve(g, filters, 1, in, by, y.data(), static_cast<float*>(nullptr)),
      Catch::Contains("cannot convolve, because that takes 2160000 bytes beside the workspace and there are 1048576; make "
                      "the device with the bytes that workspace_for gives"));
}

TEST_CASE("a convolution on the GPU can be recorded once it was done", "[cuda]") {
  convolution_problem const p{{5, 4, 3, 3, 1, 1}, 6, 2};
  auto const e = elements_of(p.g, p.filters, p.samples);
  with_convolution_room<float> gpu(p.g, p.filters);
  auto const before = numbers<float>(e.x, 1), now = numbers<float>(e.x, 2), w = numbers<float>(e.weights, 3);
  on_gpu<float> x(gpu.device, before), weight(gpu.device, w), y(gpu.device, std::vector<float>(e.y)),
      dw(gpu.device, std::vector<float>(e.weights));
  float const *const in = x.data(), *const by = weight.data(), *const dy = y.data();
  auto const ops = [&] {
    gpu.device.convolve(p.g, p.filters, p.samples, in, by, y.data(), static_cast<float*>(nullptr));
    gpu.device.convolve_weight_gradient(p.g, p.filters, p.samples, in, dy, dw.data(), static_cast<float*>(nullptr));
  };
  gpu.device.begin_recording();
  CHECK_THROWS_WITH(ops(), Catch::Contains("cannot record a convolution of 2 samples of 5 x 4 x 3, because it was not done "
                                           "before, and cuDNN plans it by calls that cannot be recorded; do it once"));
  gpu.device.end_recording();

  ops();
  gpu.device.begin_recording();
  ops();
  auto const graph = gpu.device.end_recording();
  gpu.device.copy_in(x.data(), now.data(), now.size() * sizeof(float));
  gpu.device.zero(dw.data(), e.weights * sizeof(float));
  for (int i = 0; i < 2; ++i) gpu.device.launch(graph);
  std::vector<float> y0(e.y), dw0(e.weights);
  plain_convolve(p.g, p.filters, p.samples, now.data(), w.data(), y0.data());
  for (int i = 0; i < 2; ++i) plain_convolve_weight_gradient(p.g, p.filters, p.samples, now.data(), y0.data(), dw0.data());
  CHECK(distance(y.values(), y0) < 1e-5);
  CHECK(distance(dw.values(), dw0) < 1e-5);
}
