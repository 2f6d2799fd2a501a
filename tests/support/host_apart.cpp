// What host_apart.hpp declares: calls of foal::device::host.
#include "host_apart.hpp"

#include <foal/device/host.hpp>

namespace foal::test {

using device::host;

template <class S>
void host_apart<S>::product_nn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const {
  host(workspace_).product_nn(rows, cols, depth, a, b, c, accumulate);
}
template <class S>
void host_apart<S>::product_nt(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const {
  host(workspace_).product_nt(rows, cols, depth, a, b, c, accumulate);
}
template <class S>
void host_apart<S>::product_tn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const {
  host(workspace_).product_tn(rows, cols, depth, a, b, c, accumulate);
}
template <class S>
void host_apart<S>::convolve(device::window const& g, int filters, int samples, S const* x, S const* weight, S* y,
                             S* scratch) const {
  host(workspace_).convolve(g, filters, samples, x, weight, y, scratch);
}
template <class S>
void host_apart<S>::convolve_gradient(device::window const& g, int filters, int samples, S const* dy, S const* weight, S* dx,
                                      S* scratch) const {
  host(workspace_).convolve_gradient(g, filters, samples, dy, weight, dx, scratch);
}
template <class S>
void host_apart<S>::convolve_weight_gradient(device::window const& g, int filters, int samples, S const* x, S const* dy,
                                             S* dweight, S* scratch) const {
  host(workspace_).convolve_weight_gradient(g, filters, samples, x, dy, dweight, scratch);
}
template <class S>
void host_apart<S>::add_to_rows(int rows, int cols, S const* bias, S* y) {
  host::add_to_rows(rows, cols, bias, y);
}
template <class S>
void host_apart<S>::sum_of_rows(int rows, int cols, S const* x, S* out) {
  host::sum_of_rows(rows, cols, x, out);
}
template <class S>
void host_apart<S>::sum_of_row_products(int rows, int cols, S const* x, S const* y, S* out) {
  host::sum_of_row_products(rows, cols, x, y, out);
}
template <class S>
void host_apart<S>::sums_of_rows_and_products(int rows, int cols, S const* x, S const* y, S* sum, S* sum_of_products) {
  host::sums_of_rows_and_products(rows, cols, x, y, sum, sum_of_products);
}
template <class S>
void host_apart<S>::moments(int rows, int channels, S const* x, S* mean, S* variance) {
  host::moments(rows, channels, x, mean, variance);
}
template <class S>
void host_apart<S>::normalise(int rows, int channels, S const* x, S const* mean, S const* inverse, S const* scale,
                              S const* shift, S* normal, S* y) {
  host::normalise(rows, channels, x, mean, inverse, scale, shift, normal, y);
}
template <class S>
void host_apart<S>::normalise_gradient(int rows, int channels, S const* dy, S const* normal, S const* inverse,
                                       S const* scale, S const* sum, S const* sum_normal, S* dx) {
  host::normalise_gradient(rows, channels, dy, normal, inverse, scale, sum, sum_normal, dx);
}
template <class S>
void host_apart<S>::group_normalise(int samples, int positions, int channels, int groups, double epsilon, S const* x,
                                    S const* scale, S const* shift, S* normal, S* inverse, S* y, S* work) {
  host::group_normalise(samples, positions, channels, groups, epsilon, x, scale, shift, normal, inverse, y, work);
}
template <class S>
void host_apart<S>::group_normalise_gradient(int samples, int positions, int channels, int groups, S const* dy,
                                             S const* normal, S const* inverse, S const* scale, S* dx, S* work) {
  host::group_normalise_gradient(samples, positions, channels, groups, dy, normal, inverse, scale, dx, work);
}
template <class S>
void host_apart<S>::layer_normalise(int rows, int channels, double epsilon, S const* x, S const* scale, S const* shift,
                                    S* normal, S* inverse, S* y) {
  host::layer_normalise(rows, channels, epsilon, x, scale, shift, normal, inverse, y);
}
template <class S>
void host_apart<S>::layer_normalise_gradient(int rows, int channels, S const* dy, S const* normal, S const* inverse,
                                             S const* scale, S* dx) {
  host::layer_normalise_gradient(rows, channels, dy, normal, inverse, scale, dx);
}
template <class S>
void host_apart<S>::embed_part(int rows, part of, int vocabulary, int width, S const* id, S const* table, S scale, S* y) {
  host::embed_part(rows, of, vocabulary, width, id, table, scale, y);
}
template <class S>
void host_apart<S>::embed_part_gradient(int rows, part of, int width, S const* id, S const* dy, S scale, S* dtable) {
  host::embed_part_gradient(rows, of, width, id, dy, scale, dtable);
}
template <class S>
void host_apart<S>::join_scores(int rows, part of, S const* target, S const* before, S* z, S* after, S* share) {
  host::join_scores(rows, of, target, before, z, after, share);
}
template <class S>
void host_apart<S>::join_scores_gradient(int rows, part of, S const* target, S const* z, S const* share, S const* dafter,
                                         S* dz, S* dbefore) {
  host::join_scores_gradient(rows, of, target, z, share, dafter, dz, dbefore);
}
template <class S>
device::loss_sums host_apart<S>::joined_cross_entropy(int rows, int vocabulary, S const* x, std::int32_t const* target,
                                                      double smoothing, double divide, S* dx) {
  return host::joined_cross_entropy(rows, vocabulary, x, target, smoothing, divide, dx);
}
template <class S>
device::loss_sums host_apart<S>::softmax_cross_entropy(int rows, int cols, S const* x, std::int32_t const* target,
                                                       double smoothing, double divide, S* dx) {
  return host::softmax_cross_entropy(rows, cols, x, target, smoothing, divide, dx);
}
template <class S>
void host_apart<S>::attention_forward(device::attention_sizes const& n, rows_in q, rows_in k, rows_in v, S const* lengths,
                                      S* y, S* kept, S* work) {
  host::attention_forward(n, q, k, v, lengths, y, kept, work);
}
template <class S>
void host_apart<S>::attention_forward(device::attention_sizes const& n, rows_in q, segments_in k, segments_in v,
                                      S const* lengths, S* y, S* kept, S* work) {
  host::attention_forward(n, q, k, v, lengths, y, kept, work);
}
template <class S>
void host_apart<S>::attention_backward(device::attention_sizes const& n, rows_in q, rows_in k, rows_in v, S const* lengths,
                                       S const* y, S const* kept, S const* dy, rows_out dq, rows_out dk, rows_out dv,
                                       bool add, S* work) {
  host::attention_backward(n, q, k, v, lengths, y, kept, dy, dq, dk, dv, add, work);
}
template <class S>
void host_apart<S>::attention_backward(device::attention_sizes const& n, rows_in q, segments_in k, segments_in v,
                                       S const* lengths, S const* y, S const* kept, S const* dy, rows_out dq,
                                       segments_out dk, segments_out dv, bool add, S* work) {
  host::attention_backward(n, q, k, v, lengths, y, kept, dy, dq, dk, dv, add, work);
}

static_assert(host_apart<float>::workspace_bytes >= host::workspace_bytes);

template struct host_apart<float>;
template struct host_apart<double>;

}  // namespace foal::test
