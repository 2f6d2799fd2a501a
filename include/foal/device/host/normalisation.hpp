// Normalisation on the host: over rows by channel (batch norm) and over groups of channels by sample (group norm).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <foal/device/host/rows.hpp>

namespace foal::device::host_ops {

/// Arrays of activations are [rows, channels], or [samples, positions, channels]; all others have one entry a channel.
struct normalisation_ops {
  /// mean and (biased) variance of each channel over the rows, in two passes.
  template <class S>
  static void moments(int rows, int channels, S const* x, S* mean, S* variance) {
    std::fill_n(mean, channels, S(0));
    std::fill_n(variance, channels, S(0));
    row_ops::sum_of_rows(rows, channels, x, mean);
    for (int c = 0; c < channels; ++c) mean[c] /= static_cast<S>(rows);
    row_ops::sum_of_squared_distances(rows, channels, x, mean, variance);
    for (int c = 0; c < channels; ++c) variance[c] /= static_cast<S>(rows);
  }

  /// normal = (x - mean) * inverse, y = normal * scale + shift. normal may be null; y may be x.
  template <class S>
  static void normalise(int rows, int channels, S const* x, S const* mean, S const* inverse, S const* scale, S const* shift,
                        S* normal, S* y) {
    in_blocks<S>(rows, channels, [&](std::ptrdiff_t first, std::ptrdiff_t last, std::ptrdiff_t c, auto load, auto store) {
      namespace eigen = Eigen::internal;
      auto const middle = load(mean + c), by = load(inverse + c), gamma = load(scale + c), beta = load(shift + c);
      for (std::ptrdiff_t at = first * channels + c; at < last * channels; at += channels) {
        auto const value = eigen::pmul(eigen::psub(load(x + at), middle), by);
        if (normal != nullptr) store(normal + at, value);
        store(y + at, eigen::pmadd(value, gamma, beta));
      }
    });
  }

  /// dx = scale * inverse * (dy - (sum + normal * sum_normal) / rows), where sum = sum of dy and sum_normal = sum of
  /// dy * normal over the rows (Ioffe, Szegedy: Batch Normalization, section 3). dx may be dy.
  template <class S>
  static void normalise_gradient(int rows, int channels, S const* dy, S const* normal, S const* inverse, S const* scale,
                                 S const* sum, S const* sum_normal, S* dx) {
    S const share = S(1) / static_cast<S>(rows);
    in_blocks<S>(rows, channels, [&](std::ptrdiff_t first, std::ptrdiff_t last, std::ptrdiff_t c, auto load, auto store) {
      namespace eigen = Eigen::internal;
      auto const total = load(sum + c), slope = load(sum_normal + c), by = eigen::pmul(load(scale + c), load(inverse + c));
      for (std::ptrdiff_t at = first * channels + c; at < last * channels; at += channels) {
        auto const mean = eigen::pmul(eigen::pmadd(load(normal + at), slope, total), load.all(share));
        store(dx + at, eigen::pmul(by, eigen::psub(load(dy + at), mean)));
      }
    });
  }

  /// Group norm (Wu, He: Group Normalization). Each sample is normalised over its positions and the channels / groups
  /// neighbouring channels of a group. normal [samples, positions, channels] and inverse [samples, groups] may be null, then
  /// nothing is kept. work: 4 * channels elements.
  template <class S>
  static void group_normalise(int samples, int positions, int channels, int groups, double epsilon, S const* x,
                              S const* scale, S const* shift, S* normal, S* inverse, S* y, S* work) {
    S *const mean = work, *const spread = work + channels, *const sum = work + 2 * channels;
    for (std::ptrdiff_t n = 0; n < samples; ++n) {
      std::ptrdiff_t const at = n * positions * channels;
      S const* const from = x + at;
      std::fill_n(sum, channels, S(0));
      row_ops::sum_of_rows(positions, channels, from, sum);
      share_in_groups(channels, groups, positions, sum, mean);
      std::fill_n(sum, channels, S(0));
      row_ops::sum_of_squared_distances(positions, channels, from, mean, sum);
      share_in_groups(channels, groups, positions, sum, spread);
      for (int c = 0; c < channels; ++c) spread[c] = S(1) / std::sqrt(spread[c] + static_cast<S>(epsilon));
      if (inverse != nullptr) {
        for (int g = 0; g < groups; ++g) inverse[n * groups + g] = spread[g * (channels / groups)];
      }
      normalise(positions, channels, from, mean, spread, scale, shift, normal == nullptr ? nullptr : normal + at, y + at);
    }
  }

  /// dx = inverse * (scale * dy - (a + normal * b) / n) with a and b the group's sums of scale * dy and scale * dy * normal
  /// and n its number of values. dx may be dy. work: 4 * channels elements.
  template <class S>
  static void group_normalise_gradient(int samples, int positions, int channels, int groups, S const* dy, S const* normal,
                                       S const* inverse, S const* scale, S* dx, S* work) {
    S *const sum = work, *const sum_normal = work + channels, *const a = work + 2 * channels, *const b = work + 3 * channels;
    int const width = channels / groups;
    for (std::ptrdiff_t n = 0; n < samples; ++n) {
      std::ptrdiff_t const at = n * positions * channels;
      std::fill_n(work, 2 * channels, S(0));
      row_ops::sums_of_rows_and_products(positions, channels, dy + at, normal + at, sum, sum_normal);
      for (int c = 0; c < channels; ++c) {
        sum[c] *= scale[c];
        sum_normal[c] *= scale[c];
      }
      share_in_groups(channels, groups, positions, sum, a);
      share_in_groups(channels, groups, positions, sum_normal, b);
      for (int c = 0; c < channels; ++c) sum[c] = inverse[n * groups + c / width];
      for (std::ptrdiff_t p = 0; p < positions; ++p) {
        S const* const from = dy + at + p * channels;
        S const* const kept = normal + at + p * channels;
        S* const to = dx + at + p * channels;
        for (int c = 0; c < channels; ++c) to[c] = sum[c] * (scale[c] * from[c] - (a[c] + kept[c] * b[c]));
      }
    }
  }

 private:
  template <class S, int Lanes>
  struct loader {
    using vector = typename packet<S, Lanes>::type;
    [[gnu::always_inline]] vector operator()(S const* p) const { return Eigen::internal::ploadu<vector>(p); }
    [[gnu::always_inline]] vector all(S value) const { return Eigen::internal::pset1<vector>(value); }
  };
  struct storer {
    template <class S, class V>
    [[gnu::always_inline]] void operator()(S* p, V const& value) const {
      Eigen::internal::pstoreu(p, value);
    }
  };

  /// Calls body(column, load, store) for as many columns at a time as a register has lanes, then for ever fewer.
  template <class S, int Lanes, class Body>
  [[gnu::always_inline]] static void for_columns(std::ptrdiff_t c, std::ptrdiff_t columns, Body body) {
    if constexpr (packet<S, Lanes>::exists) {
      for (; c + Lanes <= columns; c += Lanes) body(c, loader<S, Lanes>{}, storer{});
    }
    if constexpr (Lanes > 1) for_columns<S, Lanes / 2>(c, columns, body);
  }

  /// body(first row, past the last row, column, load, store) for blocks of rows that stay in the first cache, in each for
  /// all columns as in for_columns: what belongs to a column is then loaded once a block.
  template <class S, class Body>
  [[gnu::always_inline]] static void in_blocks(std::ptrdiff_t rows, std::ptrdiff_t channels, Body body) {
    bool const far = channels > full_lanes<S> && rows * channels >= static_cast<std::ptrdiff_t>((1U << 19U) / sizeof(S));
    std::ptrdiff_t const block = far ? 1 : std::max<std::ptrdiff_t>(1, 2048 / channels);
    for (std::ptrdiff_t first = 0; first < rows; first += block) {
      std::ptrdiff_t const last = std::min(rows, first + block);
      for_columns<S, full_lanes<S>>(0, channels,
                                    [&](std::ptrdiff_t c, auto load, auto store) { body(first, last, c, load, store); });
    }
  }

  /// mean[c] = the sum of `sum` over the group of c, divided by the group's number of values.
  template <class S>
  static void share_in_groups(int channels, int groups, int positions, S const* sum, S* mean) {
    int const width = channels / groups;
    for (int g = 0; g < groups; ++g) {
      double total = 0;
      for (int c = g * width; c < (g + 1) * width; ++c) total += static_cast<double>(sum[c]);
      std::fill_n(mean + g * width, width, static_cast<S>(total / (static_cast<double>(width) * positions)));
    }
  }
};

}  // namespace foal::device::host_ops
