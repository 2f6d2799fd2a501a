// Line charts with mean and spread of several runs, as SVG.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/report/statistics.hpp>
#include <foal/report/svg.hpp>

namespace foal::report {

/// One labelled line. Where y is not finite the line is broken.
struct curve {
  std::string label;
  std::vector<double> x, y;
  std::vector<double> spread = {};                      ///< half height of the band around y; none: no band
  std::vector<std::pair<double, double>> crosses = {};  ///< where runs diverged: the last (x, y) before
  std::optional<int> colour = {};                       ///< 0..7; by default the curve's place in its chart
};

/// The mean over runs with a band of one standard deviation. A run that is shorter than x, or not finite somewhere, diverged
/// there: it leaves the mean from that point on, and a cross marks its last value.
inline curve mean_curve(std::string label, std::vector<double> x, std::vector<std::vector<double>> const& runs) {
  curve c{.label = std::move(label), .x = std::move(x), .y = {}};
  std::vector<std::size_t> alive;  // points of each run before it diverged
  for (auto const& run : runs) {
    std::size_t n = 0;
    while (n < run.size() && n < c.x.size() && std::isfinite(run[n])) ++n;
    alive.push_back(n);
    if (n > 0 && n < c.x.size()) c.crosses.emplace_back(c.x[n - 1], run[n - 1]);
  }
  for (std::size_t i = 0; i < c.x.size(); ++i) {
    std::vector<double> values;
    for (std::size_t r = 0; r < runs.size(); ++r) {
      if (i < alive[r]) values.push_back(runs[r][i]);
    }
    if (values.empty()) break;
    c.y.push_back(mean(values));
    c.spread.push_back(standard_deviation(values));
  }
  c.x.resize(c.y.size());
  if (runs.size() < 2) c.spread.clear();
  return c;
}

struct line_chart {
  std::string title = {}, x_label = {}, y_label = {};
  std::vector<curve> curves = {};  ///< where every x is whole (epochs), so are the marks of the axis
  bool logarithmic = false;        ///< y axis; values that are not positive are left out
  std::optional<double> y_low = {}, y_high = {};
  double width = 620, height = 380;

  /// The picture. Without y_low and y_high the axis spans the curves that did not diverge (all, if all did); what a
  /// diverging run does beyond that leaves the picture at its edge. Throws foal::error if x and y (or spread) differ in
  /// length.
  std::string svg() const {
    for (curve const& c : curves) {
      require(c.x.size() == c.y.size() && (c.spread.empty() || c.spread.size() == c.y.size()), "cannot draw the curve '",
              c.label, "', because it has ", c.x.size(), " x, ", c.y.size(), " y and ", c.spread.size(),
              " spreads; give as many of each (or no spreads)");
    }
    frame const f = fit();
    report::svg picture(width, height, title.empty() ? y_label : title);
    if (!title.empty()) picture.text(12, 22, title, "ink title");
    legend(picture);
    axes(picture, f);
    picture.begin_clip(f.left, f.top, f.right - f.left, f.bottom - f.top);
    for (std::size_t i = 0; i < curves.size(); ++i) band(picture, f, i);
    for (std::size_t i = 0; i < curves.size(); ++i) line(picture, f, i);
    picture.end_clip();
    for (std::size_t i = 0; i < curves.size(); ++i) crosses(picture, f, i);
    return picture.finish();
  }

 private:
  // Data to pixels. On a logarithmic axis y_min and y_max are logarithms.
  struct frame {
    double left = 0, right = 0, top = 0, bottom = 0;
    double x_min = 0, x_max = 1, y_min = 0, y_max = 1;
    ticks x_ticks{}, y_ticks{};
    double x(double v) const { return left + (v - x_min) / (x_max - x_min) * (right - left); }
    // far beyond the edges is as good as a little beyond, and keeps the numbers in the file short
    double y(double v) const {
      double const share = std::clamp((v - y_min) / (y_max - y_min), -4.0, 5.0);
      return bottom - share * (bottom - top);
    }
  };

  std::string colour(std::size_t i) const {
    return shortest(curves[i].colour.value_or(static_cast<int>(i)) % static_cast<int>(palette::size));
  }

  bool shown(double v) const { return std::isfinite(v) && (!logarithmic || v > 0); }
  double scaled(double v) const { return logarithmic ? std::log10(v) : v; }

  template <class Function>
  void each_legend_entry(Function f) const {
    double x = 14, y = title.empty() ? 18 : 44;
    for (std::size_t i = 0; i < curves.size(); ++i) {
      double const needed = 24 + text_width(curves[i].label) + 16;
      if (x > 14 && x + needed > width) x = 14, y += 18;
      f(i, x, y);
      x += needed;
    }
  }

  void legend(report::svg& picture) const {
    each_legend_entry([&](std::size_t i, double x, double y) {
      picture.line(x, y - 4, x + 18, y - 4, "curve s" + colour(i)).text(x + 24, y, curves[i].label, "ink");
    });
  }

  /// How many ticks have room; one in a picture whose size is refused later, which may be no number.
  static int ticks_in(double pixels, double each) { return pixels > 0 ? static_cast<int>(std::min(pixels / each, 1e3)) : 1; }

  frame fit() const {
    frame f;
    double constexpr infinite = std::numeric_limits<double>::infinity();
    bool whole = true;
    double x_low = infinite, x_high = -infinite, low = infinite, high = -infinite;
    auto const take = [&](bool diverged_too) {
      for (curve const& c : curves) {
        for (std::size_t i = 0; i < c.y.size(); ++i) {
          if (!shown(c.y[i])) continue;
          x_low = std::min(x_low, c.x[i]);
          x_high = std::max(x_high, c.x[i]);
          whole = whole && c.x[i] == std::round(c.x[i]);
          if (!c.crosses.empty() && !diverged_too) continue;
          low = std::min(low, scaled(c.y[i]));
          high = std::max(high, scaled(c.y[i]));
        }
      }
    };
    take(false);
    if (!(low <= high)) take(true);
    if (!(low <= high)) low = logarithmic ? -1 : 0, high = logarithmic ? 0 : 1;
    if (!(x_low <= x_high)) x_low = 0, x_high = 1;
    if (x_low == x_high) x_high += 1;
    double const room = high > low ? 0.05 * (high - low) : std::max(0.05 * std::abs(high), logarithmic ? 0.3 : 1e-3);
    bool const touches_zero = !logarithmic && low >= 0 && low - room < 0;  // no negative accuracy or loss on the axis
    f.x_min = x_low;
    f.x_max = x_high;
    f.y_min = y_low ? scaled(*y_low) : touches_zero ? 0 : low - room;
    f.y_max = y_high ? scaled(*y_high) : high + room;

    double below_legend = title.empty() ? 12 : 34;
    each_legend_entry([&](std::size_t, double, double y) { below_legend = y + 8; });
    f.top = below_legend + 8;
    f.bottom = height - 46;
    f.y_ticks = logarithmic ? logarithmic_ticks(std::pow(10, f.y_min), std::pow(10, f.y_max))
                            : linear_ticks(f.y_min, f.y_max, ticks_in(f.bottom - f.top, 48));
    double widest = 0;
    for (auto const& label : f.y_ticks.label) widest = std::max(widest, text_width(label));
    f.left = 14 + (y_label.empty() ? 0 : 18) + widest + 8;
    f.right = width - 18;
    f.x_ticks = linear_ticks(f.x_min, f.x_max, ticks_in(f.right - f.left, 70), whole);
    return f;
  }

  void axes(report::svg& picture, frame const& f) const {
    for (std::size_t i = 0; i < f.y_ticks.at.size(); ++i) {
      double const y = f.y(scaled(f.y_ticks.at[i]));
      picture.line(f.left, y, f.right, y, "grid").text(f.left - 8, y + 4, f.y_ticks.label[i], "muted", "end");
    }
    for (std::size_t i = 0; i < f.x_ticks.at.size(); ++i) {
      double const x = f.x(f.x_ticks.at[i]);
      picture.line(x, f.bottom, x, f.bottom + 5, "axis").text(x, f.bottom + 18, f.x_ticks.label[i], "muted", "middle");
    }
    picture.line(f.left, f.bottom, f.right, f.bottom, "axis");
    if (!x_label.empty()) picture.text((f.left + f.right) / 2, height - 10, x_label, "muted", "middle");
    if (!y_label.empty()) picture.text(20, (f.top + f.bottom) / 2, y_label, "muted", "middle", -90);
  }

  static std::string point(double x, double y) { return trimmed(x, 1) + " " + trimmed(y, 1); }

  void band(report::svg& picture, frame const& f, std::size_t i) const {
    curve const& c = curves[i];
    if (c.spread.empty()) return;
    std::string upper, lower;
    for (std::size_t k = 0; k < c.y.size(); ++k) {
      if (!shown(c.y[k]) || !std::isfinite(c.spread[k])) continue;
      double const top = f.y(scaled(c.y[k] + c.spread[k]));
      double const under = c.y[k] - c.spread[k];
      double const bottom = shown(under) ? f.y(scaled(under)) : f.bottom;
      upper += (upper.empty() ? "M" : "L") + point(f.x(c.x[k]), top);
      lower = "L" + point(f.x(c.x[k]), bottom) + lower;
    }
    if (!upper.empty()) picture.path(upper + lower + "Z", "band f" + colour(i));
  }

  void line(report::svg& picture, frame const& f, std::size_t i) const {
    curve const& c = curves[i];
    std::string d;
    bool pen_down = false;
    for (std::size_t k = 0; k < c.y.size(); ++k) {
      if (!shown(c.y[k])) {
        pen_down = false;
        continue;
      }
      d.append(pen_down ? "L" : "M").append(point(f.x(c.x[k]), f.y(scaled(c.y[k]))));
      pen_down = true;
    }
    if (c.y.size() == 1 && pen_down) d += "h0.01";  // with round caps a single point shows as a dot
    if (!d.empty()) picture.path(d, "curve s" + colour(i), {}, c.label);
  }

  void crosses(report::svg& picture, frame const& f, std::size_t i) const {
    curve const& c = curves[i];
    for (auto const& [x_value, y_value] : c.crosses) {
      if (!shown(y_value)) continue;
      double const x = f.x(x_value), y = std::clamp(f.y(scaled(y_value)), f.top, f.bottom);
      picture.path(std::string("M").append(point(x - 5, y - 5)) + "l10 10m0 -10l-10 10", "cross s" + colour(i), {},
                   c.label + " diverged after " + significant(x_value, 6));
    }
  }
};

}  // namespace foal::report
