// The ops of devices that layers call, by kinds. A layer says `using ops = type_list<device::ops::products, ...>`; a device
// that lacks one of them is refused with its kind, before the layer's functions are compiled for it.
//
// Row-major arrays of the scalar S in device memory. Sizes are those of the op; `accumulate`: C += instead of C =.
#pragma once

#include <cstdint>

#include <foal/core/random.hpp>
#include <foal/core/type_list.hpp>
#include <foal/device/attention.hpp>
#include <foal/device/contract.hpp>
#include <foal/device/loss_sums.hpp>
#include <foal/device/vocabulary.hpp>
#include <foal/device/window.hpp>

namespace foal::device::ops {

/// product_nn: C = A B of a [rows, depth], b [depth, cols]; product_nt: b is [cols, depth]; product_tn: a is [depth, rows].
struct products {
  template <class D, class S>
  static constexpr bool in = requires(D d, S const* a, S* c) {
    d.product_nn(1, 1, 1, a, a, c, true);
    d.product_nt(1, 1, 1, a, a, c, true);
    d.product_tn(1, 1, 1, a, a, c, true);
  };
};

/// sums<N>: to[k] = sum over i of add[k], where f(add, x[i], y[i]...) writes add[0] to add[N - 1], in a fixed order. Asked
/// for by delay policies alone.
struct sums {
  template <class S>
  struct any {
    FOAL_HOST_DEVICE void operator()(double*, S const&, S const&) const {}
  };
  template <class D, class S>
  static constexpr bool in = requires(D d, S const* x, double* to) { d.template sums<2>(1, any<S>{}, to, x, x); };
};

/// add_to_rows: y[r, c] += bias[c]; sum_of_rows: out[c] += sum over r of x[r, c].
struct rows {
  template <class D, class S>
  static constexpr bool in = requires(D d, S const* x, S* y) {
    d.add_to_rows(1, 1, x, y);
    d.sum_of_rows(1, 1, x, y);
  };
};

/// Optional, for linear: product_nn_plus_row: product_nn and add_to_rows in one, with the row after a and b;
/// product_tn_and_sum_of_rows: product_tn that accumulates, and sum_of_rows of b.
struct products_with_rows {
  template <class D, class S>
  static constexpr bool in = requires(D d, S const* a, S* c) {
    d.product_nn_plus_row(1, 1, 1, a, a, a, c);
    d.product_tn_and_sum_of_rows(1, 1, 1, a, a, c, c);
  };
};

/// No device needs it; where it is, layers copy columns of many rows by one op: y[r * y_stride + c] = x[r * x_stride + c].
struct row_copies {
  template <class D, class S>
  static constexpr bool in = requires(D d, S const* x, S* y) { d.copy_rows(1, 1, x, 1, y, 1); };
};

/// sum_of_row_products: out[c] += sum over r of x[r, c] y[r, c].
struct row_products {
  template <class D, class S>
  static constexpr bool in = requires(D d, S const* x, S* y) { d.sum_of_row_products(1, 1, x, x, y); };
};

struct convolutions {
  template <class D, class S>
  static constexpr bool in = requires(D d, window const& g, S const* x, S* y) {
    d.convolve(g, 1, 1, x, x, y, y);
    d.convolve_gradient(g, 1, 1, x, x, y, y);
    d.convolve_weight_gradient(g, 1, 1, x, x, y, y);
  };
};

struct max_pools {
  template <class D, class S>
  static constexpr bool in =
      requires(D d, window const& g, S const* x, S* y, unsigned char* place, unsigned char const* at) {
        d.max_pool(g, 1, x, y, place);
        d.max_pool_gradient(g, 1, x, at, y);
      };
};

struct average_pools {
  template <class D, class S>
  static constexpr bool in = requires(D d, window const& g, S const* x, S* y) {
    d.average_pool(g, 1, x, y);
    d.average_pool_gradient(g, 1, x, y);
  };
};

struct means_of_positions {
  template <class D, class S>
  static constexpr bool in = requires(D d, S const* x, S* y) {
    d.mean_of_positions(1, 1, 1, x, y);
    d.mean_of_positions_gradient(1, 1, 1, x, y);
  };
};

/// Of batch norm.
struct batch_normalisations {
  template <class D, class S>
  static constexpr bool in = requires(D d, S const* x, S* y) {
    d.moments(1, 1, x, y, y);
    d.normalise(1, 1, x, x, x, x, x, y, y);
    d.normalise_gradient(1, 1, x, x, x, x, x, x, y);
    d.sums_of_rows_and_products(1, 1, x, x, y, y);
  };
};

struct group_normalisations {
  template <class D, class S>
  static constexpr bool in = requires(D d, S const* x, S* y) {
    d.group_normalise(1, 1, 1, 1, 1e-5, x, x, x, y, y, y, y);
    d.group_normalise_gradient(1, 1, 1, 1, x, x, x, x, y, y);
  };
};

struct layer_normalisations {
  template <class D, class S>
  static constexpr bool in = requires(D d, S const* x, S* y) {
    d.layer_normalise(1, 1, 1e-5, x, x, x, y, y, y);
    d.layer_normalise_gradient(1, 1, x, x, x, x, y);
  };
};

struct embeddings {
  template <class D, class S>
  static constexpr bool in = requires(D d, S const* x, S* y) {
    d.embed(1, 1, 1, x, x, S(1), y);
    d.embed_gradient(1, 1, 1, x, x, S(1), y);
  };
};

/// Of a vocabulary that comes part by part.
struct vocabulary_parts {
  template <class D, class S>
  static constexpr bool in = requires(D d, vocabulary_part part, S const* x, S* y) {
    d.embed_part(1, part, 1, 1, x, x, S(1), y);
    d.embed_part_gradient(1, part, 1, x, x, S(1), y);
    d.join_scores(1, part, x, x, y, y, y);
    d.join_scores_gradient(1, part, x, x, x, x, y, y);
  };
};

struct sinusoids {
  template <class D, class S>
  static constexpr bool in = requires(D d, S* y) { d.sinusoids(1, 1, y); };
};

/// The table from a position on, its first argument.
struct sinusoids_from {
  template <class D, class S>
  static constexpr bool in = requires(D d, S* y) { d.sinusoids(1, 1, 1, y); };
};

struct attentions {
  template <class D, class S>
  static constexpr bool in =
      requires(D d, attention_sizes n, position_rows<S const> x, S const* c, position_rows<S> y, S* to) {
        d.attention_forward(n, x, x, x, c, to, to, to);
        d.attention_backward(n, x, x, x, c, c, c, c, y, y, y, false, to);
      };
};

/// Of segments: keys, values and their gradients lie in several arrays.
struct attentions_in_segments {
  template <class D, class S>
  static constexpr bool in = requires(D d, attention_sizes n, position_rows<S const> x, S const* c, position_rows<S> y,
                                      S* to, segment_rows<S const> k, segment_rows<S> dk) {
    d.attention_forward(n, x, k, k, c, to, to, to);
    d.attention_backward(n, x, k, k, c, c, c, c, y, dk, dk, false, to);
  };
};

/// y = x * scale where the 24 random bits of an element are at least `threshold`, else 0; y may be x. An asynchronous device
/// adds *first, in its memory, to key.sample when the op is done.
struct dropouts {
  template <class D, class S>
  static constexpr bool at_once =
      requires(D d, random_key key, S const* x, S* y) { d.dropout(1, 1, key, std::uint32_t{0}, S(1), x, y); };
  template <class D, class S>
  static constexpr bool later = requires(D d, random_key key, S const* x, S* y, std::uint64_t const* first) {
    d.dropout(1, 1, key, std::uint32_t{0}, S(1), x, y, first);
  };
  template <class D, class S>
  static constexpr bool in = asynchronous<D> ? later<D, S> : at_once<D, S>;
};

/// The same of elements that are not the first of their samples: an argument behind y says how many lie before them.
struct dropouts_from {
  template <class D, class S>
  static constexpr bool at_once =
      requires(D d, random_key key, S const* x, S* y) { d.dropout_from(1, 1, key, std::uint32_t{0}, S(1), x, y, 1); };
  template <class D, class S>
  static constexpr bool later = requires(D d, random_key key, S const* x, S* y, std::uint64_t const* first) {
    d.dropout_from(1, 1, key, std::uint32_t{0}, S(1), x, y, 1, first);
  };
  template <class D, class S>
  static constexpr bool in = asynchronous<D> ? later<D, S> : at_once<D, S>;
};

/// Of losses, with what asynchronous devices have in place of a result: a place for it at the end.
struct cross_entropies {
  template <class D, class S>
  static constexpr bool at_once = requires(D d, S const* x, std::int32_t const* target, S* dx) {
    { d.softmax_cross_entropy(1, 1, x, target, 0.0, 1.0, dx) } -> std::same_as<loss_sums>;
  };
  template <class D, class S>
  static constexpr bool later = requires(D d, S const* x, std::int32_t const* target, S* dx, loss_sums* to) {
    d.softmax_cross_entropy(1, 1, x, target, 0.0, 1.0, dx, to);
  };
  template <class D, class S>
  static constexpr bool in = asynchronous<D> ? later<D, S> : at_once<D, S>;
};
struct vocabulary_losses {
  template <class D, class S>
  static constexpr bool at_once = requires(D d, S const* x, std::int32_t const* target, S* dx) {
    { d.joined_cross_entropy(1, 1, x, target, 0.0, 1.0, dx) } -> std::same_as<loss_sums>;
  };
  template <class D, class S>
  static constexpr bool later = requires(D d, S const* x, std::int32_t const* target, S* dx, loss_sums* to) {
    d.joined_cross_entropy(1, 1, x, target, 0.0, 1.0, dx, to);
  };
  template <class D, class S>
  static constexpr bool in = asynchronous<D> ? later<D, S> : at_once<D, S>;
};
struct squared_errors {
  template <class D, class S>
  static constexpr bool at_once = requires(D d, S const* x, S* dx) {
    { d.mean_squared_error(1, 1, x, x, 1.0, dx) } -> std::same_as<loss_sums>;
  };
  template <class D, class S>
  static constexpr bool later =
      requires(D d, S const* x, S* dx, loss_sums* to) { d.mean_squared_error(1, 1, x, x, 1.0, dx, to); };
  template <class D, class S>
  static constexpr bool in = asynchronous<D> ? later<D, S> : at_once<D, S>;
};

namespace detail {

template <class L>
struct ops_of {
  using type = type_list<>;
};
template <class L>
  requires requires { typename L::ops; }
struct ops_of<L> {
  using type = typename L::ops;
};

template <class L>
struct segment_ops_of {
  using type = type_list<>;
};
template <class L>
  requires requires { typename L::segment_ops; }
struct segment_ops_of<L> {
  using type = typename L::segment_ops;
};

template <class Kind, class... Kinds>
constexpr bool has_kind(type_list<Kinds...>) {
  return (std::is_same_v<Kind, Kinds> || ...);
}
template <class D, class S, class... Kinds>
constexpr bool all_in(type_list<Kinds...>) {
  return (Kinds::template in<D, S> && ...);
}

}  // namespace detail

/// Whether a device has the ops that a layer says it calls.
template <class L, class D, class S>
inline constexpr bool serve = detail::all_in<D, S>(typename detail::ops_of<L>::type{});

/// Whether it has those that the layer calls for segments alone.
template <class L, class D, class S>
inline constexpr bool serve_segments = detail::all_in<D, S>(typename detail::segment_ops_of<L>::type{});

}  // namespace foal::device::ops
