// Matrix products on the GPU, by cuBLASLt and cuBLAS with a workspace of foal's own.
#pragma once

#include <cublas_v2.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include <foal/device/cuda/matmul.hpp>
#include <foal/device/cuda/memory.hpp>
#include <foal/device/cuda/status.hpp>

namespace foal::device::cuda_ops {

/// Row-major products, by cuBLASLt; by cuBLAS where that has no algorithm. Equal bits on every run on one kind of GPU: one
/// stream, no atomics, the workspace given; float stays float unless TF32 or factors in bfloat16 are asked for.
/// https://docs.nvidia.com/cuda/cublas/#results-reproducibility
class product_ops : public memory {
 protected:
  /// What cuBLAS's documentation asks for on the largest of its GPUs (sm_90: 32 MiB). Any less may change the algorithm.
  static constexpr std::size_t library_bytes = std::size_t{32} << 20U;
  static constexpr std::size_t row_bytes = std::size_t{256} << 10U;  ///< of the longest row that is summed with a product

 public:
  static constexpr std::size_t product_workspace_bytes = library_bytes + row_bytes;

  /// workspace: product_workspace_bytes bytes on the GPU of that number, 256-byte aligned.
  product_ops(void* workspace, int ordinal, arithmetic how = arithmetic::whole)
      : memory(ordinal), workspace_(workspace), matmuls_(std::make_unique<matmuls>(workspace, library_bytes, how)) {
    cublasHandle_t made = nullptr;
    check(cublasCreate(&made), "cublasCreate");
    handle_.reset(made);
    check(cublasSetStream(made, get()), "cublasSetStream");  // before the workspace, which it would reset
    check(cublasSetWorkspace(made, workspace, library_bytes), "cublasSetWorkspace");
    check(cublasSetMathMode(made, how == arithmetic::tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH),
          "cublasSetMathMode");
    check(cublasSetAtomicsMode(made, CUBLAS_ATOMICS_NOT_ALLOWED), "cublasSetAtomicsMode");
  }

  /// C = A B or C += A B; a [rows, depth], b [depth, cols], c [rows, cols].
  template <class S>
  void product_nn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const {
    product({.rows = rows, .cols = cols, .depth = depth, .accumulate = accumulate}, a, b, c);
  }
  /// b is [cols, depth].
  template <class S>
  void product_nt(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const {
    product({.rows = rows, .cols = cols, .depth = depth, .turned_b = true, .accumulate = accumulate}, a, b, c);
  }
  /// a is [depth, rows].
  template <class S>
  void product_tn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const {
    product({.rows = rows, .cols = cols, .depth = depth, .turned_a = true, .accumulate = accumulate}, a, b, c);
  }

  /// What p says, without an epilogue, of factors in bfloat16, with sums in float.
  void product_of_narrow(product_shape const& p, std::uint16_t const* a, std::uint16_t const* b, float* c) const {
    product(p, a, b, c);
  }
  /// The same with a row [cols] added to each row of C. False, and nothing done, where no library has it in one.
  bool product_of_narrow_and_row(product_shape p, std::uint16_t const* a, std::uint16_t const* b, float const* row,
                                 float* c) const {
    p.then = epilogue::add_row;
    return !p.empty() && matmuls_->run(get(), p, a, b, c, row);
  }

 protected:
  void* library_workspace() const { return workspace_; }

  /// C = A B with row [cols] added to each row of C. False, and nothing done, where no library has it in one.
  template <class S>
  bool product_and_row(int rows, int cols, int depth, S const* a, S const* b, S const* row, S* c) const {
    product_shape const p{.rows = rows, .cols = cols, .depth = depth, .then = epilogue::add_row};
    return !p.empty() && matmuls_->run(get(), p, a, b, c, row);
  }
  /// C += A B, a [depth, rows], and the sum of the rows of b [depth, cols] in a row that is there until the next product.
  /// Null, and nothing done, where no library has it in one.
  template <class S>
  S const* product_tn_and_sum(int rows, int cols, int depth, S const* a, S const* b, S* c) const {
    product_shape const p{
        .rows = rows, .cols = cols, .depth = depth, .turned_a = true, .accumulate = true, .then = epilogue::sum_rows};
    if (p.empty() || static_cast<std::size_t>(cols) * sizeof(S) > row_bytes) return nullptr;
    S* const row = reinterpret_cast<S*>(static_cast<std::byte*>(workspace_) + library_bytes);
    return matmuls_->run(get(), p, a, b, c, static_cast<S const*>(row)) ? row : nullptr;
  }

 private:
  template <class F, class S>
  void product(product_shape const& p, F const* a, F const* b, S* c) const {
    if (p.rows <= 0 || p.cols <= 0) return;
    if (p.depth <= 0) {
      if (!p.accumulate) zero(c, sizeof(S) * static_cast<std::size_t>(p.rows) * static_cast<std::size_t>(p.cols));
      return;
    }
    if (matmuls_->run(get(), p, a, b, c, static_cast<S const*>(nullptr))) return;
    S const one(1), before(p.accumulate ? 1 : 0);
    check(gemm(handle_.get(), p.turned_b ? CUBLAS_OP_T : CUBLAS_OP_N, p.turned_a ? CUBLAS_OP_T : CUBLAS_OP_N, p.cols, p.rows,
               p.depth, &one, b, p.step_of_b(), a, p.step_of_a(), &before, c, p.cols),
          "the cuBLAS product of ", p.rows, " x ", p.depth, " and ", p.depth, " x ", p.cols);
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
  static cublasStatus_t gemm(cublasHandle_t h, cublasOperation_t p, cublasOperation_t q, int m, int n, int k,
                             float const* one, std::uint16_t const* a, int lda, std::uint16_t const* b, int ldb,
                             float const* before, float* c, int ldc) {
    return cublasGemmEx(h, p, q, m, n, k, one, a, CUDA_R_16BF, lda, b, CUDA_R_16BF, ldb, before, c, CUDA_R_32F, ldc,
                        CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
  }

  struct destroy {
    void operator()(cublasHandle_t h) const { cublasDestroy(h); }
  };
  void* workspace_;
  std::unique_ptr<cublasContext, destroy> handle_;
  std::unique_ptr<matmuls> matmuls_;
};

}  // namespace foal::device::cuda_ops
