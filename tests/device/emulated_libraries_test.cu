// What foal does where the libraries of a GPU have no answer, and what the emulated ones refuse.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>

#include "../support/cuda_convolutions.hpp"
#include "../support/cuda_products.hpp"
#include "../support/emulation/flaws.hpp"
#include "../support/emulation/libraries.hpp"

using namespace foal::test;
using foal::test::emulation::libraries;

TEMPLATE_TEST_CASE("products that cuBLASLt has no algorithm for are cuBLAS's", "[cuda]", float, double) {
  double const near = std::is_same_v<TestType, float> ? 1e-5 : 1e-13;
  libraries().sums = false;  // beside a product
  for (product_sizes const n : product_shapes) CHECK(products_apart<TestType>(n, 0) < near);
  libraries().products = false;
  for (product_sizes const n : product_shapes) CHECK(products_apart<TestType>(n, 0) < near);
}

TEMPLATE_TEST_CASE("convolutions that cuDNN has no engine for go by patches", "[cuda]", float, double) {
  libraries().convolutions = false;
  double const near = std::is_same_v<TestType, float> ? 1e-5 : 1e-13;
  for (convolution_problem const& p : convolution_problems) {
    CAPTURE(p.g.height, p.g.width, p.g.channels, p.g.kernel, p.g.stride, p.g.padding, p.filters, p.samples);
    CHECK(convolutions_apart<TestType>(p) < near);
  }
  CHECK(convolutions_apart<TestType>({{24, 24, 40, 3, 1, 1}, 3, 2}) < near);  // more patches than there is room for at once
}

TEST_CASE("an engine of cuDNN that wants more than the workspace is passed over", "[cuda]") {
  libraries().engine_bytes = std::size_t{33} << 20U;
  CHECK(convolutions_apart<float>(convolution_problems[3]) < 1e-5);
}

TEST_CASE("the emulated cuDNN refuses what cuDNN would", "[cuda]") {
  using namespace foal::device::cuda_ops;
  descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  CHECK_THROWS_WITH(tensor.finalise(), Catch::Contains("cannot do cudnnBackendFinalize, because cuDNN gave "
                                                       "CUDNN_STATUS_BAD_PARAM (a tensor has no elements"));
  descriptor op(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  CHECK_THROWS_WITH(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, tensor), Catch::Contains("NOT_FINALIZED"));
  convolution_sizes s{convolution_kind::forward, {4, 4, 3, 3, 1, 1}, 5, 2};
  auto graph = convolution_graph(s, {});
  CHECK_THROWS_WITH(graph[0].set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{4}),
                    Catch::Contains("after its descriptor was finalised"));
  CHECK_THROWS_WITH(plan_convolution(s, {}, arithmetic::whole, 1 << 20), Catch::Contains("attribute"));
}
