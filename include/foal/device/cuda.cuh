// One NVIDIA GPU as a device, put together from the files of device/cuda: for .cu files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <foal/device/cuda/convolution.cuh>
#include <foal/device/cuda/dropout.cuh>
#include <foal/device/cuda/map.cuh>
#include <foal/device/cuda/product.hpp>
#include <foal/device/cuda/reduce.cuh>
#include <foal/device/cuda/rows.cuh>
#include <foal/device/cuda/softmax.cuh>
#include <foal/device/loss_sums.hpp>

namespace foal::device {

/// The first GPU that the process sees (CUDA_VISIBLE_DEVICES chooses). It has the ops of linear layers, elementwise layers
/// and losses; device::host is their oracle. Ops enqueue and return; those that give a value to the host wait for it. Every
/// reduction has a fixed order that depends on sizes alone, so results have equal bits on every run on one kind of GPU.
class cuda : public cuda_ops::product_ops {
  static constexpr std::size_t alignment_ = 256;
  static constexpr std::size_t part_bytes_ = cuda_ops::most_parts * sizeof(double);
  static constexpr std::size_t fixed_bytes_ = alignment_ + product_workspace_bytes + 3 * part_bytes_;
  static_assert(sizeof(double) == sizeof(long long) && part_bytes_ % alignment_ == 0);

 public:
  static constexpr std::size_t workspace_bytes = fixed_bytes_ + cuda_ops::convolver::least_room;
  /// Of a model with this parameter: the weights of a convolution are turned there.
  template <class S>
  static constexpr std::size_t workspace_for(shape parameter) {
    return fixed_bytes_ + cuda_ops::convolver::room_for<S>(parameter);
  }

  /// workspace: `bytes` bytes from allocate(), at least workspace_bytes, for this object alone and as long as it lives.
  explicit cuda(void* workspace, std::size_t bytes = workspace_bytes)
      : product_ops(aligned(workspace)),
        convolver_(std::make_unique<cuda_ops::convolver>(
            library_workspace(), library_bytes, static_cast<std::byte*>(aligned(workspace)) + (fixed_bytes_ - alignment_),
            bytes - fixed_bytes_, cuda_ops::arithmetic::whole)) {
    auto* const parts = static_cast<std::byte*>(aligned(workspace)) + product_workspace_bytes;
    parts_.sum = reinterpret_cast<double*>(parts);
    parts_.correct = reinterpret_cast<long long*>(parts + part_bytes_);
    parts_.counted = reinterpret_cast<long long*>(parts + 2 * part_bytes_);
  }

  template <class F, class... Ps>
  void map(std::size_t n, F f, Ps*... p) const {
    cuda_ops::map(get(), n, f, p...);
  }

  template <class S>
  void dropout(int samples, int elements, random_key key, std::uint32_t threshold, S scale, S const* x, S* y) const {
    cuda_ops::dropout(get(), samples, elements, key, threshold, scale, x, y);
  }

  template <class S>
  void add_to_rows(int rows, int cols, S const* bias, S* y) const {
    cuda_ops::add_to_rows(get(), rows, cols, bias, y);
  }
  template <class S>
  void sum_of_rows(int rows, int cols, S const* x, S* out) const {
    cuda_ops::sum_of_rows(get(), rows, cols, x, out);
  }

  /// C = A B with row added to each of its rows: product_nn and add_to_rows in one where cuBLASLt has that.
  template <class S>
  void product_nn_plus_row(int rows, int cols, int depth, S const* a, S const* b, S const* row, S* c) const {
    if (product_and_row(rows, cols, depth, a, b, row, c)) return;
    product_nn(rows, cols, depth, a, b, c, false);
    add_to_rows(rows, cols, row, c);
  }
  /// C += A B, a [depth, rows], and sums += the sum of the rows of b: product_tn and sum_of_rows, reading b once where
  /// cuBLASLt has that.
  template <class S>
  void product_tn_and_sum_of_rows(int rows, int cols, int depth, S const* a, S const* b, S* c, S* sums) const {
    if (S const* const sum = product_tn_and_sum(rows, cols, depth, a, b, c))
      return map(static_cast<std::size_t>(cols), cuda_ops::add_element{}, sum, sums);
    product_tn(rows, cols, depth, a, b, c, true);
    sum_of_rows(depth, cols, b, sums);
  }

  /// Scratch of the three is the host's; here they have a room of their own.
  template <class S>
  void convolve(window const& g, int filters, int samples, S const* x, S const* weight, S* y, S* /*scratch*/) const {
    convolver_->forward(*this, get(), g, filters, samples, x, weight, y);
  }
  template <class S>
  void convolve_gradient(window const& g, int filters, int samples, S const* dy, S const* weight, S* dx,
                         S* /*scratch*/) const {
    convolver_->input_gradient(*this, get(), g, filters, samples, dy, weight, dx);
  }
  template <class S>
  void convolve_weight_gradient(window const& g, int filters, int samples, S const* x, S const* dy, S* dweight,
                                S* /*scratch*/) const {
    convolver_->weight_gradient(*this, get(), g, filters, samples, x, dy, dweight);
  }

  /// The sum of x[i]^2 in double.
  template <class S>
  double sum_of_squares(std::size_t n, S const* x) const {
    cuda_ops::sum_of_squares(get(), n, x, parts_.sum, parts_.sum);
    return value_of(parts_.sum);
  }
  /// Whether no element is infinite or NaN.
  template <class S>
  bool all_finite(std::size_t n, S const* x) const {
    int* const found = reinterpret_cast<int*>(parts_.correct);
    zero(found, sizeof *found);
    cuda_ops::find_non_finite(get(), n, x, found);
    return value_of(found) == 0;
  }

  template <class S>
  loss_sums softmax_cross_entropy(int rows, int cols, S const* x, std::int32_t const* target, double smoothing,
                                  double divide, S* dx) const {
    cuda_ops::softmax_cross_entropy(get(), rows, cols, x, target, smoothing, divide, dx, parts_);
    return {value_of(parts_.sum), value_of(parts_.correct), value_of(parts_.counted)};
  }
  template <class S>
  loss_sums mean_squared_error(int rows, int cols, S const* x, S const* target, double divide, S* dx) const {
    cuda_ops::mean_squared_error(get(), rows, cols, x, target, divide, dx, parts_);
    return {value_of(parts_.sum), value_of(parts_.correct), value_of(parts_.counted)};
  }

 private:
  /// An arena aligns to foal::alignment, less than cuBLAS asks for.
  static void* aligned(void* p) {
    auto const at = reinterpret_cast<std::uintptr_t>(p);
    return static_cast<std::byte*>(p) + (alignment_ - at % alignment_) % alignment_;
  }
  template <class T>
  T value_of(T const* on_device) const {
    T value{};
    copy_out(&value, on_device, sizeof value);
    return value;
  }

  cuda_ops::loss_parts parts_;
  std::unique_ptr<cuda_ops::convolver> convolver_;
};

}  // namespace foal::device
