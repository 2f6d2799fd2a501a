// Matrix products by cuBLASLt, with what may be done to a result in the same call.
#pragma once

#include <cublasLt.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include <foal/device/cuda/plans.hpp>
#include <foal/device/cuda/status.hpp>

namespace foal::device::cuda_ops {

/// What a product does beside c = a b.
enum class epilogue {
  none,
  add_row,  ///< a row is added to each row of c
  sum_rows  ///< a row becomes the sum of the rows of b, which is then [depth, cols]
};

/// Row-major: c [rows, cols]; a [rows, depth], or [depth, rows] where it is turned; b [depth, cols], or [cols, depth].
struct product_shape {
  int rows = 0, cols = 0, depth = 0;
  bool turned_a = false, turned_b = false, accumulate = false;
  epilogue then = epilogue::none;
  int step_a = 0, step_b = 0;  ///< from one row of a factor to the next; 0: rows have no gaps

  bool empty() const { return rows <= 0 || cols <= 0 || depth <= 0; }
  int step_of_a() const { return step_a != 0 ? step_a : turned_a ? rows : depth; }
  int step_of_b() const { return step_b != 0 ? step_b : turned_b ? depth : cols; }
};

/// What the libraries call an element. std::uint16_t: bfloat16.
template <class T>
inline constexpr cudaDataType_t library_type = CUDA_R_32F;
template <>
inline constexpr cudaDataType_t library_type<double> = CUDA_R_64F;
template <>
inline constexpr cudaDataType_t library_type<std::uint16_t> = CUDA_R_16BF;

/// cuBLASLt for one object. It is column-major, where a row-major matrix is its own transpose: c^T = b^T a^T is what it is
/// asked for, so nothing is moved, and a row of c is what it calls a bias. The algorithm of a shape is the first that its
/// heuristic names, so no run is timed; sums are parted in no way that adds up in the result (scheme in place).
/// https://docs.nvidia.com/cuda/cublas/#cublasltmatmulalgogetheuristic
class matmuls {
 public:
  /// workspace: `bytes` bytes on the GPU in use, 256-byte aligned. Throws foal::error where cuBLASLt cannot work.
  matmuls(void* workspace, std::size_t bytes, arithmetic how) : workspace_(workspace), bytes_(bytes), how_(how) {
    cublasLtHandle_t made = nullptr;
    check(cublasLtCreate(&made), "cublasLtCreate");
    handle_.reset(made);
  }

  /// Enqueues the product. F: S, or std::uint16_t for bfloat16 where S is float. row: of the epilogue, [cols]. False, and
  /// nothing done, where cuBLASLt has no algorithm. Needs a shape that is not empty.
  template <class F, class S>
  bool run(cudaStream_t stream, product_shape const& p, F const* a, F const* b, S* c, S const* row) {
    alignments const aligned{planned_alignment<F>(a, b), planned_alignment<S>(c, row)};
    plan_key const key{{p.rows, p.cols, p.depth, p.turned_a, p.turned_b, p.accumulate, static_cast<int>(p.then),
                        static_cast<int>(library_type<F>), p.step_a, p.step_b, aligned.factors, aligned.result}};
    plan& found = plans_.of(key, [&] { return make<F, S>(p, row, aligned); });
    if (!found.possible) return false;
    if (p.then != epilogue::none) set(found, CUBLASLT_MATMUL_DESC_BIAS_POINTER, row);
    S const one(1), before(p.accumulate ? 1 : 0);
    check(cublasLtMatmul(handle_.get(), found.what.get(), &one, b, found.left.get(), a, found.right.get(), &before, c,
                         found.result.get(), c, found.result.get(), &found.algorithm, workspace_, bytes_, stream),
          "the cuBLASLt product of ", p.rows, " x ", p.depth, " and ", p.depth, " x ", p.cols);
    return true;
  }
  std::size_t size() const { return plans_.size(); }

 private:
  template <class Opaque, cublasStatus_t (*Destroy)(Opaque*)>
  struct destroy {
    void operator()(Opaque* p) const { Destroy(p); }
  };
  using description_ptr = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulDesc_t>,
                                          destroy<std::remove_pointer_t<cublasLtMatmulDesc_t>, cublasLtMatmulDescDestroy>>;
  using layout_ptr = std::unique_ptr<std::remove_pointer_t<cublasLtMatrixLayout_t>,
                                     destroy<std::remove_pointer_t<cublasLtMatrixLayout_t>, cublasLtMatrixLayoutDestroy>>;
  using preference_ptr =
      std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>,
                      destroy<std::remove_pointer_t<cublasLtMatmulPreference_t>, cublasLtMatmulPreferenceDestroy>>;
  struct destroy_handle {
    void operator()(cublasLtContext* h) const { cublasLtDestroy(h); }
  };

  struct alignments {
    int factors, result;
  };
  /// In cuBLASLt's words: left is b, right is a.
  struct plan {
    description_ptr what;
    layout_ptr left, right, result;
    cublasLtMatmulAlgo_t algorithm{};
    bool possible = false;
  };

  template <class T>
  static void set(plan const& p, cublasLtMatmulDescAttributes_t which, T const& value) {
    check(cublasLtMatmulDescSetAttribute(p.what.get(), which, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
  }
  template <class T>
  static void set(preference_ptr const& p, cublasLtMatmulPreferenceAttributes_t which, T const& value) {
    check(cublasLtMatmulPreferenceSetAttribute(p.get(), which, &value, sizeof value),
          "cublasLtMatmulPreferenceSetAttribute");
  }
  static layout_ptr layout(cudaDataType_t type, int rows, int cols, int step) {
    cublasLtMatrixLayout_t made = nullptr;
    check(cublasLtMatrixLayoutCreate(&made, type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols), step),
          "cublasLtMatrixLayoutCreate");
    return layout_ptr(made);
  }

  template <class F, class S>
  plan make(product_shape const& p, S const* row, alignments aligned) const {
    constexpr bool wide = std::is_same_v<S, double>;
    constexpr cudaDataType_t type = library_type<F>;
    plan made;
    cublasLtMatmulDesc_t what = nullptr;
    check(cublasLtMatmulDescCreate(&what,
                                   wide                       ? CUBLAS_COMPUTE_64F
                                   : how_ == arithmetic::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                              : CUBLAS_COMPUTE_32F,
                                   library_type<S>),
          "cublasLtMatmulDescCreate");
    made.what.reset(what);
    set(made, CUBLASLT_MATMUL_DESC_TRANSA, p.turned_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(made, CUBLASLT_MATMUL_DESC_TRANSB, p.turned_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (p.then != epilogue::none) {
      set(made, CUBLASLT_MATMUL_DESC_EPILOGUE,
          p.then == epilogue::add_row ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_BGRADA);
      set(made, CUBLASLT_MATMUL_DESC_BIAS_POINTER, row);  // the heuristic looks at its alignment
    }
    int const a = p.step_of_a(), b = p.step_of_b();
    made.left = p.turned_b ? layout(type, p.depth, p.cols, b) : layout(type, p.cols, p.depth, b);
    made.right = p.turned_a ? layout(type, p.rows, p.depth, a) : layout(type, p.depth, p.rows, a);
    made.result = layout(library_type<S>, p.cols, p.rows, p.cols);
    find(made, aligned);
    return made;
  }

  void find(plan& made, alignments aligned) const {
    cublasLtMatmulPreference_t created = nullptr;
    check(cublasLtMatmulPreferenceCreate(&created), "cublasLtMatmulPreferenceCreate");
    preference_ptr const wanted(created);
    set(wanted, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, bytes_);
    set(wanted, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    for (auto const which : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES})
      set(wanted, which, static_cast<std::uint32_t>(aligned.factors));
    for (auto const which : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      set(wanted, which, static_cast<std::uint32_t>(aligned.result));
    cublasLtMatmulHeuristicResult_t first{};
    int found = 0;
    cublasStatus_t const status =
        cublasLtMatmulAlgoGetHeuristic(handle_.get(), made.what.get(), made.left.get(), made.right.get(), made.result.get(),
                                       made.result.get(), wanted.get(), 1, &first, &found);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return;
    check(status, "cublasLtMatmulAlgoGetHeuristic");
    made.possible = found == 1 && first.state == CUBLAS_STATUS_SUCCESS;
    made.algorithm = first.algo;
  }

  std::unique_ptr<cublasLtContext, destroy_handle> handle_;
  void* workspace_;
  std::size_t bytes_;
  arithmetic how_;
  plans<plan> plans_;
};

}  // namespace foal::device::cuda_ops
