// Horizontal bars, one a group, each stacked from named parts, as SVG.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/report/svg.hpp>

namespace foal::report {

/// One part of every bar: a colour and a value per group.
struct bar_part {
  std::string label;
  std::vector<double> values;
  std::vector<double> spread = {};  ///< half length of a whisker at the end of the part; none: no whiskers
};

struct bar_chart {
  std::string title = {}, x_label = {};
  std::vector<std::string> groups = {};
  std::vector<bar_part> parts = {};
  std::vector<std::string> end_labels = {};  ///< text behind each bar; by default its length to three digits
  double width = 820, row_height = 22;

  /// The picture. Values are at least 0; those that are not finite are drawn as 0. A legend only if there are several parts.
  /// Throws foal::error if a part has not one value per group.
  std::string svg() const {
    for (bar_part const& p : parts) {
      require(p.values.size() == groups.size() && (p.spread.empty() || p.spread.size() == groups.size()),
              "cannot draw the bars '", p.label, "', because it has ", p.values.size(), " values and ", p.spread.size(),
              " spreads for ", groups.size(), " groups; give one per group (or no spreads)");
    }
    require(end_labels.empty() || end_labels.size() == groups.size(), "cannot label ", groups.size(), " bars with ",
            end_labels.size(), " texts, because each needs its own; give one per group or none");
    std::vector<std::string> labels = end_labels;
    double longest = 0, left = 0, right = 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      double sum = 0, reach = 0;
      for (bar_part const& p : parts) {
        sum += length(p.values[g]);
        reach = std::max(reach, sum + (p.spread.empty() ? 0 : length(p.spread[g])));
      }
      if (end_labels.empty()) labels.push_back(significant(sum, 3));
      longest = std::max(longest, reach);
      left = std::max(left, text_width(groups[g]) + 24);
      right = std::max(right, text_width(labels[g]) + 18);
    }
    if (longest <= 0) longest = 1;

    double top = title.empty() ? 14 : 36, x = 14;
    if (parts.size() > 1) {
      for (bar_part const& p : parts) {
        double const needed = 16 + text_width(p.label) + 16;
        if (x > 14 && x + needed > width) x = 14, top += 18;
        x += needed;
      }
      top += 24;
    }
    double const step = row_height + 8, bottom = top + step * static_cast<double>(groups.size());
    double const scale = (width - left - right) / longest;
    report::svg picture(width, bottom + (x_label.empty() ? 26 : 42), title.empty() ? x_label : title);
    if (!title.empty()) picture.text(12, 22, title, "ink title");
    if (parts.size() > 1) legend(picture, title.empty() ? 18 : 44);

    ticks const marks = linear_ticks(0, longest, static_cast<int>((width - left - right) / 80));
    for (std::size_t i = 0; i < marks.at.size(); ++i) {
      double const at = left + marks.at[i] * scale;
      picture.line(at, top - 2, at, bottom, "grid").text(at, bottom + 14, marks.label[i], "muted small", "middle");
    }
    if (!x_label.empty()) picture.text(left + (width - left - right) / 2, bottom + 32, x_label, "muted", "middle");
    for (std::size_t g = 0; g < groups.size(); ++g) {
      double const y = top + step * static_cast<double>(g) + 3;
      picture.text(left - 10, y + row_height / 2 + 4, groups[g], "ink", "end");
      double at = left, reach = left;
      for (std::size_t k = 0; k < parts.size(); ++k) {
        double const w = length(parts[k].values[g]) * scale;
        std::string const tip = groups[g] + ", " + parts[k].label + ": " + significant(parts[k].values[g], 4);
        if (w > 0) picture.rectangle(at, y, w, row_height, colour(k), tip, k < palette::size ? 1 : 0.55);
        at += w;
        reach = std::max(reach, at);
        double const s = parts[k].spread.empty() ? 0 : length(parts[k].spread[g]) * scale;
        if (s > 0) {
          double const middle = y + row_height / 2;
          picture.line(at - s, middle, at + s, middle, "axis");
          picture.line(at - s, middle - 4, at - s, middle + 4, "axis").line(at + s, middle - 4, at + s, middle + 4, "axis");
          reach = std::max(reach, at + s);
        }
      }
      picture.text(reach + 6, y + row_height / 2 + 4, labels[g], "muted");
    }
    picture.line(left, top - 2, left, bottom, "axis");
    return picture.finish();
  }

 private:
  // the ninth part and those after it take the colours again, paler
  static std::string colour(std::size_t part) { return std::string("f").append(shortest(part % palette::size)); }
  static double length(double v) { return std::isfinite(v) && v > 0 ? v : 0; }

  void legend(report::svg& picture, double y) const {
    double x = 14;
    for (std::size_t k = 0; k < parts.size(); ++k) {
      double const needed = 16 + text_width(parts[k].label) + 16;
      if (x > 14 && x + needed > width) x = 14, y += 18;
      picture.rectangle(x, y - 10, 11, 11, colour(k), {}, k < palette::size ? 1 : 0.55)
          .text(x + 16, y, parts[k].label, "ink");
      x += needed;
    }
  }
};

}  // namespace foal::report
