// A trace (or a schedule written as one) as a picture: workers or ranks as rows, time to the right, ops by colour.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <foal/report/svg.hpp>
#include <foal/report/trace.hpp>

namespace foal::report {

struct trace_picture {
  enum class rows { worker, rank };

  std::string title = {};
  rows by = rows::worker;                                      ///< a row per worker, or per (rank, lane)
  long long begin_ns = std::numeric_limits<long long>::min();  ///< the window of time that is shown; by default all of it
  long long end_ns = std::numeric_limits<long long>::max();
  double unit_ns = 0;     ///< time is labelled in units of this many nanoseconds; 0: a unit that fits
  std::string unit = {};  ///< that unit's name: "slot"
  double width = 1100, row_height = 26;
};

namespace detail {

/// The colour of an op, the same in every picture.
inline int kind_colour(std::string_view kind) {
  constexpr std::pair<std::string_view, int> known[] = {{"F", 0}, {"B", 1}, {"BW", 1}, {"W", 4},
                                                        {"R", 3}, {"U", 5}, {"G", 2},  {"T", 7}};
  for (auto const& [name, colour] : known) {
    if (name == kind) return colour;
  }
  return 6;
}

inline std::string kind_meaning(std::string_view kind) {
  constexpr std::pair<std::string_view, std::string_view> known[] = {
      {"F", "forward"},   {"B", "backward (input)"}, {"BW", "backward"},       {"W", "backward (weights)"},
      {"R", "recompute"}, {"U", "update"},           {"G", "sum of replicas"}, {"T", "tied weights"}};
  for (auto const& [name, meaning] : known) {
    if (name == kind) return std::string(name) + " " + std::string(meaning);
  }
  return std::string(kind);
}

}  // namespace detail

/// The picture. The number in a bar is its microbatch, its stage shows in the tip. Neighbouring bars of one kind too narrow
/// to see are drawn as one, so the picture of a long trace stays small.
inline std::string trace_svg(std::span<span const> spans, trace_picture const& p = {}) {
  using key = std::tuple<int, int, int>;
  auto const row_of = [&](span const& s) {
    return p.by == trace_picture::rows::worker ? key{s.worker, 0, 0} : key{0, s.rank, s.lane};
  };
  long long first = std::numeric_limits<long long>::max(), last = std::numeric_limits<long long>::min();
  std::map<key, std::vector<span>> rows;
  std::map<std::pair<int, std::string>, bool> kinds;  // by colour, for the legend
  bool several_lanes = false;
  for (span const& s : spans) {
    if (s.end_ns <= p.begin_ns || s.begin_ns >= p.end_ns) continue;
    rows[row_of(s)].push_back(s);
    kinds[{detail::kind_colour(s.kind), s.kind}] = true;
    several_lanes = several_lanes || s.lane != 0;
    first = std::min(first, std::max(s.begin_ns, p.begin_ns));
    last = std::max(last, std::min(s.end_ns, p.end_ns));
  }
  if (rows.empty()) first = 0, last = 1;

  std::vector<std::string> names;
  double left = 0;
  for (auto const& [k, unused] : rows) {
    std::string name =
        p.by == trace_picture::rows::worker ? "worker " + shortest(std::get<0>(k)) : "rank " + shortest(std::get<1>(k));
    if (p.by == trace_picture::rows::rank && several_lanes) name += "." + shortest(std::get<2>(k));
    left = std::max(left, text_width(name) + 20);
    names.push_back(std::move(name));
  }
  double const top = p.title.empty() ? 34 : 58, gap = 4, right = 16;
  double const plot_width = p.width - left - right, step = p.row_height + gap;
  double const bottom = top + step * static_cast<double>(rows.size());
  double const length = std::max(1.0, static_cast<double>(last - first));
  double const unit_ns = p.unit_ns > 0 ? p.unit_ns : length < 2e4 ? 1 : length < 2e7 ? 1e3 : length < 1e10 ? 1e6 : 1e9;
  std::string const unit = p.unit_ns > 0 ? p.unit : unit_ns < 2 ? "ns" : unit_ns < 2e3 ? "us" : unit_ns < 2e6 ? "ms" : "s";
  auto const x_of = [&](long long t) {
    return left + plot_width * static_cast<double>(std::clamp(t, first, last) - first) / length;
  };

  svg picture(p.width, bottom + 40, p.title.empty() ? "trace of ops over time" : p.title);
  if (!p.title.empty()) picture.text(12, 24, p.title, "ink title");
  double legend = left;
  for (auto const& [kind, unused] : kinds) {
    std::string const meaning = detail::kind_meaning(kind.second);
    picture.rectangle(legend, top - 21, 11, 11, "f" + shortest(kind.first)).text(legend + 16, top - 11, meaning, "muted");
    legend += text_width(meaning) + 36;
  }
  picture.rectangle(legend, top - 21, 11, 11, "idle").text(legend + 16, top - 11, "idle", "muted");

  ticks const marks = linear_ticks(0, length / unit_ns, static_cast<int>(plot_width / 90));
  for (std::size_t i = 0; i < marks.at.size(); ++i) {
    double const x = left + plot_width * marks.at[i] * unit_ns / length;
    picture.line(x, bottom, x, bottom + 5, "axis").text(x, bottom + 18, marks.label[i], "muted small", "middle");
  }
  picture.text(left + plot_width / 2, bottom + 34, "time, " + unit, "muted small", "middle");

  double y = top;
  for (std::size_t r = 0; auto& [k, list] : rows) {
    picture.text(left - 10, y + p.row_height / 2 + 4, names[r++], "ink", "end");
    picture.rectangle(left, y, plot_width, p.row_height, "idle");
    std::stable_sort(list.begin(), list.end(), [](span const& a, span const& b) { return a.begin_ns < b.begin_ns; });
    for (std::size_t i = 0; i < list.size();) {
      span const& s = list[i];
      double const x = x_of(s.begin_ns);
      double end = x_of(s.end_ns);
      std::size_t next = i + 1;
      while (next < list.size() && end - x < 1 && std::string_view(list[next].kind) == s.kind &&
             x_of(list[next].begin_ns) - end < 0.5)
        end = std::max(end, x_of(list[next++].end_ns));
      bool const one = next == i + 1;
      std::string tip = one ? std::string(s.kind) + " of microbatch " + shortest(s.microbatch) + ", stage " +
                                  shortest(s.stage) + ", rank " + shortest(s.rank) + ", version " + shortest(s.version) +
                                  ", " + trimmed(static_cast<double>(s.end_ns - s.begin_ns) / unit_ns, 3) + " " + unit
                            : shortest(next - i) + " ops " + s.kind;
      // half a pixel of paper between bars of the same kind that touch
      double const seam = end - x > 4 ? 0.5 : 0;
      picture.rectangle(x, y, std::max(end - x - seam, 0.25), p.row_height, "f" + shortest(detail::kind_colour(s.kind)),
                        tip);
      std::string const number = shortest(s.microbatch);
      if (one && end - x > text_width(number) * 0.85 + 3)
        picture.text((x + end) / 2, y + p.row_height / 2 + 3.5, number, "on small", "middle");
      i = next;
    }
    y += step;
  }
  picture.line(left, bottom, left + plot_width, bottom, "axis");
  return picture.finish();
}

}  // namespace foal::report
