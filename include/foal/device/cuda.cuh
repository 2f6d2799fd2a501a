// One NVIDIA GPU as a device, put together from the files of device/cuda: for .cu files.
#pragma once

#include <cstddef>
#include <cstdint>

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
  static_assert(sizeof(double) == sizeof(long long));

 public:
  static constexpr std::size_t workspace_bytes = alignment_ + product_workspace_bytes + 3 * part_bytes_;

  /// workspace: workspace_bytes bytes from allocate(), for this object alone and as long as it lives.
  explicit cuda(void* workspace) : product_ops(aligned(workspace)) {
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
};

}  // namespace foal::device
