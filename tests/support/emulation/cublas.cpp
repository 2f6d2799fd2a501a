// cuBLAS on the CPU: column-major products over Eigen, with the rules that foal must keep.
#include "cuda/cublas_v2.h"

#include <Eigen/Core>
#include <algorithm>
#include <cstdint>
#include <mutex>

#include "flaws.hpp"
#include "libraries.hpp"
#include "memory.hpp"
#include "queues.hpp"

struct cublasContext {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  cublasAtomicsMode_t atomics = CUBLAS_ATOMICS_NOT_ALLOWED;
  bool rounds = false;
};

using namespace foal::test::emulation;

namespace {

using lock = std::lock_guard<call_lock>;

/// A column-major matrix of so many rows and columns lies in memory of the device.
template <class S>
bool lies_on(char const* what, S const* p, int rows, int cols, int ld, int device) {
  if (rows == 0 || cols == 0) return true;
  auto const entries = static_cast<std::size_t>(cols - 1) * static_cast<std::size_t>(ld) + static_cast<std::size_t>(rows);
  return check_range(what, p, entries * sizeof(S), device);
}

template <class F, class S>
cublasStatus_t gemm(cublasHandle_t h, cublasOperation_t p, cublasOperation_t q, int m, int n, int k, S alpha, F const* a,
                    int lda, F const* b, int ldb, S beta, S* c, int ldc) {
  lock const held(calls());
  int const rows_a = p == CUBLAS_OP_N ? m : k, cols_a = p == CUBLAS_OP_N ? k : m;
  int const rows_b = q == CUBLAS_OP_N ? k : n, cols_b = q == CUBLAS_OP_N ? n : k;
  if (m < 0 || n < 0 || k < 0 || lda < std::max(1, rows_a) || ldb < std::max(1, rows_b) || ldc < std::max(1, m))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (h->workspace == nullptr)
    report("a product of cuBLAS has no workspace of the caller's: its bits may differ from run to run");
  if (h->atomics == CUBLAS_ATOMICS_ALLOWED)
    report("a product of cuBLAS may use atomics: its bits may differ from run to run");
  int const device = device_of(h->stream);
  bool const rounds = h->rounds;
  int current = -1;
  cudaGetDevice(&current);
  if (current != device) report("a product of cuBLAS is called for another device than the current one");
  cudaError_t const put = enqueue(h->stream, [=] {
    using matrix = Eigen::Map<Eigen::Matrix<F, Eigen::Dynamic, Eigen::Dynamic> const, 0, Eigen::OuterStride<>>;
    using target = Eigen::Map<Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic>, 0, Eigen::OuterStride<>>;
    bool const good = lies_on("the first factor of a product", a, rows_a, cols_a, lda, device) &
                      lies_on("the second factor of a product", b, rows_b, cols_b, ldb, device) &
                      lies_on("the result of a product", c, m, n, ldc, device);
    if (!good) return cudaErrorIllegalAddress;
    auto const read = [](F v) { return static_cast<S>(value_of(v)); };
    Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic>
        x = matrix(a, rows_a, cols_a, Eigen::OuterStride<>(lda)).unaryExpr(read),
        y = matrix(b, rows_b, cols_b, Eigen::OuterStride<>(ldb)).unaryExpr(read), product;
    if (rounds) x = x.unaryExpr([](S v) { return tf32(v); }), y = y.unaryExpr([](S v) { return tf32(v); });
    if (p == CUBLAS_OP_N && q == CUBLAS_OP_N) product = alpha * (x * y);
    if (p == CUBLAS_OP_N && q == CUBLAS_OP_T) product = alpha * (x * y.transpose());
    if (p == CUBLAS_OP_T && q == CUBLAS_OP_N) product = alpha * (x.transpose() * y);
    if (p == CUBLAS_OP_T && q == CUBLAS_OP_T) product = alpha * (x.transpose() * y.transpose());
    target z(c, m, n, Eigen::OuterStride<>(ldc));
    if (beta == S(0))  // what c held, NaN perhaps, is not read
      z = product;
    else
      z = product + beta * z;
    return cudaSuccess;
  });
  return put == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  int count = 0;
  *handle = nullptr;
  if (cudaGetDeviceCount(&count) != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  handle->workspace = nullptr;  // "unconditionally resets the workspace to the default pool"
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, std::size_t bytes) {
  lock const held(calls());
  if (reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (!check_range("the workspace of cuBLAS", workspace, bytes, device_of(handle->stream)))
    return CUBLAS_STATUS_INVALID_VALUE;
  handle->workspace = workspace;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  handle->rounds = mode == CUBLAS_TF32_TENSOR_OP_MATH;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode) {
  handle->atomics = mode;
  return CUBLAS_STATUS_SUCCESS;
}
char const* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "a status without a name";
}
char const* cublasGetStatusString(cublasStatus_t) { return "of the emulation"; }

cublasStatus_t cublasSgemm(cublasHandle_t h, cublasOperation_t p, cublasOperation_t q, int m, int n, int k,
                           float const* alpha, float const* a, int lda, float const* b, int ldb, float const* beta, float* c,
                           int ldc) {
  return gemm(h, p, q, m, n, k, *alpha, a, lda, b, ldb, *beta, c, ldc);
}
cublasStatus_t cublasDgemm(cublasHandle_t h, cublasOperation_t p, cublasOperation_t q, int m, int n, int k,
                           double const* alpha, double const* a, int lda, double const* b, int ldb, double const* beta,
                           double* c, int ldc) {
  return gemm(h, p, q, m, n, k, *alpha, a, lda, b, ldb, *beta, c, ldc);
}
cublasStatus_t cublasGemmEx(cublasHandle_t h, cublasOperation_t p, cublasOperation_t q, int m, int n, int k,
                            void const* alpha, void const* a, cudaDataType_t type_a, int lda, void const* b,
                            cudaDataType_t type_b, int ldb, void const* beta, void* c, cudaDataType_t type_c, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t) {
  if (type_a != CUDA_R_16BF || type_b != CUDA_R_16BF || type_c != CUDA_R_32F || compute != CUBLAS_COMPUTE_32F)
    return CUBLAS_STATUS_NOT_SUPPORTED;  // what foal asks for is all that there is
  return gemm(h, p, q, m, n, k, *static_cast<float const*>(alpha), static_cast<std::uint16_t const*>(a), lda,
              static_cast<std::uint16_t const*>(b), ldb, *static_cast<float const*>(beta), static_cast<float*>(c), ldc);
}
