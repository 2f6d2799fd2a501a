// Layer normalisation on the host: each row by its own mean and variance.
#pragma once

#include <cmath>
#include <cstddef>

#include <foal/device/host/lanes.hpp>

namespace foal::device::host_ops {

/// Arrays of activations are [rows, channels]; scale and shift [channels]; inverse [rows].
struct layer_norm_ops {
  /// normal = (x - mean) / sqrt(variance + epsilon) along each row, with the biased variance, y = normal * scale + shift,
  /// inverse = 1 / sqrt(variance + epsilon) (Ba, Kiros, Hinton: Layer Normalization). normal and inverse may both be null,
  /// then nothing is kept. y may be x.
  template <class S>
  static void layer_normalise(int rows, int channels, double epsilon, S const* x, S const* scale, S const* shift, S* normal,
                              S* inverse, S* y) {
    S const share = S(1) / static_cast<S>(channels);
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      S const* const from = x + r * channels;
      S* const to = y + r * channels;
      S const mean = share * sum_of_row(channels, from);
      S const variance = share * sum_in_lanes<S>(channels, [from, mean](auto lanes, int c) {
                           auto const distance = Eigen::internal::psub(lanes.at(from + c), lanes.all(mean));
                           return Eigen::internal::pmul(distance, distance);
                         });
      S const by = S(1) / std::sqrt(variance + static_cast<S>(epsilon));
      if (inverse != nullptr) inverse[r] = by;
      S* const kept = normal == nullptr ? nullptr : normal + r * channels;
      for_lanes<S>(channels, [=](auto lanes, int c) {
        namespace eigen = Eigen::internal;
        auto const value = eigen::pmul(eigen::psub(lanes.at(from + c), lanes.all(mean)), lanes.all(by));
        if (kept != nullptr) eigen::pstoreu(kept + c, value);
        eigen::pstoreu(to + c, eigen::pmadd(value, lanes.at(scale + c), lanes.at(shift + c)));
      });
    }
  }

  /// With g = dy * scale: dx = inverse * (g - mean of g - normal * mean of (g * normal)), means along the row. dx may be dy.
  template <class S>
  static void layer_normalise_gradient(int rows, int channels, S const* dy, S const* normal, S const* inverse,
                                       S const* scale, S* dx) {
    S const share = S(1) / static_cast<S>(channels);
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      S const* const from = dy + r * channels;
      S const* const kept = normal + r * channels;
      S* const to = dx + r * channels;
      S sum[2];
      sums_in_lanes<2>(channels, sum, [from, scale, kept](auto lanes, int c, auto* add) {
        namespace eigen = Eigen::internal;
        auto const x = lanes.at(from + c), gamma = lanes.at(scale + c);
        add[0] = eigen::pmadd(x, gamma, add[0]);
        add[1] = eigen::pmadd(eigen::pmul(x, gamma), lanes.at(kept + c), add[1]);
      });
      S const mean = share * sum[0], slope = share * sum[1], by = inverse[r];
      for_lanes<S>(channels, [=](auto lanes, int c) {
        namespace eigen = Eigen::internal;
        auto const less_mean = eigen::psub(eigen::pmul(lanes.at(from + c), lanes.at(scale + c)), lanes.all(mean));
        auto const rest = eigen::psub(less_mean, eigen::pmul(lanes.at(kept + c), lanes.all(slope)));
        eigen::pstoreu(to + c, eigen::pmul(lanes.all(by), rest));
      });
    }
  }
};

}  // namespace foal::device::host_ops
