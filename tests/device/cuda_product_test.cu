// Products on the GPU by cuBLASLt: odd shapes, addresses, rows in the same call, and what happens where it has no algorithm.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/device/ops.hpp>

#include "../support/cuda_products.hpp"

namespace {

using namespace foal::test;
using foal::device::cuda;

static_assert(foal::device::ops::products_with_rows::in<cuda, float>);
static_assert(!foal::device::ops::products_with_rows::in<plain_device, float>);

template <class T>
using on_gpu = array_on<cuda, T>;

}  // namespace

TEMPLATE_TEST_CASE("products with rows on the GPU are the host's in double", "[cuda]", float, double) {
  double const near = std::is_same_v<TestType, float> ? 1e-5 : 1e-13;
  for (product_sizes const n : product_shapes) {
    CAPTURE(n.rows, n.cols, n.depth);
    CHECK(products_apart<TestType>(n, 0) < near);
    CHECK(products_apart<TestType>(n, 1) < near);  // an address that only an element's alignment has
  }
}

TEST_CASE("products by TF32 are near those of floats, and those of double are as they were", "[cuda]") {
  for (product_sizes const n : product_shapes) {
    CHECK(products_apart<float, foal::device::cuda_tf32>(n, 0) < 1e-2);
    CHECK(products_apart<double, foal::device::cuda_tf32>(n, 0) < 1e-13);
  }
}

TEST_CASE("products on the GPU of nothing are nothing, or what was there", "[cuda]") { check_products_of_nothing<cuda>(); }

TEST_CASE("products on the GPU have the same bits twice, in another object too", "[cuda]") {
  int const rows = 33, cols = 65, depth = 129;
  auto const a = numbers<float>(rows * depth, 1), b = numbers<float>(depth * cols, 2), row = numbers<float>(cols, 3);
  std::vector<float> before;
  for (int i = 0; i < 4; ++i) {
    with_workspace<cuda> gpu;
    on_gpu<float> x(gpu.device, a), y(gpu.device, b), r(gpu.device, row), z(gpu.device, std::vector<float>(rows * cols));
    float const *const in = x.data(), *const by = y.data(), *const add = r.data();
    for (int k = 0; k <= i; ++k) gpu.device.product_nn_plus_row(rows, cols, depth, in, by, add, z.data());
    if (i > 0) CHECK(z.values() == before);
    before = z.values();
  }
}
