// The host's ops in one scalar for files that its matrix library must not reach: they are compiled in host_apart.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include <foal/device/attention.hpp>
#include <foal/device/host/bfloat16.hpp>
#include <foal/device/host/dropout.hpp>
#include <foal/device/host/embedding.hpp>
#include <foal/device/host/int8.hpp>
#include <foal/device/host/map.hpp>
#include <foal/device/host/mean_squared_error.hpp>
#include <foal/device/host/memory.hpp>
#include <foal/device/host/pooling.hpp>
#include <foal/device/loss_sums.hpp>
#include <foal/device/vocabulary.hpp>
#include <foal/device/window.hpp>

namespace foal::test {

/// foal::device::host, a device of the scalar S alone: float or double.
template <class S>
struct host_apart : device::host_ops::memory,
                    device::host_ops::map_ops,
                    device::host_ops::bfloat16_ops,
                    device::host_ops::int8_ops,
                    device::host_ops::dropout_ops,
                    device::host_ops::pooling_ops,
                    device::host_ops::embedding_ops,
                    device::host_ops::squared_error_ops {
  using rows_in = device::position_rows<S const>;
  using rows_out = device::position_rows<S>;
  using segments_in = device::segment_rows<S const>;
  using segments_out = device::segment_rows<S>;
  using part = device::vocabulary_part;

  static constexpr std::size_t workspace_bytes = std::size_t{1} << 22U;
  explicit host_apart(void* workspace) : workspace_(workspace) {}

  void product_nn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const;
  void product_nt(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const;
  void product_tn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const;
  void convolve(device::window const& g, int filters, int samples, S const* x, S const* weight, S* y, S* scratch) const;
  void convolve_gradient(device::window const& g, int filters, int samples, S const* dy, S const* weight, S* dx,
                         S* scratch) const;
  void convolve_weight_gradient(device::window const& g, int filters, int samples, S const* x, S const* dy, S* dweight,
                                S* scratch) const;

  static void add_to_rows(int rows, int cols, S const* bias, S* y);
  static void sum_of_rows(int rows, int cols, S const* x, S* out);
  static void sum_of_row_products(int rows, int cols, S const* x, S const* y, S* out);
  static void sums_of_rows_and_products(int rows, int cols, S const* x, S const* y, S* sum, S* sum_of_products);

  static void moments(int rows, int channels, S const* x, S* mean, S* variance);
  static void normalise(int rows, int channels, S const* x, S const* mean, S const* inverse, S const* scale, S const* shift,
                        S* normal, S* y);
  static void normalise_gradient(int rows, int channels, S const* dy, S const* normal, S const* inverse, S const* scale,
                                 S const* sum, S const* sum_normal, S* dx);
  static void group_normalise(int samples, int positions, int channels, int groups, double epsilon, S const* x,
                              S const* scale, S const* shift, S* normal, S* inverse, S* y, S* work);
  static void group_normalise_gradient(int samples, int positions, int channels, int groups, S const* dy, S const* normal,
                                       S const* inverse, S const* scale, S* dx, S* work);
  static void layer_normalise(int rows, int channels, double epsilon, S const* x, S const* scale, S const* shift, S* normal,
                              S* inverse, S* y);
  static void layer_normalise_gradient(int rows, int channels, S const* dy, S const* normal, S const* inverse,
                                       S const* scale, S* dx);

  static void embed_part(int rows, part of, int vocabulary, int width, S const* id, S const* table, S scale, S* y);
  static void embed_part_gradient(int rows, part of, int width, S const* id, S const* dy, S scale, S* dtable);
  static void join_scores(int rows, part of, S const* target, S const* before, S* z, S* after, S* share);
  static void join_scores_gradient(int rows, part of, S const* target, S const* z, S const* share, S const* dafter, S* dz,
                                   S* dbefore);
  static device::loss_sums joined_cross_entropy(int rows, int vocabulary, S const* x, std::int32_t const* target,
                                                double smoothing, double divide, S* dx);
  static device::loss_sums softmax_cross_entropy(int rows, int cols, S const* x, std::int32_t const* target,
                                                 double smoothing, double divide, S* dx);

  static void attention_forward(device::attention_sizes const& n, rows_in q, rows_in k, rows_in v, S const* lengths, S* y,
                                S* kept, S* work);
  static void attention_forward(device::attention_sizes const& n, rows_in q, segments_in k, segments_in v, S const* lengths,
                                S* y, S* kept, S* work);
  static void attention_backward(device::attention_sizes const& n, rows_in q, rows_in k, rows_in v, S const* lengths,
                                 S const* y, S const* kept, S const* dy, rows_out dq, rows_out dk, rows_out dv, bool add,
                                 S* work);
  static void attention_backward(device::attention_sizes const& n, rows_in q, segments_in k, segments_in v, S const* lengths,
                                 S const* y, S const* kept, S const* dy, rows_out dq, segments_out dk, segments_out dv,
                                 bool add, S* work);

 private:
  void* workspace_;
};

}  // namespace foal::test
