// One NVIDIA GPU as a device, put together from the files of device/cuda: for .cu files.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <foal/device/contract.hpp>
#include <foal/device/cuda/dropout.cuh>
#include <foal/device/cuda/map.cuh>
#include <foal/device/cuda/product.hpp>
#include <foal/device/cuda/reduce.cuh>
#include <foal/device/cuda/rows.cuh>
#include <foal/device/cuda/softmax.cuh>
#include <foal/device/loss_sums.hpp>

namespace foal::device {

/// An NVIDIA GPU of those that the process sees (CUDA_VISIBLE_DEVICES chooses). It has the ops of linear layers, elementwise
/// layers, dropout and losses; device::host is their oracle. An object is a stream. Ops enqueue and return; those that give
/// a value to the host wait for it. Every reduction has a fixed order that depends on sizes alone, so results have equal
/// bits on every run on one kind of GPU.
class cuda : public cuda_ops::product_ops {
  static constexpr std::size_t alignment_ = 256;
  static constexpr int most_sums_ = 4;
  static constexpr std::size_t parts_bytes_ =
      cuda_ops::most_parts * std::max(most_sums_ * sizeof(double), sizeof(loss_sums));
  static constexpr std::size_t results_bytes_ = alignment_;

 public:
  static constexpr std::size_t workspace_bytes = alignment_ + product_workspace_bytes + parts_bytes_ + results_bytes_;

  /// workspace: workspace_bytes bytes from allocate() on the GPU of that number, for this object alone and as long as it
  /// lives. Throws foal::error where there is no such GPU.
  explicit cuda(void* workspace, std::size_t /*bytes*/ = workspace_bytes, int ordinal = 0)
      : product_ops(aligned(workspace), ordinal),
        parts_(static_cast<std::byte*>(aligned(workspace)) + product_workspace_bytes),
        results_(reinterpret_cast<double*>(parts_ + parts_bytes_)) {}

  template <class F, class... Ps>
  void map(std::size_t n, F f, Ps*... p) const {
    cuda_ops::map(get(), n, f, p...);
  }
  template <class Make, class... Ps>
  void map_from(std::size_t n, Make make, void const* block, Ps*... p) const {
    cuda_ops::map_from(get(), n, make, block, p...);
  }

  template <class S>
  void dropout(int samples, int elements, random_key key, std::uint32_t threshold, S scale, S const* x, S* y,
               std::uint64_t const* first = nullptr) const {
    cuda_ops::dropout(get(), samples, elements, key, threshold, scale, x, y, first);
  }

  template <class S>
  void add_to_rows(int rows, int cols, S const* bias, S* y) const {
    cuda_ops::add_to_rows(get(), rows, cols, bias, y);
  }
  template <class S>
  void sum_of_rows(int rows, int cols, S const* x, S* out) const {
    cuda_ops::sum_of_rows(get(), rows, cols, x, out);
  }

  /// The sum of x[i]^2 in double. Waits.
  template <class S>
  double sum_of_squares(std::size_t n, S const* x) const {
    cuda_ops::sums<1>(get(), n, cuda_ops::square{}, doubles(), results_, x);
    return result();
  }
  /// Into host memory. Waits.
  template <int N, class F, class... Ps>
  void sums(std::size_t n, F f, double* to, Ps const*... p) const {
    static_assert(N <= most_sums_);
    cuda_ops::sums<N>(get(), n, f, doubles(), results_, p...);
    copy_out(to, results_, N * sizeof *to);
  }
  /// The largest magnitude; NaN where an element is not finite. Waits.
  template <class S>
  double magnitude_bound(std::size_t n, S const* x) const {
    magnitude_bound(n, x, results_);
    return result();
  }
  template <class S>
  void magnitude_bound(std::size_t n, S const* x, double* to) const {
    cuda_ops::magnitude_bound(get(), n, x, doubles(), to);
  }
  /// Whether no element is infinite or NaN. Waits.
  template <class S>
  bool all_finite(std::size_t n, S const* x) const {
    return !std::isnan(magnitude_bound(n, x));
  }

  template <class S>
  void softmax_cross_entropy(int rows, int cols, S const* x, std::int32_t const* target, double smoothing, double divide,
                             S* dx, loss_sums* to) const {
    cuda_ops::softmax_cross_entropy(get(), rows, cols, x, target, smoothing, divide, dx, losses(), to);
  }
  template <class S>
  void mean_squared_error(int rows, int cols, S const* x, S const* target, double divide, S* dx, loss_sums* to) const {
    cuda_ops::mean_squared_error(get(), rows, cols, x, target, divide, dx, losses(), to);
  }

 private:
  /// An arena aligns to foal::alignment, less than cuBLAS asks for.
  static void* aligned(void* p) {
    auto const at = reinterpret_cast<std::uintptr_t>(p);
    return static_cast<std::byte*>(p) + (alignment_ - at % alignment_) % alignment_;
  }

  // What the blocks of a reduction leave for the kernel that joins it. One room does for all of an object's ops, because
  // they are done one after the other: that kernel has read it before the next op is begun. So does one room for results,
  // because whoever asks for one has waited for it before the next is asked for.
  double* doubles() const { return reinterpret_cast<double*>(parts_); }
  loss_sums* losses() const { return reinterpret_cast<loss_sums*>(parts_); }
  double result() const {
    double value = 0;
    copy_out(&value, results_, sizeof value);
    return value;
  }

  std::byte* parts_;
  double* results_;
};

static_assert(asynchronous<cuda> && has_ordinals<cuda>);

}  // namespace foal::device
