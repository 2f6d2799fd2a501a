// cuBLASLt on the CPU: column-major products in plain loops, with the rules that foal must keep.
#include "cuda/cublasLt.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "flaws.hpp"
#include "libraries.hpp"
#include "memory.hpp"
#include "queues.hpp"

using namespace foal::test::emulation;

struct cublasLtContext {
  int device = 0;
};
struct emulated_matmul {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cudaDataType_t scale = CUDA_R_32F;
  cublasOperation_t turned_a = CUBLAS_OP_N, turned_b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void* bias = nullptr;
};
struct emulated_layout {
  cudaDataType_t type = CUDA_R_32F;
  std::uint64_t rows = 0, cols = 0;
  std::int64_t ld = 0;
  bool operator==(emulated_layout const&) const = default;
};
struct emulated_preference {
  std::size_t workspace = 0;
  std::uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_MASK;
  std::uint32_t alignment[4] = {256, 256, 256, 256};  // of A, B, C, D
};

namespace foal::test::emulation {

library_answers& libraries() {
  static library_answers one;
  return one;
}

}  // namespace foal::test::emulation

namespace {

using lock = std::lock_guard<call_lock>;

/// What an algorithm was found for; its number is in the algorithm.
struct algorithm {
  emulated_matmul what;
  emulated_layout a, b, c, d;
  emulated_preference wanted;
  std::size_t bytes = 0;
  std::uintptr_t bias_alignment = 16;
};
constexpr std::uint64_t mark = 0xf0a1;
std::vector<algorithm>& algorithms() {
  static std::vector<algorithm> all;
  return all;
}

template <class T>
bool take(T& to, void const* value, std::size_t bytes) {
  if (value == nullptr || bytes != sizeof(T)) return false;
  std::memcpy(&to, value, bytes);
  return true;
}
cublasStatus_t said(bool good) { return good ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE; }

/// Sizes of a product: D [m, n] of op(A) [m, k] and op(B) [k, n].
struct sizes {
  std::uint64_t m = 0, n = 0, k = 0;
};
bool fit(emulated_matmul const& w, emulated_layout const& a, emulated_layout const& b, emulated_layout const& c,
         emulated_layout const& d, sizes& s) {
  bool const ta = w.turned_a == CUBLAS_OP_T, tb = w.turned_b == CUBLAS_OP_T;
  s = {ta ? a.cols : a.rows, tb ? b.rows : b.cols, ta ? a.rows : a.cols};
  cudaDataType_t const type = w.compute == CUBLAS_COMPUTE_64F ? CUDA_R_64F : CUDA_R_32F;
  bool const narrow = w.compute == CUBLAS_COMPUTE_32F && a.type == CUDA_R_16BF && b.type == CUDA_R_16BF;
  bool good = w.scale == type && s.m > 0 && s.n > 0 && s.k > 0 && (tb ? b.cols : b.rows) == s.k;
  good = good && (narrow || (a.type == type && b.type == type)) && c.type == type && d.type == type;
  for (emulated_layout const* l : {&a, &b, &c, &d}) good = good && l->ld >= static_cast<std::int64_t>(l->rows);
  return good && c.rows == s.m && c.cols == s.n && d.rows == s.m && d.cols == s.n;
}

std::size_t size_of(cudaDataType_t type) { return type == CUDA_R_64F ? 8 : type == CUDA_R_16BF ? 2 : 4; }
bool lies_on(char const* what, void const* p, emulated_layout const& l, int device) {
  std::size_t const entries = (l.cols - 1) * static_cast<std::size_t>(l.ld) + l.rows;
  return check_range(what, p, entries * size_of(l.type), device);
}
bool aligned(void const* p, std::uintptr_t to) { return reinterpret_cast<std::uintptr_t>(p) % to == 0; }

struct call {
  algorithm found;
  sizes s;
  double alpha = 1, beta = 0;
  void const *a = nullptr, *b = nullptr, *c = nullptr;
  void *d = nullptr, *bias = nullptr;
};

/// F: of the factors, S: of all else.
template <class F, class S>
void multiply(call const& p) {
  auto const& [w, la, lb, lc, ld, wanted, bytes, bias_alignment] = p.found;
  bool const ta = w.turned_a == CUBLAS_OP_T, tb = w.turned_b == CUBLAS_OP_T;
  bool const rounds = w.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  auto const *a = static_cast<F const*>(p.a), *b = static_cast<F const*>(p.b);
  auto const* const c = static_cast<S const*>(p.c);
  auto const factor = [rounds](F x) {
    auto const value = static_cast<S>(value_of(x));
    return static_cast<double>(rounds ? tf32(value) : value);
  };
  auto const at = [](emulated_layout const& l, std::uint64_t r, std::uint64_t q) {
    return q * static_cast<std::uint64_t>(l.ld) + r;
  };
  std::vector<double> out(p.s.m);
  for (std::uint64_t j = 0; j < p.s.n; ++j) {
    std::fill(out.begin(), out.end(), 0.0);
    for (std::uint64_t k = 0; k < p.s.k; ++k) {
      double const y = factor(tb ? b[at(lb, j, k)] : b[at(lb, k, j)]);
      for (std::uint64_t i = 0; i < p.s.m; ++i) out[i] += factor(ta ? a[at(la, k, i)] : a[at(la, i, k)]) * y;
    }
    auto* const d = static_cast<S*>(p.d);
    for (std::uint64_t i = 0; i < p.s.m; ++i) {
      double sum = p.alpha * out[i];
      if (p.beta != 0) sum += p.beta * static_cast<double>(c[at(lc, i, j)]);  // else what c held, NaN perhaps, is not read
      if (w.epilogue == CUBLASLT_EPILOGUE_BIAS) sum += static_cast<double>(static_cast<S const*>(p.bias)[i]);
      d[at(ld, i, j)] = static_cast<S>(sum);
    }
  }
  if (w.epilogue != CUBLASLT_EPILOGUE_BGRADA) return;
  std::fill(out.begin(), out.end(), 0.0);
  for (std::uint64_t k = 0; k < p.s.k; ++k)
    for (std::uint64_t i = 0; i < p.s.m; ++i) out[i] += value_of(ta ? a[at(la, k, i)] : a[at(la, i, k)]);
  for (std::uint64_t i = 0; i < p.s.m; ++i) static_cast<S*>(p.bias)[i] = static_cast<S>(out[i]);
}

}  // namespace

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  int count = 0;
  *handle = nullptr;
  if (cudaGetDeviceCount(&count) != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = new cublasLtContext;
  cudaGetDevice(&(*handle)->device);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* what, cublasComputeType_t compute, cudaDataType_t scale) {
  *what = new emulated_matmul{.compute = compute, .scale = scale};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t what) {
  delete what;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t what, cublasLtMatmulDescAttributes_t which,
                                              void const* value, std::size_t bytes) {
  switch (which) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return said(take(what->turned_a, value, bytes));
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return said(take(what->turned_b, value, bytes));
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return said(take(what->epilogue, value, bytes));
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return said(take(what->bias, value, bytes));
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type, std::uint64_t rows,
                                          std::uint64_t cols, std::int64_t ld) {
  *layout = new emulated_layout{type, rows, cols, ld};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new emulated_preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t which, void const* value,
                                                    std::size_t bytes) {
  if (which == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return said(take(preference->workspace, value, bytes));
  if (which == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) return said(take(preference->schemes, value, bytes));
  return said(take(preference->alignment[which - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes));
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t what, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results, int* found) {
  lock const held(calls());
  *found = 0;
  sizes s;
  if (wanted < 1 || !fit(*what, *a, *b, *c, *d, s)) return CUBLAS_STATUS_INVALID_VALUE;
  bool const sums = libraries().sums && a->type != CUDA_R_16BF;
  if (!libraries().products || (what->epilogue == CUBLASLT_EPILOGUE_BGRADA && !sums)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if ((preference->schemes & CUBLASLT_REDUCTION_SCHEME_INPLACE) != 0)
    report("an algorithm of cuBLASLt may add up in the result: its rounding is that of parts");
  // Some want more than others; what is too much for the preference is not named.
  std::size_t const bytes = std::min<std::size_t>(preference->workspace, 1000 + s.k % 7 * 512);
  std::uintptr_t const at = reinterpret_cast<std::uintptr_t>(what->bias);
  algorithms().push_back({*what, *a, *b, *c, *d, *preference, bytes, at % 16 == 0 ? 16U : at % 8 == 0 ? 8U : 4U});
  results[0] = {};
  results[0].algo.data[0] = mark;
  results[0].algo.data[1] = algorithms().size() - 1;
  results[0].workspaceSize = bytes;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t what, void const* alpha, void const* a,
                              cublasLtMatrixLayout_t layout_a, void const* b, cublasLtMatrixLayout_t layout_b,
                              void const* beta, void const* c, cublasLtMatrixLayout_t layout_c, void* d,
                              cublasLtMatrixLayout_t layout_d, cublasLtMatmulAlgo_t const* chosen, void* workspace,
                              std::size_t bytes, cudaStream_t stream) {
  lock const held(calls());
  if (chosen == nullptr || chosen->data[0] != mark || chosen->data[1] >= algorithms().size())
    return CUBLAS_STATUS_INVALID_VALUE;
  call p;
  p.found = algorithms()[chosen->data[1]];
  algorithm const& f = p.found;
  bool const same = f.what.compute == what->compute && f.what.turned_a == what->turned_a &&
                    f.what.turned_b == what->turned_b && f.what.epilogue == what->epilogue && f.a == *layout_a &&
                    f.b == *layout_b && f.c == *layout_c && f.d == *layout_d;
  if (!same || !fit(*what, *layout_a, *layout_b, *layout_c, *layout_d, p.s)) return CUBLAS_STATUS_INVALID_VALUE;
  if (bytes < f.bytes || (bytes > 0 && !aligned(workspace, 256))) return CUBLAS_STATUS_INVALID_VALUE;
  bool const has_bias = what->epilogue != CUBLASLT_EPILOGUE_DEFAULT;
  if (!aligned(a, f.wanted.alignment[0]) || !aligned(b, f.wanted.alignment[1]) || !aligned(c, f.wanted.alignment[2]) ||
      !aligned(d, f.wanted.alignment[3]) || (has_bias && (what->bias == nullptr || !aligned(what->bias, f.bias_alignment))))
    return CUBLAS_STATUS_INVALID_VALUE;
  int const device = device_of(stream);
  if (device != handle->device) return CUBLAS_STATUS_INVALID_VALUE;
  int current = -1;
  cudaGetDevice(&current);
  if (current != device) report("a product of cuBLASLt is called for another device than the current one");
  bool const wide = layout_d->type == CUDA_R_64F;
  p.alpha = wide ? *static_cast<double const*>(alpha) : static_cast<double>(*static_cast<float const*>(alpha));
  p.beta = wide ? *static_cast<double const*>(beta) : static_cast<double>(*static_cast<float const*>(beta));
  p.a = a, p.b = b, p.c = c, p.d = d, p.bias = what->bias;
  cudaError_t const put = enqueue(stream, [p, device, has_bias, wide, workspace] {
    bool const good = lies_on("the first factor of a product", p.a, p.found.a, device) &
                      lies_on("the second factor of a product", p.b, p.found.b, device) &
                      lies_on("the result of a product", p.d, p.found.d, device) &
                      check_range("the workspace of cuBLASLt", workspace, p.found.bytes, device) &
                      (!has_bias || check_range("the row of a product", p.bias, p.s.m * size_of(p.found.d.type), device));
    if (!good) return cudaErrorIllegalAddress;
    std::memset(workspace, 0xff, p.found.bytes);
    if (p.found.a.type == CUDA_R_16BF)
      multiply<std::uint16_t, float>(p);
    else
      wide ? multiply<double, double>(p) : multiply<float, float>(p);
    return cudaSuccess;
  });
  return put == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
