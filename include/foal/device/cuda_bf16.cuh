// One NVIDIA GPU that multiplies in bfloat16: for .cu files.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <foal/device/cuda.cuh>
#include <foal/device/cuda/narrow_convolution.cuh>
#include <foal/device/cuda/narrow_product.cuh>

namespace foal::device {

/// device::cuda with the factors of floats' products and convolutions rounded to bfloat16 (to nearest even), for tensor
/// cores: a unit's newest weights once for each update (keep_forms), all else in scratch for each op. All that a run keeps
/// stays in float, so it differs in nothing else: weights, which U changes, gradients, optimizer states, activations, and
/// the ops that are no products (norms, softmax, losses, attention). Sums are in float, and so are results, but for those of
/// convolutions of more than one position, which are rounded, too: a relative error of 2^-8. Optimizers of whole parameters
/// get exact(). Double stays as it is.
///
/// A convolution for which cuDNN has no engine, or of samples of more than 8388608 elements, is device::cuda's.
class cuda_bf16 : public cuda {
  static constexpr std::size_t piece_ = std::size_t{1} << 23U;  ///< elements of each of two rooms for maps and rows
  static constexpr std::size_t own_bytes_ = 2 * piece_ * sizeof(std::uint16_t) + room_alignment;

 public:
  static constexpr std::size_t workspace_bytes = cuda::workspace_bytes + own_bytes_;
  /// Of a model with this parameter: it has a place in bfloat16.
  template <class S>
  static constexpr std::size_t workspace_for(shape parameter) {
    std::size_t const narrow = cuda_ops::narrow_products::weights_for(parameter) * sizeof(std::uint16_t);
    return std::max(cuda::workspace_for<S>(parameter), cuda::workspace_of(narrow)) + own_bytes_;
  }

  /// As device::cuda's.
  explicit cuda_bf16(void* workspace, std::size_t bytes = workspace_bytes, int ordinal = 0)
      : cuda(workspace, bytes - own_bytes_, ordinal, cuda_ops::arithmetic::whole),
        forms_(std::make_unique<cuda_ops::weight_forms>()),
        rooms_(rooms_in(workspace, bytes)),
        products_(rooms_, forms_.get()),
        convolver_(std::make_unique<cuda_ops::narrow_convolver>(library_workspace(), library_bytes, rooms_, forms_.get())) {}

  // Forms of weights: see the contract.
  static constexpr element form_type = element::bfloat16;
  /// Of one parameter: what is no factor has none.
  template <class S>
  static constexpr long long form_elements(shape parameter) {
    bool const factor = sizeof(S) == sizeof(float) && parameter.rank >= 2;
    return factor ? static_cast<long long>(cuda_ops::narrow_products::weights_for(parameter)) : 0;
  }
  void keep_forms(void const* weights, std::size_t bytes, void* room, std::size_t room_bytes) const {
    forms_->keep(weights, bytes, room, room_bytes);
  }
  void weights_changed() const { forms_->changed(); }

  /// The same queue with arithmetic in float.
  cuda& exact() { return *this; }

  using cuda::product_nn;
  void product_nn(int rows, int cols, int depth, float const* a, float const* b, float* c, bool accumulate) const {
    products_.run(*this, get(), {.rows = rows, .cols = cols, .depth = depth, .accumulate = accumulate}, a, b, c);
  }
  using cuda::product_nt;
  void product_nt(int rows, int cols, int depth, float const* a, float const* b, float* c, bool accumulate) const {
    products_.run(*this, get(), {.rows = rows, .cols = cols, .depth = depth, .turned_b = true, .accumulate = accumulate}, a,
                  b, c);
  }
  using cuda::product_tn;
  void product_tn(int rows, int cols, int depth, float const* a, float const* b, float* c, bool accumulate) const {
    products_.run(*this, get(), {.rows = rows, .cols = cols, .depth = depth, .turned_a = true, .accumulate = accumulate}, a,
                  b, c);
  }
  using cuda::product_nn_plus_row;
  void product_nn_plus_row(int rows, int cols, int depth, float const* a, float const* b, float const* row, float* c) const {
    products_.run(*this, get(), {.rows = rows, .cols = cols, .depth = depth}, a, b, c, row);
  }
  /// The sums are of b as it is.
  using cuda::product_tn_and_sum_of_rows;
  void product_tn_and_sum_of_rows(int rows, int cols, int depth, float const* a, float const* b, float* c,
                                  float* sums) const {
    product_tn(rows, cols, depth, a, b, c, true);
    sum_of_rows(depth, cols, b, sums);
  }

  using cuda::convolve;
  void convolve(window const& g, int filters, int samples, float const* x, float const* weight, float* y,
                float* scratch) const {
    if (is_product(g, filters, samples))
      return product_nn(samples * g.positions(), filters, g.channels, x, weight, y, false);
    if (!convolver_->forward(get(), g, filters, samples, x, weight, y))
      cuda::convolve(g, filters, samples, x, weight, y, scratch);
  }
  using cuda::convolve_gradient;
  void convolve_gradient(window const& g, int filters, int samples, float const* dy, float const* weight, float* dx,
                         float* scratch) const {
    if (is_product(g, filters, samples))
      return product_nt(samples * g.positions(), g.channels, filters, dy, weight, dx, false);
    if (!convolver_->input_gradient(get(), g, filters, samples, dy, weight, dx))
      cuda::convolve_gradient(g, filters, samples, dy, weight, dx, scratch);
  }
  using cuda::convolve_weight_gradient;
  void convolve_weight_gradient(window const& g, int filters, int samples, float const* x, float const* dy, float* dweight,
                                float* scratch) const {
    if (is_product(g, filters, samples))
      return product_tn(g.channels, filters, samples * g.positions(), x, dy, dweight, true);
    if (!convolver_->weight_gradient(get(), g, filters, samples, x, dy, dweight))
      cuda::convolve_weight_gradient(g, filters, samples, x, dy, dweight, scratch);
  }

 private:
  static bool is_product(window const& g, int filters, int samples) {
    return cuda_ops::convolver::is_pointwise(g) && !cuda_ops::convolver::is_empty(g, filters, samples);
  }

  /// Behind what device::cuda has; weights are where it turns those of convolutions, which no op does beside them.
  cuda_ops::narrow_rooms rooms_in(void* workspace, std::size_t bytes) const {
    auto* const own = static_cast<std::byte*>(workspace) + (bytes - own_bytes_);
    auto* const first = static_cast<std::uint16_t*>(aligned(own));
    return {first, first + piece_, piece_, static_cast<std::uint16_t*>(room()), room_bytes() / 16 * 8};
  }

  std::unique_ptr<cuda_ops::weight_forms> forms_;
  cuda_ops::narrow_rooms rooms_;
  cuda_ops::narrow_products products_;
  std::unique_ptr<cuda_ops::narrow_convolver> convolver_;
};

static_assert(asynchronous<cuda_bf16> && has_ordinals<cuda_bf16> && records<cuda_bf16>);

}  // namespace foal::device
