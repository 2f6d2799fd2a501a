// Tables: one description, printed aligned on a terminal here and as HTML by html.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/report/escape.hpp>

namespace foal::report {

enum class align { left, right };

/// Which value of a column is the best one, where that is a question at all.
enum class better { neither, higher, lower };

struct column {
  std::string title;
  align side = align::right;
  better best = better::neither;
};

/// What is shown, and the number behind it where there is one (to find the best of a column).
struct table_entry {
  std::string text;
  double value = std::numeric_limits<double>::quiet_NaN();

  table_entry(std::string t, double v = std::numeric_limits<double>::quiet_NaN()) : text(std::move(t)), value(v) {}
  table_entry(char const* t) : text(t) {}
};

struct table {
  std::vector<column> columns;
  std::vector<std::vector<table_entry>> rows = {};

  /// Adds a row of one entry per column.
  void add(std::vector<table_entry> row) {
    require(row.size() == columns.size(), "cannot add a row of ", row.size(), " entries to a table, because it has ",
            columns.size(), " columns; give one entry per column");
    rows.push_back(std::move(row));
  }

  /// True for the rows whose value is the best of column `c`, if the column has a best and not all are equal.
  std::vector<bool> best(std::size_t c) const {
    std::vector<bool> mark(rows.size(), false);
    if (columns[c].best == better::neither) return mark;
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (auto const& row : rows) {
      if (std::isfinite(row[c].value)) low = std::min(low, row[c].value), high = std::max(high, row[c].value);
    }
    double const wanted = columns[c].best == better::higher ? high : low;
    if (low < high) {
      for (std::size_t r = 0; r < rows.size(); ++r) mark[r] = rows[r][c].value == wanted;
    }
    return mark;
  }

  /// Aligned plain text: titles, a rule, rows; two spaces between columns, no spaces at line ends, a newline at the end.
  /// Entries are shown as a terminal may be given them.
  std::string text() const {
    std::vector<std::size_t> width;
    for (auto const& c : columns) width.push_back(columns_of(printable(c.title)));
    for (auto const& row : rows) {
      for (std::size_t c = 0; c < width.size(); ++c) width[c] = std::max(width[c], columns_of(printable(row[c].text)));
    }
    std::string out;
    auto const line = [&](auto const& entry) {
      for (std::size_t c = 0; c < columns.size(); ++c) {
        std::string const content = printable(entry(c));
        std::string const space(width[c] - columns_of(content), ' ');
        out += c > 0 ? "  " : "";
        out += columns[c].side == align::right ? space + content : content + space;
      }
      out.erase(out.find_last_not_of(' ') + 1);
      out += '\n';
    };
    line([&](std::size_t c) -> std::string const& { return columns[c].title; });
    std::size_t total = columns.empty() ? 0 : 2 * (columns.size() - 1);
    for (std::size_t const w : width) total += w;
    out += std::string(total, '-') + '\n';
    for (auto const& row : rows) line([&](std::size_t c) -> std::string const& { return row[c].text; });
    return out;
  }
};

}  // namespace foal::report
