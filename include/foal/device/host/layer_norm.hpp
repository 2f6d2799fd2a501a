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
    S const* __restrict gamma = scale, * __restrict beta = shift;
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      S const* const from = x + r * channels;
      S* const to = y + r * channels;
      S const mean = share * sum_of_row(channels, from);
      S const variance = share * sum_in_lanes<S>(channels, [from, mean](auto lanes, int c) {
                           auto const distance = Eigen::internal::psub(lanes.at(from + c), lanes.all(mean));
                           return Eigen::internal::pmul(distance, distance);
                         });
      S const by = S(1) / std::sqrt(variance + static_cast<S>(epsilon));
      if (normal == nullptr) {
        for (int c = 0; c < channels; ++c) to[c] = (from[c] - mean) * by * gamma[c] + beta[c];
        continue;
      }
      S* __restrict kept = normal + r * channels;
      inverse[r] = by;
      for (int c = 0; c < channels; ++c) kept[c] = (from[c] - mean) * by;
      for (int c = 0; c < channels; ++c) to[c] = kept[c] * gamma[c] + beta[c];
    }
  }

  /// With g = dy * scale: dx = inverse * (g - mean of g - normal * mean of (g * normal)), means along the row. dx may be dy.
  template <class S>
  static void layer_normalise_gradient(int rows, int channels, S const* dy, S const* normal, S const* inverse,
                                       S const* scale, S* dx) {
    S const share = S(1) / static_cast<S>(channels);
    S const* __restrict gamma = scale;
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      S const* const from = dy + r * channels;
      S const* __restrict kept = normal + r * channels;
      S* const to = dx + r * channels;
      S const mean = share * sum_in_lanes<S>(channels, [from, gamma](auto lanes, int c) {
                       return Eigen::internal::pmul(lanes.at(from + c), lanes.at(gamma + c));
                     });
      S const slope = share * sum_in_lanes<S>(channels, [from, gamma, kept](auto lanes, int c) {
                        auto const scaled = Eigen::internal::pmul(lanes.at(from + c), lanes.at(gamma + c));
                        return Eigen::internal::pmul(scaled, lanes.at(kept + c));
                      });
      S const by = inverse[r];
      for (int c = 0; c < channels; ++c) to[c] = by * (from[c] * gamma[c] - mean - kept[c] * slope);
    }
  }
};

}  // namespace foal::device::host_ops
