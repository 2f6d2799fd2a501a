// Muon: momentum whose matrices are made orthogonal (Jordan et al. 2024; Liu et al. 2025, "Muon is scalable for LLM
// training"), and AdamW for all that is no matrix of a hidden layer.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include <foal/core/config.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/concept.hpp>

namespace foal::optim {

namespace detail {

/// Rows and columns of a parameter as a matrix: all axes but the last against the last. A convolution's kernels, laid out
/// [k, k, in, out], are the matrix in*k*k x out, whose transpose is the out x in*k*k of the papers: the same update.
struct matrix_sizes {
  int rows, cols;
  explicit constexpr matrix_sizes(shape s)
      : rows(s.rank > 0 ? s.size() / s.extent[s.rank - 1] : 1), cols(s.rank > 0 ? s.extent[s.rank - 1] : 1) {}
  constexpr int least() const { return std::min(rows, cols); }
  constexpr int most() const { return std::max(rows, cols); }
};

template <class S>
struct gather_momentum {
  S mu;
  bool nesterov;
  FOAL_HOST_DEVICE void operator()(S& g, S& v) const {
    v = mu * v + g;
    g = nesterov ? g + mu * v : v;
  }
};
template <class S>
struct scale_by {
  S factor;
  FOAL_HOST_DEVICE void operator()(S& x) const { x *= factor; }
};
template <class S>
struct scaled_copy {
  S factor;
  FOAL_HOST_DEVICE void operator()(S& y, S const& x) const { y = factor * x; }
};
template <class S>
struct add_scaled {
  S of_y, of_x;
  FOAL_HOST_DEVICE void operator()(S& y, S const& x) const { y = of_y * y + of_x * x; }
};

}  // namespace detail

/// v <- mu v + g; u = v, or g + mu v (Nesterov); O = u with its singular values brought near 1 by Newton-Schulz steps;
/// w <- (1 - lr decay) w - lr 0.2 sqrt(max(rows, cols)) O. The scale gives the update the root mean square that AdamW's
/// has, so that both go with one learning rate and one decay (Liu et al. 2025, section 2.2).
struct orthogonal_momentum {
  using role = foal::role::optimizer;
  static constexpr char const* name = "orthogonal momentum";
  static constexpr int states = 1;
  static constexpr bool per_parameter = true;
  double momentum = 0.95;
  bool nesterov = true;
  int steps = 5;  ///< of Newton-Schulz
  double weight_decay = 0.1;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("momentum", momentum);
    f("nesterov", nesterov);
    f("steps", steps);
    f("weight_decay", weight_decay);
  }
  void check() const {
    require_number(momentum >= 0 && momentum < 1, name, "momentum", momentum, "at least 0 and below 1");
    require_number(steps >= 1, name, "steps", steps, "1 or more");
    check_weight_decay(name, weight_decay);
  }

  /// Another matrix of its size, and two of least(rows, cols) squared; each begins at a multiple of 16 elements.
  constexpr long long scratch_size(shape extent) const {
    long long const least = detail::matrix_sizes(extent).least();
    return room(extent.size()) + 2 * room(least * least);
  }

  template <class D, class S>
  void step(D& device, shape extent, S* w, S* g, S* const* states_of, S* scratch, moment m) const {
    detail::matrix_sizes const size(extent);
    auto const n = static_cast<std::size_t>(extent.size());
    device.map(n, detail::gather_momentum<S>{static_cast<S>(momentum), nesterov}, g, states_of[0]);
    S* const o = orthogonalised(device, size, n, g, scratch);
    double const step = m.rate * 0.2 * std::sqrt(static_cast<double>(size.most()));
    device.map(n, detail::add_scaled<S>{static_cast<S>(1 - m.rate * weight_decay), static_cast<S>(-step)}, w,
               static_cast<S const*>(o));
  }

  /// Its singular values stay below 1.21 in exact arithmetic (the polynomial's most on [0, 1.21]), and so do its elements.
  template <class S>
  void bound(shape extent, moment m, magnitudes& of) const {
    constexpr double most = 2;
    of.state[0] = momentum * of.state[0] + of.g;
    double const u = of.g + of.state[0];
    of.most = u * u * extent.size() + most * 16;
    double const step = std::abs(m.rate) * 0.2 * std::sqrt(static_cast<double>(detail::matrix_sizes(extent).most())) * most;
    of.w = of.w * (1 + std::abs(m.rate) * weight_decay) + step;
  }

 private:
  static constexpr long long room(long long elements) { return (elements + 15) / 16 * 16; }

  /// X <- X / |X|, then so many times A = X X^T, X <- a X + (b A + c A A) X, on the smaller side of X. Gives where the
  /// result lies: in x or in scratch.
  template <class D, class S>
  S* orthogonalised(D& device, detail::matrix_sizes size, std::size_t n, S* x, S* scratch) const {
    constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
    int const k = size.least();
    auto const square = static_cast<std::size_t>(k) * static_cast<std::size_t>(k);
    S *y = scratch, *const gram = y + room(static_cast<long long>(n)),
      *const product = gram + room(static_cast<long long>(square));
    double const norm = std::sqrt(device.sum_of_squares(n, static_cast<S const*>(x)));
    device.map(n, detail::scale_by<S>{static_cast<S>(1 / (norm + 1e-7))}, x);
    bool const wide = size.rows <= size.cols;
    for (int i = 0; i < steps; ++i) {
      S const* const from = x;
      if (wide)
        device.product_nt(k, k, size.cols, from, from, gram, false);
      else
        device.product_tn(k, k, size.rows, from, from, gram, false);
      device.product_nn(k, k, k, static_cast<S const*>(gram), static_cast<S const*>(gram), product, false);
      device.map(square, detail::add_scaled<S>{static_cast<S>(c), static_cast<S>(b)}, product, static_cast<S const*>(gram));
      device.map(n, detail::scaled_copy<S>{static_cast<S>(a)}, y, from);
      if (wide)
        device.product_nn(size.rows, size.cols, k, static_cast<S const*>(product), from, y, true);
      else
        device.product_nn(size.rows, size.cols, k, from, static_cast<S const*>(product), y, true);
      std::swap(x, y);
    }
    return x;
  }
};

/// Orthogonal momentum for the matrices of hidden layers, convolutions too; AdamW for vectors, for embeddings (matrices that
/// no backward reads) and for the head, the last layer with parameters.
struct muon {
  using role = foal::role::optimizer;
  static constexpr char const* name = "muon";
  static constexpr int states = 2, parts = 2;
  orthogonal_momentum matrices{};
  adamw rest{.beta2 = 0.95, .weight_decay = 0.1};

  template <int I>
  constexpr auto const& part() const {
    if constexpr (I == 0)
      return matrices;
    else
      return rest;
  }
  constexpr int choose(parameter_view const& p) const { return p.is_hidden_matrix() ? 0 : 1; }

  template <class F>
  constexpr void numbers(F&& f) const {
    f("matrices", matrices);
    f("rest", rest);
  }
  void check() const {
    matrices.check();
    rest.check();
  }
};

}  // namespace foal::optim
