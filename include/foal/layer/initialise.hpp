// How parameters start: as their layers declare, or scaled for deep rectified nets; keyed by layer number and element.
#pragma once

#include <cmath>
#include <cstdint>

#include <foal/core/error.hpp>
#include <foal/core/random.hpp>
#include <foal/core/role.hpp>
#include <foal/layer/contract.hpp>

namespace foal::initialisation {

/// As each layer declares: PyTorch's defaults in foal's own layers.
struct declared {
  using role = foal::role::initialisation;
  static constexpr char const* name = "declared";
  constexpr initial of(parameter const& p) const { return p.start; }
};

/// He et al. 2015: uniform weights of variance gain^2 / fan_in, gain^2 = 2 for rectifiers; vectors (biases) start at 0.
struct he {
  using role = foal::role::initialisation;
  static constexpr char const* name = "he";
  double gain = 1.4142135623730951;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("gain", gain);
  }
  void check() const { require_number(std::isfinite(gain) && gain >= 0, name, "gain", gain, "0 or more"); }
  constexpr initial of(parameter const& p) const {
    if (p.start.how != initial::kind::uniform) return p.start;
    if (p.extent.rank < 2) return {};
    return {initial::kind::uniform, gain * gain, p.start.fan_in};
  }
};

namespace detail {

/// A number of the standard normal distribution for one element of the stream (Box, Muller 1958): a pair of neighbouring
/// elements shares one block of bits, so no pair depends on another.
inline double normal_number(random_key const& key, std::uint32_t element) {
  random_block const bits = random_bits(key, element / 2U);
  double const u = (static_cast<double>(bits.word[0]) + 0.5) * 0x1p-32;  // never 0
  double const angle = static_cast<double>(bits.word[1]) * 0x1p-32 * 6.283185307179586477;
  return std::sqrt(-2 * std::log(u)) * (element % 2U == 0 ? std::cos(angle) : std::sin(angle));
}

}  // namespace detail

/// Writes the first values of a parameter. Independent of stages, ranks, N, M and the device: a function of (seed, global
/// layer number, parameter of the layer, element).
template <class S>
void fill(initial start, std::uint64_t seed, int layer, int index, long long n, S* to) {
  if (start.how == initial::kind::constant) {
    for (long long i = 0; i < n; ++i) to[i] = static_cast<S>(start.value);
    return;
  }
  random_key const key{seed, purpose::weights, static_cast<std::uint32_t>(layer), static_cast<std::uint64_t>(index)};
  if (start.how == initial::kind::normal) {
    double const deviation = std::sqrt(start.value / start.fan_in);
    for (long long i = 0; i < n; ++i)
      to[i] = static_cast<S>(deviation * detail::normal_number(key, static_cast<std::uint32_t>(i)));
    return;
  }
  double const bound = std::sqrt(3 * start.value / start.fan_in);
  for (long long i = 0; i < n; ++i)
    to[i] = static_cast<S>((2 * static_cast<double>(random_unit(key, static_cast<std::uint32_t>(i))) - 1) * bound);
}

}  // namespace foal::initialisation
