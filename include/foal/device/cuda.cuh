// One NVIDIA GPU as a device, put together from the files of device/cuda: for .cu files.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <foal/device/contract.hpp>
#include <foal/device/cuda/attention.cuh>
#include <foal/device/cuda/codec.cuh>
#include <foal/device/cuda/columns.cuh>
#include <foal/device/cuda/convolution.cuh>
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

/// An NVIDIA GPU of those that the process sees (CUDA_VISIBLE_DEVICES chooses). It has the ops of every
/// layer; device::host is their oracle. An object is a stream. Ops enqueue and return; those that give
/// a value to the host wait for it. Every reduction has a fixed order that depends on sizes alone, so results have equal
/// bits on every run on one kind of GPU.
class cuda : public cuda_ops::product_ops {
  static constexpr std::size_t alignment_ = 256;
  static constexpr int most_sums_ = 4;
  static constexpr std::size_t parts_bytes_ =
      cuda_ops::most_parts * std::max(most_sums_ * sizeof(double), sizeof(loss_sums));
  static constexpr std::size_t results_bytes_ = alignment_;
  static constexpr std::size_t column_bytes_ = cuda_ops::most_column_parts * sizeof(double);
  static constexpr std::size_t fixed_bytes_ =
      alignment_ + product_workspace_bytes + parts_bytes_ + results_bytes_ + column_bytes_;
  static_assert(parts_bytes_ % alignment_ == 0 && column_bytes_ % alignment_ == 0);

 public:
  static constexpr std::size_t workspace_bytes = fixed_bytes_ + cuda_ops::convolver::least_room;
  /// Of a model with this parameter: the weights of a convolution are turned there.
  template <class S>
  static constexpr std::size_t workspace_for(shape parameter) {
    return workspace_of(cuda_ops::convolver::room_for<S>(parameter));
  }

  /// workspace: `bytes` bytes from allocate() on the GPU of that number, at least workspace_bytes, for this object alone and
  /// as long as it lives. Throws foal::error where there is no such GPU.
  explicit cuda(void* workspace, std::size_t bytes = workspace_bytes, int ordinal = 0)
      : cuda(workspace, bytes, ordinal, cuda_ops::arithmetic::whole) {}

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
    cuda_ops::dropout_from(get(), samples, elements, key, threshold, scale, x, y, 0, first);
  }
  template <class S>
  void dropout_from(int samples, int elements, random_key key, std::uint32_t threshold, S scale, S const* x, S* y,
                    std::ptrdiff_t before, std::uint64_t const* first = nullptr) const {
    cuda_ops::dropout_from(get(), samples, elements, key, threshold, scale, x, y, before, first);
  }

  template <class S>
  void add_to_rows(int rows, int cols, S const* bias, S* y) const {
    cuda_ops::add_to_rows(get(), rows, cols, bias, y);
  }
  template <class S>
  void sum_of_rows(int rows, int cols, S const* x, S* out) const {
    cuda_ops::sum_of_rows(get(), rows, cols, x, out, column_parts());
  }

  template <class S>
  void copy_rows(int rows, int cols, S const* x, int x_stride, S* y, int y_stride) const {
    cuda_ops::copy_rows(get(), rows, cols, x, x_stride, y, y_stride);
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

  template <class S>
  void sum_of_row_products(int rows, int cols, S const* x, S const* y, S* out) const {
    cuda_ops::sum_of_row_products(get(), rows, cols, x, y, out, column_parts());
  }
  template <class S>
  void sums_of_rows_and_products(int rows, int cols, S const* x, S const* y, S* sum, S* sum_of_products) const {
    cuda_ops::sums_of_rows_and_products(get(), rows, cols, x, y, sum, sum_of_products, column_parts());
  }
  template <class S>
  void moments(int rows, int channels, S const* x, S* mean, S* variance) const {
    cuda_ops::moments(get(), rows, channels, x, mean, variance, column_parts());
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

  template <class S, class Keys>
  void attention_forward(attention_sizes const& n, position_rows<S const> q, Keys const& k, Keys const& v, S const* lengths,
                         S* y, S* kept, S* /*work*/) const {
    cuda_ops::attention_forward(get(), n, q, k, v, lengths, y, kept);
  }
  template <class S, class Keys, class Gradients>
  void attention_backward(attention_sizes const& n, position_rows<S const> q, Keys const& k, Keys const& v, S const* lengths,
                          S const* y, S const* kept, S const* dy, position_rows<S> dq, Gradients const& dk,
                          Gradients const& dv, bool add, S* /*work*/) const {
    cuda_ops::attention_backward(get(), n, q, k, v, lengths, y, kept, dy, dq, dk, dv, add);
  }

  void narrow(std::size_t n, float const* x, std::uint16_t* y) const { cuda_ops::narrow(get(), n, x, y); }
  void widen(std::size_t n, std::uint16_t const* x, float* y) const { cuda_ops::widen(get(), n, x, y); }
  void quantise_rows(std::size_t rows, std::size_t row, float const* x, float* error, std::byte* code) const {
    cuda_ops::quantise_rows(get(), rows, row, x, error, code);
  }
  void dequantise_rows(std::size_t rows, std::size_t row, std::byte const* code, float* y) const {
    cuda_ops::dequantise_rows(get(), rows, row, code, y);
  }

 protected:
  static constexpr std::size_t room_alignment = alignment_;
  /// With so many bytes of room().
  static constexpr std::size_t workspace_of(std::size_t room) { return fixed_bytes_ + room; }

  cuda(void* workspace, std::size_t bytes, int ordinal, cuda_ops::arithmetic how)
      : product_ops(aligned(workspace), ordinal, how),
        parts_(static_cast<std::byte*>(aligned(workspace)) + product_workspace_bytes),
        results_(reinterpret_cast<double*>(parts_ + parts_bytes_)),
        convolver_(std::make_unique<cuda_ops::convolver>(
            library_workspace(), library_bytes, static_cast<std::byte*>(aligned(workspace)) + (fixed_bytes_ - alignment_),
            bytes - fixed_bytes_, how)) {}

  /// An arena aligns to foal::alignment, less than cuBLAS asks for.
  static void* aligned(void* p) {
    auto const at = reinterpret_cast<std::uintptr_t>(p);
    return static_cast<std::byte*>(p) + (alignment_ - at % alignment_) % alignment_;
  }
  /// Of convolutions, for one op at a time.
  void* room() const { return convolver_->room(); }
  std::size_t room_bytes() const { return convolver_->room_bytes(); }

 private:
  // What the blocks of a reduction leave for the kernel that joins it. One room does for all of an object's ops, because
  // they are done one after the other: that kernel has read it before the next op is begun. So does one room for results,
  // because whoever asks for one has waited for it before the next is asked for.
  double* doubles() const { return reinterpret_cast<double*>(parts_); }
  loss_sums* losses() const { return reinterpret_cast<loss_sums*>(parts_); }
  double* column_parts() const { return results_ + results_bytes_ / sizeof(double); }
  double result() const {
    double value = 0;
    copy_out(&value, results_, sizeof value);
    return value;
  }

  std::byte* parts_;
  double* results_;
  std::unique_ptr<cuda_ops::convolver> convolver_;
};

/// The same with products and convolutions of floats by tensor cores, which round their factors to 10 bits (TF32): several
/// times as fast, and relative errors of 1e-3 in place of 1e-6. Double stays as it is.
class cuda_tf32 : public cuda {
 public:
  explicit cuda_tf32(void* workspace, std::size_t bytes = workspace_bytes, int ordinal = 0)
      : cuda(workspace, bytes, ordinal, cuda_ops::arithmetic::tf32) {}
};

static_assert(asynchronous<cuda> && has_ordinals<cuda> && records<cuda> && tells_times<cuda> && copies_beside<cuda>);
static_assert(asynchronous<cuda_tf32> && has_ordinals<cuda_tf32> && records<cuda_tf32>);

}  // namespace foal::device
