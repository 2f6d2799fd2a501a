// One NVIDIA GPU as a device, put together from the files of device/cuda: for .cu files.
#pragma once

#include <cstddef>
#include <cstdint>

#include <foal/device/cuda/columns.cuh>
#include <foal/device/cuda/dropout.cuh>
#include <foal/device/cuda/embedding.cuh>
#include <foal/device/cuda/layer_norm.cuh>
#include <foal/device/cuda/map.cuh>
#include <foal/device/cuda/normalisation.cuh>
#include <foal/device/cuda/pooling.cuh>
#include <foal/device/cuda/product.hpp>
#include <foal/device/cuda/reduce.cuh>
#include <foal/device/cuda/rows.cuh>
#include <foal/device/cuda/softmax.cuh>
#include <foal/device/cuda/vocabulary.cuh>
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
  static constexpr std::size_t workspace_bytes =
      alignment_ + product_workspace_bytes + 3 * part_bytes_ + cuda_ops::most_column_parts * sizeof(double);

  /// workspace: workspace_bytes bytes from allocate(), for this object alone and as long as it lives.
  explicit cuda(void* workspace) : product_ops(aligned(workspace)) {
    auto* const parts = static_cast<std::byte*>(aligned(workspace)) + product_workspace_bytes;
    parts_.sum = reinterpret_cast<double*>(parts);
    parts_.correct = reinterpret_cast<long long*>(parts + part_bytes_);
    parts_.counted = reinterpret_cast<long long*>(parts + 2 * part_bytes_);
    column_parts_ = reinterpret_cast<double*>(parts + 3 * part_bytes_);
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

  template <class S>
  void sum_of_row_products(int rows, int cols, S const* x, S const* y, S* out) const {
    cuda_ops::sum_of_row_products(get(), rows, cols, x, y, out, column_parts_);
  }
  template <class S>
  void sums_of_rows_and_products(int rows, int cols, S const* x, S const* y, S* sum, S* sum_of_products) const {
    cuda_ops::sums_of_rows_and_products(get(), rows, cols, x, y, sum, sum_of_products, column_parts_);
  }
  template <class S>
  void moments(int rows, int channels, S const* x, S* mean, S* variance) const {
    cuda_ops::moments(get(), rows, channels, x, mean, variance, column_parts_);
  }
  template <class S>
  void normalise(int rows, int channels, S const* x, S const* mean, S const* inverse, S const* scale, S const* shift,
                 S* normal, S* y) const {
    cuda_ops::normalise(get(), rows, channels, x, mean, inverse, scale, shift, normal, y);
  }
  template <class S>
  void normalise_gradient(int rows, int channels, S const* dy, S const* normal, S const* inverse, S const* scale,
                          S const* sum, S const* sum_normal, S* dx) const {
    cuda_ops::normalise_gradient(get(), rows, channels, dy, normal, inverse, scale, sum, sum_normal, dx);
  }
  /// work is not used, here and below: what the host keeps there is in registers.
  template <class S>
  void group_normalise(int samples, int positions, int channels, int groups, double epsilon, S const* x, S const* scale,
                       S const* shift, S* normal, S* inverse, S* y, S* /*work*/) const {
    cuda_ops::group_normalise(get(), samples, positions, channels, groups, epsilon, x, scale, shift, normal, inverse, y);
  }
  template <class S>
  void group_normalise_gradient(int samples, int positions, int channels, int groups, S const* dy, S const* normal,
                                S const* inverse, S const* scale, S* dx, S* /*work*/) const {
    cuda_ops::group_normalise_gradient(get(), samples, positions, channels, groups, dy, normal, inverse, scale, dx);
  }
  template <class S>
  void layer_normalise(int rows, int channels, double epsilon, S const* x, S const* scale, S const* shift, S* normal,
                       S* inverse, S* y) const {
    cuda_ops::layer_normalise(get(), rows, channels, epsilon, x, scale, shift, normal, inverse, y);
  }
  template <class S>
  void layer_normalise_gradient(int rows, int channels, S const* dy, S const* normal, S const* inverse, S const* scale,
                                S* dx) const {
    cuda_ops::layer_normalise_gradient(get(), rows, channels, dy, normal, inverse, scale, dx);
  }

  template <class S>
  void max_pool(window const& g, int samples, S const* x, S* y, unsigned char* place) const {
    cuda_ops::max_pool(get(), g, samples, x, y, place);
  }
  template <class S>
  void max_pool_gradient(window const& g, int samples, S const* dy, unsigned char const* place, S* dx) const {
    cuda_ops::max_pool_gradient(get(), g, samples, dy, place, dx);
  }
  template <class S>
  void average_pool(window const& g, int samples, S const* x, S* y) const {
    cuda_ops::average_pool(get(), g, samples, x, y);
  }
  template <class S>
  void average_pool_gradient(window const& g, int samples, S const* dy, S* dx) const {
    cuda_ops::average_pool_gradient(get(), g, samples, dy, dx);
  }
  template <class S>
  void mean_of_positions(int samples, int positions, int channels, S const* x, S* y) const {
    cuda_ops::mean_of_positions(get(), samples, positions, channels, x, y);
  }
  template <class S>
  void mean_of_positions_gradient(int samples, int positions, int channels, S const* dy, S* dx) const {
    cuda_ops::mean_of_positions_gradient(get(), samples, positions, channels, dy, dx);
  }

  template <class S>
  void embed(int rows, int vocabulary, int width, S const* id, S const* table, S scale, S* y) const {
    cuda_ops::embed_part(get(), rows, {0, vocabulary}, vocabulary, width, id, table, scale, y);
  }
  template <class S>
  void embed_gradient(int rows, int vocabulary, int width, S const* id, S const* dy, S scale, S* dtable) const {
    cuda_ops::embed_part_gradient(get(), rows, {0, vocabulary}, width, id, dy, scale, dtable);
  }
  template <class S>
  void embed_part(int rows, vocabulary_part part, int vocabulary, int width, S const* id, S const* table, S scale,
                  S* y) const {
    cuda_ops::embed_part(get(), rows, part, vocabulary, width, id, table, scale, y);
  }
  template <class S>
  void embed_part_gradient(int rows, vocabulary_part part, int width, S const* id, S const* dy, S scale, S* dtable) const {
    cuda_ops::embed_part_gradient(get(), rows, part, width, id, dy, scale, dtable);
  }
  template <class S>
  void sinusoids(int positions, int channels, S* table) const {
    cuda_ops::sinusoids(get(), 0, positions, channels, table);
  }
  template <class S>
  void sinusoids(int first, int positions, int channels, S* table) const {
    cuda_ops::sinusoids(get(), first, positions, channels, table);
  }
  template <class S>
  void join_scores(int rows, vocabulary_part part, S const* target, S const* before, S* z, S* after, S* share) const {
    cuda_ops::join_scores(get(), rows, part, target, before, z, after, share);
  }
  template <class S>
  void join_scores_gradient(int rows, vocabulary_part part, S const* target, S const* z, S const* share, S const* dafter,
                            S* dz, S* dbefore) const {
    cuda_ops::join_scores_gradient(get(), rows, part, target, z, share, dafter, dz, dbefore);
  }
  template <class S>
  void joined_cross_entropy(int rows, int vocabulary, S const* x, std::int32_t const* target, double smoothing,
                            double divide, S* dx, loss_sums* to) const {
    cuda_ops::joined_cross_entropy(get(), rows, vocabulary, x, target, smoothing, divide, dx, to);
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
  double* column_parts_ = nullptr;
};

}  // namespace foal::device
