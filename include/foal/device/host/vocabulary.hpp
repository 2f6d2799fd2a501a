// Embedding and softmax over a vocabulary that comes part by part, on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <foal/device/host/exponential.hpp>
#include <foal/device/host/lanes.hpp>
#include <foal/device/loss_sums.hpp>
#include <foal/device/vocabulary.hpp>

namespace foal::device::host_ops {

/// Tokens travel as scalars (exact below 2^24). Sums over a part are taken in double, in a fixed order; NaN in, NaN out.
struct vocabulary_ops {
  /// y[r] = scale * table[id[r] - first] where the id is the part's, whose rows `table` [count, width] holds. Other rows:
  /// the first part writes 0, or NaN where the id is not of the vocabulary; later parts leave them as they are.
  template <class S>
  static void embed_part(int rows, vocabulary_part part, int vocabulary, int width, S const* id, S const* table, S scale,
                         S* y) {
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      S* __restrict to = y + r * width;
      if (has(part, id[r])) {
        S const* __restrict from = row_of(table, part, width, id[r]);
        for (int c = 0; c < width; ++c) to[c] = scale * from[c];
      } else if (part.first == 0) {
        std::fill_n(to, width, has({0, vocabulary}, id[r]) ? S(0) : std::numeric_limits<S>::quiet_NaN());
      }
    }
  }

  /// dtable[id[r] - first] += scale * dy[r] where the id is the part's, in the order of r.
  template <class S>
  static void embed_part_gradient(int rows, vocabulary_part part, int width, S const* id, S const* dy, S scale, S* dtable) {
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      if (!has(part, id[r])) continue;
      S const* __restrict from = dy + r * width;
      S* __restrict to = row_of(dtable, part, width, id[r]);
      for (int c = 0; c < width; ++c) to[c] += scale * from[c];
    }
  }

  /// after = before joined with the scores z [rows, count] of a part (joined_scores; the first part, with before null, joins
  /// nothing). Leaves in z the exponentials of scores less the part's largest, and in share [rows, 2] what makes the softmax
  /// of them, as far as it is known after this part, and what exp(log_sum before) is of exp(log_sum after). target: as
  /// scalars.
  template <class S>
  static void join_scores(int rows, vocabulary_part part, S const* target, S const* before, S* z, S* after, S* share) {
    using column = joined_scores;
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      S* const row = z + r * part.count;
      S const* const old = before == nullptr ? nullptr : before + r * column::columns;
      S* const now = after + r * column::columns;
      S const top = largest_of_row(part.count, row);
      S const here = has(part, target[r]) ? row[static_cast<std::ptrdiff_t>(target[r]) - part.first] : S(0);
      int const place = static_cast<int>(std::find(row, row + part.count, top) - row);
      bool const larger = old == nullptr || top > old[column::largest];
      double total = 0;
      S const base = top < std::numeric_limits<S>::lowest() ? S(0) : top;  // all are -inf: another part has the softmax
      double const sum = exponentials(part.count, row, base, total);
      double log_sum = static_cast<double>(base) + std::log(sum);
      double const log_before = old == nullptr ? 0 : static_cast<double>(old[column::log_sum]);
      if (old != nullptr) log_sum = log_of_both(log_before, log_sum);
      now[column::log_sum] = static_cast<S>(log_sum);
      now[column::of_target] = here + (old == nullptr ? S(0) : old[column::of_target]);
      now[column::total] = static_cast<S>(total + (old == nullptr ? 0 : static_cast<double>(old[column::total])));
      now[column::largest] = larger ? top : old[column::largest];
      now[column::largest_token] = larger ? static_cast<S>(part.first + place) : old[column::largest_token];
      share[2 * r] = sum == 0 ? S(0) : static_cast<S>(std::exp(static_cast<double>(base) - log_sum));
      share[2 * r + 1] = old == nullptr ? S(0) : static_cast<S>(std::exp(log_before - log_sum));
    }
  }

  /// The gradients of the part's scores, dz, and of what it was joined to, from that of what came of it; z and share are
  /// what join_scores() has left. Either may be null. The largest score and its token have none.
  template <class S>
  static void join_scores_gradient(int rows, vocabulary_part part, S const* target, S const* z, S const* share,
                                   S const* dafter, S* dz, S* dbefore) {
    using column = joined_scores;
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      S const* const d = dafter + r * column::columns;
      if (dz != nullptr) {
        S const* __restrict from = z + r * part.count;
        S* __restrict to = dz + r * part.count;
        S const scale = d[column::log_sum] * share[2 * r], all = d[column::total];
        for (int j = 0; j < part.count; ++j) to[j] = from[j] * scale + all;
        if (has(part, target[r])) to[static_cast<std::ptrdiff_t>(target[r]) - part.first] += d[column::of_target];
      }
      if (dbefore == nullptr) continue;
      S* const to = dbefore + r * column::columns;
      std::copy_n(d, column::columns, to);
      to[column::log_sum] = d[column::log_sum] * share[2 * r + 1];
      to[column::largest] = to[column::largest_token] = S(0);
    }
  }

  /// As softmax_cross_entropy, of the scores of all tokens joined; dx is that of the joined ones.
  template <class S>
  static loss_sums joined_cross_entropy(int rows, int vocabulary, S const* x, std::int32_t const* target, double smoothing,
                                        double divide, S* dx) {
    using column = joined_scores;
    loss_sums result;
    double const spread = smoothing / vocabulary;
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      S const* const row = x + r * column::columns;
      S* const to = dx == nullptr ? nullptr : dx + r * column::columns;
      if (to != nullptr) std::fill_n(to, column::columns, S(0));
      if (target[r] == ignored_target) continue;
      ++result.counted;
      if (target[r] < 0 || target[r] >= vocabulary) {
        result.sum += std::numeric_limits<double>::quiet_NaN();
        if (to != nullptr) std::fill_n(to, column::columns, std::numeric_limits<S>::quiet_NaN());
        continue;
      }
      double loss =
          static_cast<double>(row[column::log_sum]) - (1 - smoothing) * static_cast<double>(row[column::of_target]);
      // With e = 0 a token of probability 0 has a score of -inf, and 0 * -inf must not reach the loss.
      if (smoothing != 0) loss -= spread * static_cast<double>(row[column::total]);
      result.sum += loss;
      if (row[column::largest_token] == static_cast<S>(target[r]) && !std::isnan(loss)) ++result.correct;
      if (to == nullptr) continue;
      to[column::log_sum] = static_cast<S>(1 / divide);
      to[column::of_target] = static_cast<S>(-(1 - smoothing) / divide);
      to[column::total] = static_cast<S>(-spread / divide);
    }
    return result;
  }

 private:
  static constexpr int chunk = 256;  ///< columns whose exponentials in double stay in the first cache

  /// False for NaN.
  template <class S>
  static bool has(vocabulary_part part, S id) {
    return id >= static_cast<S>(part.first) && id < static_cast<S>(part.first + part.count);
  }
  template <class S>
  static S* row_of(S* table, vocabulary_part part, int width, std::remove_const_t<S> id) {
    return table + (static_cast<std::ptrdiff_t>(id) - part.first) * width;
  }
  /// log(e^a + e^b).
  static double log_of_both(double a, double b) {
    double const top = std::max(a, b), least = std::min(a, b);
    return std::isinf(top) ? a + b : top + std::log1p(std::exp(least - top));
  }
  /// row = exp(row - base); gives the sum, and the sum of what the row was.
  template <class S>
  static double exponentials(int n, S* row, S base, double& total) {
    double sum = 0, wide[chunk];
    for (int first = 0; first < n; first += chunk) {
      int const m = std::min(chunk, n - first);
      S* __restrict x = row + first;
      for (int j = 0; j < m; ++j) wide[j] = static_cast<double>(x[j]);
      total += sum_of_row(m, wide);
      for (int j = 0; j < m; ++j) x[j] = exponential(x[j] - base);
      for (int j = 0; j < m; ++j) wide[j] = static_cast<double>(x[j]);
      sum += sum_of_row(m, wide);
    }
    return sum;
  }
};

}  // namespace foal::device::host_ops
