// Pooling of the CUDA device against the host's in double.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>

#include "../support/host_and_gpu.hpp"

namespace {

using namespace foal::test;
using foal::device::window;

template <class S>
std::vector<S> many(int n, std::uint32_t stream) {
  return numbers<S>(static_cast<std::size_t>(n), stream);
}

/// Apart, touching, over each other, with padding, with rest at the edges, more channels than a block has columns.
constexpr window windows[] = {
    {4, 4, 3, 2, 2, 0}, {5, 7, 1, 3, 1, 1}, {9, 8, 5, 3, 2, 1}, {7, 7, 40, 2, 3, 0}, {3, 3, 2, 3, 1, 0}};

}  // namespace

TEMPLATE_TEST_CASE("max pooling on the GPU", "[cuda]", float, double) {
  for (window const& g : windows) {
    int const samples = 3, in = samples * g.height * g.width * g.channels, out = samples * g.positions() * g.channels;
    auto x = many<TestType>(in, 1);
    for (std::size_t i = 0; i + 3 < x.size(); i += 5) x[i] = x[i + 3];  // equals: the first has it
    auto const y = many<TestType>(out, 2);
    std::vector<unsigned char> const place(y.size(), 9);
    auto const forward = [=](auto& d, auto const* p, auto* q, unsigned char* at) { d.max_pool(g, samples, p, q, at); };
    CHECK(from_host_in_double(forward, x, y, place) == 0);
    auto const evaluate = [=](auto& d, auto const* p, auto* q) { d.max_pool(g, samples, p, q, nullptr); };
    CHECK(from_host_in_double(evaluate, x, y) == 0);
    auto const both = [=](auto& d, auto const* p, auto* q, unsigned char* at, auto* dx) {
      d.max_pool(g, samples, p, q, at);
      d.max_pool_gradient(g, samples, +q, static_cast<unsigned char const*>(at), dx);
    };
    CHECK(from_host_in_double(both, x, y, place, x) < op_bound<TestType>);
  }
}

TEMPLATE_TEST_CASE("max pooling on the GPU lets NaN win", "[cuda]", float, double) {
  with_workspace<foal::device::cuda> gpu;
  auto x = many<TestType>(16, 1);
  x[5] = std::numeric_limits<TestType>::quiet_NaN();
  array_on<foal::device::cuda, TestType> there(gpu.device, x), y(gpu.device, many<TestType>(4, 2));
  array_on<foal::device::cuda, unsigned char> place(gpu.device, std::vector<unsigned char>(4));
  gpu.device.max_pool(window{4, 4, 1, 2, 2, 0}, 1, static_cast<TestType const*>(there.data()), y.data(), place.data());
  CHECK(std::isnan(y.values()[0]));
  CHECK(place.values()[0] == 3);
  CHECK_FALSE(std::isnan(y.values()[1]));
}

TEMPLATE_TEST_CASE("average pooling on the GPU", "[cuda]", float, double) {
  for (window const& g : windows) {
    int const samples = 2, in = samples * g.height * g.width * g.channels, out = samples * g.positions() * g.channels;
    auto const x = many<TestType>(in, 1), y = many<TestType>(out, 2);
    auto const forward = [=](auto& d, auto const* p, auto* q) { d.average_pool(g, samples, p, q); };
    CHECK(from_host_in_double(forward, x, y) < op_bound<TestType>);
    auto const backward = [=](auto& d, auto const* q, auto* p) { d.average_pool_gradient(g, samples, q, p); };
    CHECK(from_host_in_double(backward, y, x) < op_bound<TestType>);
  }
}

TEMPLATE_TEST_CASE("means over all positions on the GPU", "[cuda]", float, double) {
  for (int const positions : {1, 7, 64})
    for (int const channels : {1, 10, 130}) {
      int const samples = 3;
      auto const x = many<TestType>(samples * positions * channels, 1), y = many<TestType>(samples * channels, 2);
      auto const forward = [=](auto& d, auto const* p, auto* q) { d.mean_of_positions(samples, positions, channels, p, q); };
      CHECK(from_host_in_double(forward, x, y) < op_bound<TestType>);
      auto const backward = [=](auto& d, auto const* q, auto* p) {
        d.mean_of_positions_gradient(samples, positions, channels, q, p);
      };
      CHECK(from_host_in_double(backward, y, x) < op_bound<TestType>);
    }
}
