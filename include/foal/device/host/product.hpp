// Matrix products on the host: Eigen's kernels, with block sizes and packing buffers that are foal's.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>

namespace foal::device::host_ops {

/// Block sizes in elements. Fixed here, never read from the CPU found at run time: they decide the order of additions.
template <class S>
struct product_blocks {
  using kernel = Eigen::internal::gebp_traits<S, S>;
  static constexpr int depth = 256;
  static constexpr int lhs = static_cast<int>(768 / sizeof(S)) / kernel::mr * kernel::mr;
  static constexpr int rhs = static_cast<int>(2048 / sizeof(S)) / kernel::nr * kernel::nr;
  static constexpr std::size_t lhs_bytes = std::size_t{768} * depth;
  static constexpr std::size_t rhs_bytes = std::size_t{2048} * depth;
  static_assert(lhs > 0 && rhs > 0);
};

/// Gives Eigen its packing buffers; without this it allocates in every product and blocks by the CPU's cache sizes.
template <class S>
struct product_blocking : Eigen::internal::level3_blocking<S, S> {
  explicit product_blocking(std::byte* workspace) {
    this->m_blockA = reinterpret_cast<S*>(workspace);
    this->m_blockB = reinterpret_cast<S*>(workspace + product_blocks<S>::lhs_bytes);
    this->m_mc = product_blocks<S>::lhs;
    this->m_nc = product_blocks<S>::rhs;
    this->m_kc = product_blocks<S>::depth;
  }
};

/// Row-major products. c may not overlap a or b. Sizes are of the product: c is [rows, cols].
class product_ops {
 public:
  static constexpr std::size_t workspace_bytes = std::size_t{768 + 2048} * 256;

  explicit product_ops(void* workspace) : workspace_(static_cast<std::byte*>(workspace)) {}

  /// c = a b (accumulate: c += a b); a [rows, depth], b [depth, cols].
  template <class S>
  void product_nn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate = false) const {
    blocked<S, Eigen::RowMajor, Eigen::RowMajor>(rows, cols, depth, a, depth, b, cols, c, accumulate);
  }

  /// c = a b^T (accumulate: c += a b^T); a [rows, depth], b [cols, depth].
  template <class S>
  void product_nt(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate = false) const {
    blocked<S, Eigen::RowMajor, Eigen::ColMajor>(rows, cols, depth, a, depth, b, depth, c, accumulate);
  }

  /// c = a^T b (accumulate: c += a^T b); a [depth, rows], b [depth, cols].
  template <class S>
  void product_tn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate = false) const {
    blocked<S, Eigen::ColMajor, Eigen::RowMajor>(rows, cols, depth, a, rows, b, cols, c, accumulate);
  }

 private:
  template <class S, int OrderA, int OrderB>
  void blocked(std::ptrdiff_t rows, std::ptrdiff_t cols, std::ptrdiff_t depth, S const* a, std::ptrdiff_t stride_a,
               S const* b, std::ptrdiff_t stride_b, S* c, bool accumulate) const {
    if (!accumulate) std::fill_n(c, rows * cols, S(0));
    product_blocking<S> blocking(workspace_);
    Eigen::internal::general_matrix_matrix_product<std::ptrdiff_t, S, OrderA, false, S, OrderB, false, Eigen::RowMajor,
                                                   1>::run(rows, cols, depth, a, stride_a, b, stride_b, c, 1, cols, S(1),
                                                           blocking);
  }

  std::byte* workspace_;
};

}  // namespace foal::device::host_ops
