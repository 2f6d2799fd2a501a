// Positions of windows over feature maps, in order, and where each one reads and writes.
#pragma once

#include <foal/core/config.hpp>

#include <cstddef>

namespace foal::device::host_ops {

/// Output positions, and where in the maps the window of each begins: elements from one to the next.
struct places {
  std::ptrdiff_t samples, rows, columns;
  std::ptrdiff_t sample, row, column;
  std::ptrdiff_t count() const { return samples * rows * columns; }
};

/// Where the output of a position lies.
template <class S>
struct outputs {
  S* first;
  std::ptrdiff_t sample, row, column;
  S* at(std::ptrdiff_t n, std::ptrdiff_t i, std::ptrdiff_t j) const { return first + n * sample + i * row + j * column; }
};

/// Walks over positions in order, beginning with number `first`.
struct walker {
  places const& p;
  std::ptrdiff_t n, i, j;

  explicit walker(places const& all, std::ptrdiff_t first = 0)
      : p(all), n(first / (p.rows * p.columns)), i(first / p.columns % p.rows), j(first % p.columns) {}
  void next() {
    if (++j < p.columns) return;
    j = 0;
    if (++i < p.rows) return;
    i = 0;
    ++n;
  }
  /// Where the window begins.
  std::ptrdiff_t offset() const { return n * p.sample + i * p.row + j * p.column; }
};

}  // namespace foal::device::host_ops
