// Basis rotation: Adam in the eigenbasis of the gradient's covariance (Jung et al. 2026, 2602.03515), which delays harm
// less.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <foal/core/config.hpp>
#include <foal/core/registers.hpp>
#include <foal/core/role.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/concept.hpp>
#include <foal/policy/optim/matrices_apart.hpp>
#include <foal/policy/optim/muon.hpp>
#include <foal/policy/optim/orthonormal.hpp>

namespace foal::optim {

/// Of a matrix, which axes get a basis: both, or the shorter one (rows, where they are equal).
enum class sides { one, two };
/// What a basis follows: M M^T of the momentum M, or the mean of G G^T over the gradients G.
enum class order { first, second };

namespace detail {

template <class S>
struct mean_of {
  S keep, rest;
  FOAL_HOST_DEVICE void operator()(S& mean, S const& x) const { mean = keep * mean + rest * x; }
};
/// The rotated momentum becomes the step, by the rotated gradient.
template <class S>
struct rotated_step {
  S beta2, rest2, of_mean, root, eps;
  static constexpr bool in_registers = true;
  template <class T>
  FOAL_HOST_DEVICE void operator()(T& mean, T const& g, T& v) const {
    v = beta2 * v + rest2 * g * g;
    mean = of_mean * mean / (square_root(v) / root + eps);
  }
};

}  // namespace detail

/// m <- b1 m + (1 - b1) g;  every so many updates U and V follow the eigenvectors by a power step and a QR;
/// v <- b2 v + (1 - b2) (U^T g V)^2;  w <- (1 - lr decay) w - lr U (U^T m V / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps))
/// V^T, U = 1 or V = 1 for an axis without a basis, and both 1 before the first refresh (the first update). First order: of
/// M M^T and M^T M; second: of L <- bs L + (1 - bs) G G^T and R likewise. Copies of a square W: weights, gradient, m, v, and
/// for each axis one basis, with the second order one mean more: 8 with both at most, 5 at least.
struct rotated_adam {
  using role = foal::role::optimizer;
  static constexpr char const* name = "rotated adam";
  static constexpr int states = 4;
  static constexpr bool per_parameter = true;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;     ///< decoupled
  double basis_decay = 0.999;  ///< bs, of the second order
  optim::sides sides = optim::sides::two;
  optim::order order = optim::order::second;
  int every = 10;      ///< updates from one refresh to the next
  double aware = 0;    ///< above 0: max(every, aware / tau), so that stages of large delay refresh more often
  int largest = 2048;  ///< longer axes get no basis

  template <class F>
  constexpr void numbers(F&& f) const {
    detail::numbers_of_adam(*this, f);
    f("basis_decay", basis_decay);
    f("two_sides", sides == optim::sides::two);
    f("second_order", order == optim::order::second);
    f("every", every);
    f("aware", aware);
    f("largest", largest);
  }
  void check() const {
    detail::check_adam(name, beta1, beta2, eps, weight_decay);
    require_number(basis_decay >= 0 && basis_decay < 1, name, "basis_decay", basis_decay, "at least 0 and below 1");
    require_number(every >= 1, name, "every", every, "1 or more");
    require_number(std::isfinite(aware) && aware >= 0, name, "aware", aware, "0 or more");
    require_number(largest >= 1, name, "largest", largest, "1 or more");
  }

  /// Updates between refreshes of a stage with this mean delay.
  long long period(double tau) const {
    double const apart = aware > 0 ? std::min(aware / std::max(tau, 1.0), 1e9) : 0;
    return std::max(static_cast<long long>(every), std::llround(apart));
  }

  /// States: m, v, the rows' basis behind their mean, the columns' likewise.
  constexpr long long state_size(int state, shape extent) const {
    if (state < 2) return extent.size();
    long long const k = side(detail::matrix_sizes(extent), state == 2);
    return order == optim::order::second ? 2 * detail::room(k * k) : k * k;
  }
  /// Three matrices of its size, and for the longest axis with a basis a square and what its refresh needs.
  constexpr long long scratch_size(shape extent) const {
    detail::matrix_sizes const size(extent);
    long long const k = std::max(side(size, true), side(size, false));
    return 3 * detail::room(extent.size()) + detail::room(k * k) + detail::refresh_scratch(k);
  }

  template <class D, class S>
  void step(D& device, shape extent, S* w, S* g, S* const* states_of, S* scratch, moment now) const {
    detail::matrix_sizes const size(extent);
    auto const n = static_cast<std::size_t>(extent.size());
    long long const part = detail::room(extent.size());
    S *const mean = states_of[0], *const of_g = scratch, *const of_m = of_g + part, *const between = of_m + part,
             *const rest = between + part;
    device.map(n, detail::mean_of<S>{static_cast<S>(beta1), static_cast<S>(1 - beta1)}, mean, static_cast<S const*>(g));
    bool const refreshes = (now.update - 1) % period(now.tau_fwd) == 0;
    S const* const u = follow(device, size, true, g, mean, states_of[2], rest, now.update == 1, refreshes);
    S const* const v = follow(device, size, false, g, mean, states_of[3], rest, now.update == 1, refreshes);
    into(device, size, u, v, static_cast<S const*>(g), of_g, between);
    into(device, size, u, v, static_cast<S const*>(mean), of_m, between);
    double const t = static_cast<double>(now.update);
    device.map(n,
               detail::rotated_step<S>{static_cast<S>(beta2), static_cast<S>(1 - beta2),
                                       static_cast<S>(1 / (1 - std::pow(beta1, t))),
                                       static_cast<S>(std::sqrt(1 - std::pow(beta2, t))), static_cast<S>(eps)},
               of_m, static_cast<S const*>(of_g), states_of[1]);
    S const* const by = back(device, size, u, v, of_m, of_g, between);
    device.map(n, detail::add_scaled<S>{static_cast<S>(1 - now.rate * weight_decay), static_cast<S>(-now.rate)}, w, by);
  }

  /// A rotation leaves the norm as it is: no element is above it.
  template <class S>
  void bound(shape extent, moment m, magnitudes& of) const {
    double const root = std::sqrt(static_cast<double>(extent.size())) * 1.01, g = of.g;
    double const basis[] = {of.state[2], of.state[3]};
    of.state[0] = std::max(of.state[0], g);
    magnitudes rotated{.w = 0, .g = root * of.state[0], .state = {root * of.state[0], of.state[1]}};
    detail::bound_adam<S>(1, beta1, beta2, eps, 0, 0, rotated);
    of.state[1] = rotated.state[1];
    for (int axis = 0; axis < 2; ++axis) of.state[2 + axis] = std::max({basis[axis], 1.1, root * root * g * g});
    of.w = of.w * (1 + std::abs(m.rate) * weight_decay) + std::abs(m.rate) * root * rotated.w;
    of.most = root * rotated.most + root * root * of.state[2];
  }

 private:
  /// The length of an axis that has a basis, else 0.
  constexpr long long side(detail::matrix_sizes size, bool rows) const {
    int const own = rows ? size.rows : size.cols, other = rows ? size.cols : size.rows;
    bool const has = sides == optim::sides::two || own < other || (own == other && rows);
    return has && own <= largest ? own : 0;
  }

  /// Brings an axis's mean and basis up to date; the basis, its vectors as rows, or null.
  template <class D, class S>
  S const* follow(D& device, detail::matrix_sizes size, bool rows, S const* g, S const* m, S* state, S* scratch, bool first,
                  bool refreshes) const {
    int const k = static_cast<int>(side(size, rows));
    if (k == 0) return nullptr;
    auto const square = static_cast<std::size_t>(k) * static_cast<std::size_t>(k);
    bool const second = order == optim::order::second;
    S* const q = second ? state + detail::room(static_cast<long long>(square)) : state;
    if (first) detail::make_identity(device, k, q);
    if (!second && !refreshes) return q;
    S const* const x = second ? g : m;
    if (rows)
      device.product_nt(k, k, size.cols, x, x, scratch, false);
    else
      device.product_tn(k, k, size.rows, x, x, scratch, false);
    if (second)
      device.map(square, detail::mean_of<S>{static_cast<S>(basis_decay), static_cast<S>(1 - basis_decay)}, state,
                 static_cast<S const*>(scratch));
    if (refreshes)
      detail::refresh_basis(device, k, static_cast<S const*>(second ? state : scratch), q,
                            scratch + detail::room(static_cast<long long>(square)));
    return q;
  }

  /// to = U^T x V.
  template <class D, class S>
  static void into(D& device, detail::matrix_sizes size, S const* u, S const* v, S const* x, S* to, S* between) {
    auto const bytes = static_cast<std::size_t>(size.rows) * static_cast<std::size_t>(size.cols) * sizeof(S);
    if (u != nullptr) {
      S* const y = v != nullptr ? between : to;
      device.product_nn(size.rows, size.cols, size.rows, u, x, y, false);
      x = y;
    }
    if (v != nullptr)
      device.product_nt(size.rows, size.cols, size.cols, x, v, to, false);
    else if (u == nullptr)
      device.copy(to, x, bytes);
  }
  /// U x V^T, in x or `to`.
  template <class D, class S>
  static S const* back(D& device, detail::matrix_sizes size, S const* u, S const* v, S const* x, S* to, S* between) {
    if (u != nullptr) {
      S* const y = v != nullptr ? between : to;
      device.product_tn(size.rows, size.cols, size.rows, u, x, y, false);
      x = y;
    }
    if (v == nullptr) return x;
    device.product_nn(size.rows, size.cols, size.cols, x, v, to, false);
    return to;
  }
};

/// Rotated Adam for the matrices of hidden layers, AdamW for the rest.
using basis_rotation = matrices_apart<rotated_adam, adamw>;

}  // namespace foal::optim
