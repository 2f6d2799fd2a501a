// A trace (or a schedule written as one) as a picture: workers or ranks as rows, time to the right, ops by colour.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>
#include <map>
#include <set>
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

/// One bar of the picture, in pixels: a span, or several that are together less than a pixel wide.
struct trace_bar {
  double begin, end;
  std::size_t first, count;
  std::string_view kind;  ///< of several: the one that took the most time
};

/// The bars of one row. `list` is sorted by begin; `x_of` maps nanoseconds to pixels.
template <class Map>
std::vector<trace_bar> trace_bars(std::vector<span> const& list, Map x_of) {
  std::vector<trace_bar> bars;
  for (std::size_t i = 0; i < list.size();) {
    trace_bar bar{x_of(list[i].begin_ns), x_of(list[i].end_ns), i, 1, list[i].kind};
    std::map<std::string_view, long long> time;
    if (bar.end - bar.begin < 1) time[bar.kind] = list[i].end_ns - list[i].begin_ns;
    while (!time.empty() && i + bar.count < list.size()) {
      span const& s = list[i + bar.count];
      double const begin = x_of(s.begin_ns), end = x_of(s.end_ns);
      if (begin >= bar.begin + 1 || end - begin >= 1) break;
      bar.end = std::max(bar.end, end);
      time[s.kind] += s.end_ns - s.begin_ns;
      ++bar.count;
    }
    for (auto const& [kind, ns] : time) {
      if (ns > time[bar.kind]) bar.kind = kind;
    }
    i += bar.count;
    bars.push_back(bar);
  }
  return bars;
}

}  // namespace detail

/// The picture. A bar shows its microbatch (stage:microbatch where a row has several stages) if there is room, and a tip
/// with the rest. Bars too narrow to see are drawn together, so the picture of a long trace stays small.
inline std::string trace_svg(std::span<span const> spans, trace_picture const& p = {}) {
  using key = std::tuple<int, int, int>;
  auto const row_of = [&](span const& s) {
    return p.by == trace_picture::rows::worker ? key{s.worker, 0, 0} : key{0, s.rank, s.lane};
  };
  long long first = std::numeric_limits<long long>::max(), last = std::numeric_limits<long long>::min();
  std::map<key, std::vector<span>> rows;
  std::map<std::pair<int, std::string>, bool> kinds;  // by colour, for the legend
  std::map<key, std::set<int>> stages;
  bool several_stages = false;
  for (span const& s : spans) {
    if (s.end_ns <= p.begin_ns || s.begin_ns >= p.end_ns) continue;
    rows[row_of(s)].push_back(s);
    kinds[{detail::kind_colour(s.kind), s.kind}] = true;
    stages[row_of(s)].insert(s.stage);
    several_stages = several_stages || stages[row_of(s)].size() > 1;
    first = std::min(first, std::max(s.begin_ns, p.begin_ns));
    last = std::max(last, std::min(s.end_ns, p.end_ns));
  }
  if (rows.empty()) first = 0, last = 1;

  auto const name_of = [&](key const& k) {
    return p.by == trace_picture::rows::worker ? "worker " + shortest(std::get<0>(k)) : "rank " + shortest(std::get<1>(k));
  };
  // the lanes of one rank stay together under one name
  auto const joins = [](key const& above, key const& k) {
    return std::get<0>(above) == std::get<0>(k) && std::get<1>(above) == std::get<1>(k);
  };
  double const top = p.title.empty() ? 34 : 58, right = 16;
  double left = 0, bottom = top;
  std::vector<double> place;
  for (auto row = rows.begin(); row != rows.end(); ++row) {
    left = std::max(left, text_width(name_of(row->first)) + 20);
    if (row != rows.begin()) bottom += joins(std::prev(row)->first, row->first) ? 1 : 6;
    place.push_back(bottom);
    bottom += p.row_height;
  }
  bottom += 4;
  double const plot_width = p.width - left - right;
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
    picture.rectangle(legend, top - 21, 11, 11, std::string("f").append(shortest(kind.first)))
        .text(legend + 16, top - 11, meaning, "muted");
    legend += text_width(meaning) + 36;
  }
  picture.rectangle(legend, top - 21, 11, 11, "idle").text(legend + 16, top - 11, "idle", "muted");

  ticks const marks = linear_ticks(0, length / unit_ns, static_cast<int>(plot_width / 90));
  for (std::size_t i = 0; i < marks.at.size(); ++i) {
    double const x = left + plot_width * marks.at[i] * unit_ns / length;
    picture.line(x, bottom, x, bottom + 5, "axis").text(x, bottom + 18, marks.label[i], "muted small", "middle");
  }
  picture.text(left + plot_width / 2, bottom + 34,
               "time, " + unit + (several_stages ? "; in the bars stage:microbatch" : "; in the bars the microbatch"),
               "muted small", "middle");

  std::size_t r = 0;
  for (auto row = rows.begin(); row != rows.end(); ++row, ++r) {
    double const y = place[r], middle = y + p.row_height / 2;
    if (row == rows.begin() || !joins(std::prev(row)->first, row->first))
      picture.text(left - 10, middle + 4, name_of(row->first), "ink", "end");
    picture.rectangle(left, y, plot_width, p.row_height, "idle");
    auto& list = row->second;
    std::stable_sort(list.begin(), list.end(), [](span const& a, span const& b) { return a.begin_ns < b.begin_ns; });
    bool const many = stages[row->first].size() > 1;
    for (detail::trace_bar const& bar : detail::trace_bars(list, x_of)) {
      span const& s = list[bar.first];
      std::string tip = shortest(bar.count) + " ops, most of them " + std::string(bar.kind);
      if (bar.count == 1) {
        tip = detail::kind_meaning(s.kind) + ", microbatch " + shortest(s.microbatch) + ", stage " + shortest(s.stage) +
              ", rank " + shortest(s.rank) + ", version " + shortest(s.version) + ", " +
              trimmed(static_cast<double>(s.end_ns - s.begin_ns) / unit_ns, 3) + " " + unit;
      }
      double const wide = bar.end - bar.begin, seam = wide > 4 ? 0.5 : 0;  // bars of one kind that touch stay two
      picture.rectangle(bar.begin, y, std::max(wide - seam, 0.25), p.row_height,
                        std::string("f").append(shortest(detail::kind_colour(bar.kind))), tip);
      std::string const number = (many ? shortest(s.stage) + ":" : "") + shortest(s.microbatch);
      if (bar.count == 1 && wide > text_width(number) * 0.85 + 3)
        picture.text((bar.begin + bar.end) / 2, middle + 3.5, number, "on small", "middle");
    }
  }
  picture.line(left, bottom, left + plot_width, bottom, "axis");
  return picture.finish();
}

}  // namespace foal::report
