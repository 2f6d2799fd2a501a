// What foal does where the libraries of a GPU have no answer, and what the emulated ones refuse.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>

#include "../support/cuda_convolutions.hpp"
#include "../support/cuda_products.hpp"
#include "../support/emulation/flaws.hpp"
#include "../support/emulation/libraries.hpp"
#include "../support/emulation/memory.hpp"

using namespace foal::test;
using foal::test::emulation::libraries;

TEMPLATE_TEST_CASE("products that cuBLASLt has no algorithm for are cuBLAS's", "[cuda]", float, double) {
  double const near = std::is_same_v<TestType, float> ? 1e-5 : 1e-13;
  libraries().sums = false;  // beside a product
  for (product_sizes const n : product_shapes) CHECK(products_apart<TestType>(n, 0) < near);
  libraries().products = false;
  for (product_sizes const n : product_shapes) CHECK(products_apart<TestType>(n, 0) < near);
}

TEST_CASE("products in bfloat16 that cuBLASLt has no algorithm for are cuBLAS's", "[cuda]") {
  libraries().products = false;
  for (product_sizes const n : product_shapes)
    CHECK(products_apart<float, foal::device::cuda_bf16>(n, 0, round_numbers{}) < 1e-6);
}

TEST_CASE("convolutions in bfloat16 that cuDNN has no engine for are those of floats", "[cuda]") {
  libraries().convolutions = false;
  for (convolution_problem const& p : {convolution_problems[0], convolution_problems[3]})
    CHECK(convolutions_apart<float, foal::device::cuda_bf16>(p) < 1e-5);
}

TEST_CASE("the emulated libraries round the factors of TF32, and only those", "[cuda]") {
  for (bool const products : {true, false}) {
    libraries().products = products;
    CHECK(products_apart<float, foal::device::cuda_tf32>(product_shapes[1], 0) > 1e-5);
  }
  CHECK(convolutions_apart<float, foal::device::cuda_tf32>(convolution_problems[0]) > 1e-5);
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

TEST_CASE("convolutions on the GPU take no memory of it once a shape was met", "[cuda]") {
  convolution_problem const& p = convolution_problems[3];
  auto const e = elements_of(p.g, p.filters, p.samples);
  with_convolution_room<float> gpu(p.g, p.filters);
  array_on<foal::device::cuda, float> x(gpu.device, numbers<float>(e.x, 1)), w(gpu.device, numbers<float>(e.weights, 2)),
      y(gpu.device, std::vector<float>(e.y));
  std::size_t const before = foal::test::emulation::in_use(0);
  for (bool const convolutions : {true, false}) {
    libraries().convolutions = convolutions;
    float const *const in = x.data(), *const by = w.data();
    gpu.device.convolve(p.g, p.filters, p.samples, in, by, y.data(), static_cast<float*>(nullptr));
  }
  CHECK(foal::test::emulation::in_use(0) == before);
}

namespace {

/// A product of floats by hand, all of whose parts a case may spoil.
struct by_hand {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t what = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  cublasLtMatmulPreference_t wanted = nullptr;
  cublasLtMatmulHeuristicResult_t found{};
  std::byte* memory = nullptr;

  by_hand() {
    cublasLtCreate(&handle);
    cublasLtMatmulDescCreate(&what, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    cublasLtMatrixLayoutCreate(&a, CUDA_R_32F, 4, 8, 4);
    cublasLtMatrixLayoutCreate(&b, CUDA_R_32F, 8, 2, 8);
    cublasLtMatrixLayoutCreate(&c, CUDA_R_32F, 4, 2, 4);
    cublasLtMatmulPreferenceCreate(&wanted);
    std::size_t const bytes = 1 << 16;
    std::uint32_t const scheme = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    cublasLtMatmulPreferenceSetAttribute(wanted, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes);
    cublasLtMatmulPreferenceSetAttribute(wanted, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &scheme, sizeof scheme);
    cudaMalloc(reinterpret_cast<void**>(&memory), 1 << 18);
    cudaMemset(memory, 0, 1 << 18);
  }
  by_hand(by_hand const&) = delete;
  ~by_hand() {
    cudaFree(memory);
    cublasLtMatmulPreferenceDestroy(wanted);
    for (auto* const l : {a, b, c}) cublasLtMatrixLayoutDestroy(l);
    cublasLtMatmulDescDestroy(what);
    cublasLtDestroy(handle);
  }

  cublasStatus_t ask() {
    int count = 0;
    return cublasLtMatmulAlgoGetHeuristic(handle, what, a, b, c, c, wanted, 1, &found, &count);
  }
  /// Everything 16-byte aligned or not; the workspace at the end of the block.
  cublasStatus_t multiply(std::size_t by = 0, std::size_t bytes = 1 << 16, std::size_t workspace_by = 0) {
    float const one = 1, none = 0;
    std::byte* const at = memory + by;
    return cublasLtMatmul(handle, what, &one, at, a, at + 1024, b, &none, at + 2048, c, at + 2048, c, &found.algo,
                          memory + (1 << 17) + workspace_by, bytes, nullptr);
  }
};

}  // namespace

TEST_CASE("the emulated cuBLASLt refuses what cuBLASLt would", "[cuda]") {
  using foal::test::emulation::take_flaws;
  by_hand p;
  CHECK(p.multiply() == CUBLAS_STATUS_INVALID_VALUE);  // no algorithm
  REQUIRE(p.ask() == CUBLAS_STATUS_SUCCESS);
  CHECK(p.multiply() == CUBLAS_STATUS_SUCCESS);
  CHECK(p.multiply(16) == CUBLAS_STATUS_INVALID_VALUE);      // asked for 256-byte aligned factors, as it does by default
  CHECK(p.multiply(0, 100) == CUBLAS_STATUS_INVALID_VALUE);  // a workspace smaller than the algorithm's
  CHECK(p.multiply(0, 1 << 16, 16) == CUBLAS_STATUS_INVALID_VALUE);
  cublasOperation_t const turned = CUBLAS_OP_T;
  cublasLtMatmulDescSetAttribute(p.what, CUBLASLT_MATMUL_DESC_TRANSA, &turned, sizeof turned);
  CHECK(p.multiply() == CUBLAS_STATUS_INVALID_VALUE);  // an algorithm of another product
  CHECK(p.ask() == CUBLAS_STATUS_INVALID_VALUE);       // sizes that do not fit
  CHECK(cublasLtMatmulDescSetAttribute(p.what, CUBLASLT_MATMUL_DESC_TRANSA, &turned, 1) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(take_flaws().empty());

  by_hand other;
  std::uint32_t const any = CUBLASLT_REDUCTION_SCHEME_MASK;
  cublasLtMatmulPreferenceSetAttribute(other.wanted, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &any, sizeof any);
  CHECK(other.ask() == CUBLAS_STATUS_SUCCESS);
  auto const flaws = take_flaws();
  REQUIRE(flaws.size() == 1);
  CHECK_THAT(flaws[0], Catch::Contains("may add up in the result"));
  cublasLtEpilogue_t const bias = CUBLASLT_EPILOGUE_BIAS;
  cublasLtMatmulDescSetAttribute(other.what, CUBLASLT_MATMUL_DESC_EPILOGUE, &bias, sizeof bias);
  other.ask();
  take_flaws();
  CHECK(other.multiply() == CUBLAS_STATUS_INVALID_VALUE);  // no row
}

TEST_CASE("the emulated cuBLAS and cuBLASLt take factors in bfloat16 for results in float alone", "[cuda]") {
  by_hand p;
  auto const layout = [](cudaDataType_t type, std::uint64_t rows, std::uint64_t cols) {
    cublasLtMatrixLayout_t made = nullptr;
    cublasLtMatrixLayoutCreate(&made, type, rows, cols, static_cast<std::int64_t>(rows));
    return made;
  };
  auto const replace = [](cublasLtMatrixLayout_t& one, cublasLtMatrixLayout_t by) {
    cublasLtMatrixLayoutDestroy(one);
    one = by;
  };
  replace(p.a, layout(CUDA_R_16BF, 4, 8));
  CHECK(p.ask() == CUBLAS_STATUS_INVALID_VALUE);  // one factor alone
  replace(p.b, layout(CUDA_R_16BF, 8, 2));
  REQUIRE(p.ask() == CUBLAS_STATUS_SUCCESS);
  CHECK(p.multiply() == CUBLAS_STATUS_SUCCESS);
  replace(p.a, layout(CUDA_R_32F, 4, 8));
  CHECK(p.multiply() == CUBLAS_STATUS_INVALID_VALUE);  // an algorithm of another type
  replace(p.a, layout(CUDA_R_16BF, 4, 8));
  cublasLtEpilogue_t const sums = CUBLASLT_EPILOGUE_BGRADA;
  cublasLtMatmulDescSetAttribute(p.what, CUBLASLT_MATMUL_DESC_EPILOGUE, &sums, sizeof sums);
  CHECK(p.ask() == CUBLAS_STATUS_NOT_SUPPORTED);  // foal sums what is not rounded
  cublasHandle_t handle = nullptr;
  REQUIRE(cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS);
  float const one = 1;
  CHECK(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, p.memory, CUDA_R_16BF, 1, p.memory, CUDA_R_32F, 1,
                     &one, p.memory, CUDA_R_32F, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_NOT_SUPPORTED);
  cublasDestroy(handle);
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
