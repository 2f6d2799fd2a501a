// Matrix products on the GPU, by cuBLAS with a workspace of foal's own.
#pragma once

#include <cublas_v2.h>

#include <cstddef>
#include <memory>

#include <foal/device/cuda/memory.hpp>

namespace foal::device::cuda_ops {

/// Throws foal::error unless the status is success. call: the call and what it was for.
template <class... Call>
void check(cublasStatus_t status, Call const&... call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw error(sentence("cannot do ", call..., ", because cuBLAS gave ", cublasGetStatusName(status), " (",
                         cublasGetStatusString(status), "); check that the GPU is free and has memory left"));
}

/// Row-major products. cuBLAS is column-major, where a row-major matrix is its own transpose: C^T = B^T A^T is what it is
/// asked for, so nothing is moved. Equal bits on every run on one kind of GPU: one stream, no atomics, the workspace given;
/// float stays float (no TF32, whose products have 10 bits). https://docs.nvidia.com/cuda/cublas/#results-reproducibility
class product_ops : public memory {
 public:
  /// What cuBLAS's documentation asks for on the largest of its GPUs (sm_90: 32 MiB). Any less may change the algorithm.
  static constexpr std::size_t product_workspace_bytes = std::size_t{32} << 20U;

  /// workspace: product_workspace_bytes bytes on the GPU of that number, 256-byte aligned.
  product_ops(void* workspace, int ordinal) : memory(ordinal) {
    cublasHandle_t made = nullptr;
    check(cublasCreate(&made), "cublasCreate");
    handle_.reset(made);
    check(cublasSetStream(made, get()), "cublasSetStream");  // before the workspace, which it would reset
    check(cublasSetWorkspace(made, workspace, product_workspace_bytes), "cublasSetWorkspace");
    check(cublasSetMathMode(made, CUBLAS_DEFAULT_MATH), "cublasSetMathMode");
    check(cublasSetAtomicsMode(made, CUBLAS_ATOMICS_NOT_ALLOWED), "cublasSetAtomicsMode");
  }

  /// C = A B or C += A B; a [rows, depth], b [depth, cols], c [rows, cols].
  template <class S>
  void product_nn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const {
    product(CUBLAS_OP_N, CUBLAS_OP_N, rows, cols, depth, a, depth, b, cols, c, accumulate);
  }
  /// b is [cols, depth].
  template <class S>
  void product_nt(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const {
    product(CUBLAS_OP_N, CUBLAS_OP_T, rows, cols, depth, a, depth, b, depth, c, accumulate);
  }
  /// a is [depth, rows].
  template <class S>
  void product_tn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const {
    product(CUBLAS_OP_T, CUBLAS_OP_N, rows, cols, depth, a, rows, b, cols, c, accumulate);
  }

 private:
  template <class S>
  void product(cublasOperation_t op_a, cublasOperation_t op_b, int rows, int cols, int depth, S const* a, int row_of_a,
               S const* b, int row_of_b, S* c, bool accumulate) const {
    use(ordinal());
    S const one(1), before(accumulate ? 1 : 0);
    check(gemm(handle_.get(), op_b, op_a, cols, rows, depth, &one, b, row_of_b, a, row_of_a, &before, c, cols),
          "the cuBLAS product of ", rows, " x ", depth, " and ", depth, " x ", cols);
  }

  static cublasStatus_t gemm(cublasHandle_t h, cublasOperation_t p, cublasOperation_t q, int m, int n, int k,
                             float const* one, float const* a, int lda, float const* b, int ldb, float const* before,
                             float* c, int ldc) {
    return cublasSgemm(h, p, q, m, n, k, one, a, lda, b, ldb, before, c, ldc);
  }
  static cublasStatus_t gemm(cublasHandle_t h, cublasOperation_t p, cublasOperation_t q, int m, int n, int k,
                             double const* one, double const* a, int lda, double const* b, int ldb, double const* before,
                             double* c, int ldc) {
    return cublasDgemm(h, p, q, m, n, k, one, a, lda, b, ldb, before, c, ldc);
  }

  struct destroy {
    void operator()(cublasHandle_t h) const { cublasDestroy(h); }
  };
  std::unique_ptr<cublasContext, destroy> handle_;
};

}  // namespace foal::device::cuda_ops
