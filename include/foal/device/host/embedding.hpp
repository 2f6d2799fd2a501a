// Rows of a table by number, and the table of sinusoids, on the host.
#pragma once

#include <foal/core/config.hpp>

#include <cmath>
#include <cstddef>
#include <limits>

namespace foal::device::host_ops {

/// Rows of `table` [vocabulary, width] are named by ids, which travel as scalars (exact below 2^24).
struct embedding_ops {
  /// y[r] = scale * table[id[r]] for r in [0, rows). An id outside [0, vocabulary) gives a row of NaN.
  template <class S>
  static void embed(int rows, int vocabulary, int width, S const* id, S const* table, S scale, S* y) {
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      S* __restrict to = y + r * width;
      bool const known = in_vocabulary(id[r], vocabulary);
      S const* const from = table + (known ? static_cast<std::ptrdiff_t>(id[r]) * width : 0);
      S const factor = known ? scale : std::numeric_limits<S>::quiet_NaN();
      for (int c = 0; c < width; ++c) to[c] = factor * from[c];
    }
  }

  /// dtable[id[r]] += scale * dy[r], in the order of r. An id outside [0, vocabulary) adds nothing.
  template <class S>
  static void embed_gradient(int rows, int vocabulary, int width, S const* id, S const* dy, S scale, S* dtable) {
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      if (!in_vocabulary(id[r], vocabulary)) continue;
      S const* __restrict from = dy + r * width;
      S* __restrict to = dtable + static_cast<std::ptrdiff_t>(id[r]) * width;
      for (int c = 0; c < width; ++c) to[c] += scale * from[c];
    }
  }

  /// table[p, 2i] = sin(p / 10000^(2i / channels)), table[p, 2i + 1] = cos(the same) for p in [0, positions): Vaswani et
  /// al., Attention Is All You Need, section 3.5. Each frequency turns by its angle from position to position, in double.
  template <class S>
  static void sinusoids(int positions, int channels, S* table) {
    sinusoids(0, positions, channels, table);
  }
  /// The same from position `first` on: the bits that these have in a table from 0 on.
  template <class S>
  static void sinusoids(int first, int positions, int channels, S* table) {
    for (int c = 0; c < channels; c += 2) {
      double const angle = std::pow(10000.0, -static_cast<double>(c) / channels);
      double const turn_sin = std::sin(angle), turn_cos = std::cos(angle);
      double s = 0, k = 1;
      for (std::ptrdiff_t p = -first; p < positions; ++p) {
        if (p >= 0) table[p * channels + c] = static_cast<S>(s);
        if (p >= 0 && c + 1 < channels) table[p * channels + c + 1] = static_cast<S>(k);
        double const next = s * turn_cos + k * turn_sin;
        k = k * turn_cos - s * turn_sin;
        s = next;
      }
    }
  }

 private:
  /// False for NaN.
  template <class S>
  static bool in_vocabulary(S id, int vocabulary) {
    return id >= S(0) && id < static_cast<S>(vocabulary);
  }
};

}  // namespace foal::device::host_ops
