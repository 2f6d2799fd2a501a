// An orthonormal basis that follows the eigenvectors of a symmetric matrix, on any device: one power step and a QR.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include <foal/core/config.hpp>

namespace foal::optim::detail {

constexpr long long room(long long elements) { return (elements + 15) / 16 * 16; }  // begins at a multiple of 16 elements

template <class S>
struct negate {
  FOAL_HOST_DEVICE void operator()(S& x) const { x = -x; }
};
template <class S>
struct multiply {
  S by;
  FOAL_HOST_DEVICE void operator()(S& x) const { x *= by; }
};
template <class S>
struct add_multiple {
  S of;
  FOAL_HOST_DEVICE void operator()(S& y, S const& x) const { y += of * x; }
};

/// The place of the largest of k numbers of the device, which becomes -1.
template <class D, class S>
int take_largest(D& device, int k, S* x) {
  constexpr int part = 64;
  S some[part];
  S most = -1;
  int place = 0;
  for (int from = 0; from < k; from += part) {
    int const n = std::min(part, k - from);
    device.copy_out(some, x + from, static_cast<std::size_t>(n) * sizeof(S));
    for (int i = 0; i < n; ++i)
      if (some[i] > most) {
        most = some[i];
        place = from + i;
      }
  }
  S const taken = -1;
  device.copy_in(x + place, &taken, sizeof(S));
  return place;
}

/// Elements of scratch that refresh_basis asks for.
constexpr long long refresh_scratch(long long k) { return 2 * room(k * k) + 2 * room(k); }

/// The rows of q, k orthonormal vectors, become those of a QR of q (a + ridge), a symmetric and not negative: one power
/// step. Vectors are made orthogonal in the order of their lengths, longest first, each in its place, so that what was
/// counted along a vector stays with it. The ridge, 1e-4 of a's Frobenius norm, moves no eigenvector, and gives those
/// without an eigenvalue a direction. Leaves q where a is 0. scratch: refresh_scratch(k) elements.
template <class D, class S>
void refresh_basis(D& device, int k, S const* a, S* q, S* scratch) {
  auto const n = static_cast<std::size_t>(k), square = n * n;
  S *const z = scratch, *const done = z + room(static_cast<long long>(square)),
           *const lengths = done + room(static_cast<long long>(square)), *const along = lengths + room(k);
  double const size = std::sqrt(device.sum_of_squares(square, a));
  if (!(size > 0)) return;
  device.product_nn(k, k, k, static_cast<S const*>(q), a, z, false);
  device.map(square, add_multiple<S>{static_cast<S>(1e-4 * size)}, z, static_cast<S const*>(q));
  auto const length = [&](S const* v) { return std::sqrt(device.sum_of_squares(n, v)); };
  for (int i = 0; i < k; ++i) {
    S const l = static_cast<S>(length(z + static_cast<std::size_t>(i) * n));
    device.copy_in(lengths + i, &l, sizeof(S));
  }
  for (int i = 0; i < k; ++i) {
    auto const place = static_cast<std::size_t>(take_largest(device, k, lengths)) * n;
    S* const v = done + static_cast<std::size_t>(i) * n;
    device.copy(v, z + place, n * sizeof(S));
    for (int again = 0; again < 2 && i > 0; ++again) {  // once leaves what rounding has brought in
      device.product_nn(i, 1, k, static_cast<S const*>(done), static_cast<S const*>(v), along, false);
      device.map(static_cast<std::size_t>(i), negate<S>{}, along);
      device.product_nn(1, k, i, static_cast<S const*>(along), static_cast<S const*>(done), v, true);
    }
    device.map(n, multiply<S>{static_cast<S>(1 / length(v))}, v);
    device.copy(q + place, v, n * sizeof(S));
  }
}

/// q becomes the identity.
template <class D, class S>
void make_identity(D& device, int k, S* q) {
  auto const n = static_cast<std::size_t>(k);
  device.zero(q, n * n * sizeof(S));
  S const one = 1;
  for (std::size_t i = 0; i < n; ++i) device.copy_in(q + i * (n + 1), &one, sizeof(S));
}

}  // namespace foal::optim::detail
