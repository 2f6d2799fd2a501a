// Growth as small multiples: a row per figure, a column per size, both axes logarithmic, with a line of slope 1 to compare.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/report/svg.hpp>

namespace bench::growth {

/// One figure over one size. `figure` and `size` name its row and its column.
struct series {
  std::string figure, unit, size;
  std::vector<double> x, y;
  std::string reason{};  ///< why it grows as it does, where that is more than linear
};

/// The exponent p of y = c x^p, by least squares of the logarithms; over the larger half where `end`, for what has a
/// constant part that the smaller sizes hide behind.
inline double exponent(series const& s, bool end) {
  std::size_t const n = s.x.size(), first = end && n > 3 ? n / 2 : 0;
  double count = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (std::size_t i = first; i < n; ++i) {
    double const x = std::log(s.x[i]), y = std::log(s.y[i]);
    count += 1, sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  return (count * sxy - sx * sy) / (count * sxx - sx * sx);
}

/// Rows and columns in the order in which they first come.
inline std::string picture(std::vector<series> const& all, std::string const& title) {
  using foal::report::fixed;
  std::vector<std::string> rows, columns;
  auto const place = [](std::vector<std::string>& names, std::string const& name) {
    auto const at = std::find(names.begin(), names.end(), name);
    auto const i = static_cast<std::size_t>(at - names.begin());
    if (at == names.end()) names.push_back(name);
    return i;
  };
  for (series const& s : all) place(rows, s.figure), place(columns, s.size);
  double constexpr cell_width = 236, cell_height = 142, left = 58, top = 74, inner_left = 46, inner_bottom = 30;
  double const width = left + cell_width * static_cast<double>(columns.size()) + 8;
  double const height = top + cell_height * static_cast<double>(rows.size()) + 8;
  foal::report::svg out(width, height, title);
  out.text(12, 22, title, "ink title");
  out.line(14, 42, 36, 42, "curve s0").text(42, 46, "measured, with its exponent (over the larger half)", "ink");
  out.line(370, 42, 392, 42, "axis", "4 3")
      .text(398, 46, "slope 1 from the first point: twice the size, twice the figure", "muted");
  for (std::size_t c = 0; c < columns.size(); ++c)
    out.text(left + cell_width * static_cast<double>(c) + inner_left, top - 8, columns[c], "ink");
  for (std::size_t r = 0; r < rows.size(); ++r) {
    // One range of values for a row, so that columns compare.
    double low = std::numeric_limits<double>::infinity(), high = 0;
    std::string unit;
    for (series const& s : all)
      if (s.figure == rows[r])
        for (double const y : s.y) low = std::min(low, y), high = std::max(high, y), unit = s.unit;
    low /= 1.6, high *= 1.6;
    // A decade at the least, or a change of a tenth would look like growth.
    if (double const spare = std::sqrt(std::max(1.0, 10 * low / high)); spare > 1) low /= spare, high *= spare;
    double const y0 = top + cell_height * static_cast<double>(r), bottom = y0 + cell_height - inner_bottom, upper = y0 + 16;
    auto const y_at = [&](double y) { return bottom - std::log(y / low) / std::log(high / low) * (bottom - upper); };
    out.text(16, (upper + bottom) / 2, rows[r], "ink", "middle", -90);
    out.text(32, (upper + bottom) / 2, unit, "muted", "middle", -90);
    for (series const& s : all) {
      if (s.figure != rows[r]) continue;
      double const x0 = left + cell_width * static_cast<double>(place(columns, s.size));
      double const from = x0 + inner_left, to = x0 + cell_width - 14;
      double const x_low = s.x.front() / 1.15, x_high = s.x.back() * 1.15;
      auto const x_at = [&](double x) { return from + std::log(x / x_low) / std::log(x_high / x_low) * (to - from); };
      auto const marks = foal::report::logarithmic_ticks(low, high);
      std::size_t const step = (marks.at.size() + 3) / 4;
      for (std::size_t i = 0; i < marks.at.size(); i += step)
        out.line(from, y_at(marks.at[i]), to, y_at(marks.at[i]), "grid")
            .text(from - 6, y_at(marks.at[i]) + 4, marks.label[i], "muted small", "end");
      for (std::size_t i = 0; i < s.x.size(); ++i) {
        out.line(x_at(s.x[i]), bottom, x_at(s.x[i]), bottom + 4, "axis");
        if (s.x.size() <= 6 || i % 2 == 0 || i + 1 == s.x.size())
          out.text(x_at(s.x[i]), bottom + 16, foal::report::shortest(static_cast<long long>(s.x[i])), "muted small",
                   "middle");
      }
      out.line(from, bottom, to, bottom, "axis");
      out.begin_clip(from, upper, to - from, bottom - upper + 1);
      // from the first point: what stays below it grows less
      out.line(x_at(s.x.front()), y_at(s.y.front()), x_at(s.x.back()), y_at(s.y.front() * s.x.back() / s.x.front()), "axis",
               "4 3");
      out.end_clip();
      std::string d;
      for (std::size_t i = 0; i < s.x.size(); ++i)
        d += (i == 0 ? "M" : "L") + foal::report::trimmed(x_at(s.x[i]), 1) + " " + foal::report::trimmed(y_at(s.y[i]), 1);
      out.path(d, "curve s0", {}, s.figure + " over " + s.size);
      out.text(from, upper - 5, "exponent " + fixed(exponent(s, true), 2), "ink small");
    }
  }
  return out.finish();
}

}  // namespace bench::growth
