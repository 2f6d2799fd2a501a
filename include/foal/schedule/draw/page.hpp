// A schedule in a page: its picture in time, which scrolls while the ranks' names stay, and its ranks in numbers.
#pragma once

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include <foal/report/html.hpp>
#include <foal/schedule/draw/timed.hpp>

namespace foal::schedule {

namespace detail {

inline std::string legend_markup(program_view v, int chunks) {
  std::string out = "<p style=\"display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px\">";
  auto const entry = [&](std::string const& swatch, std::string_view meaning) {
    out += "<span style=\"white-space:nowrap\">" + swatch + " " + std::string(meaning) + "</span>";
  };
  auto const box = [](std::string const& background) {
    return "<span style=\"display:inline-block;width:12px;height:11px;border:1px solid #777;background:" + background +
           "\"></span>";
  };
  for (op_paint const& p : op_paints) {
    if (std::none_of(v.ops.begin(), v.ops.end(), [&](op const& o) { return o.kind == p.kind; })) continue;
    std::string swatch;
    for (int c = 0; c < (p.kind == op_kind::U ? 1 : chunks); ++c) swatch += box(css(shade(p, c, chunks)));
    entry(swatch, p.meaning);
  }
  entry(box("repeating-linear-gradient(45deg,#d5d5d5 0 2px,#f3f3f3 2px 5px)"), "idle: point at it for the reason");
  entry(box("#a9c4ab"), "below: what the rank holds");
  return out + "</p>";
}

inline double width_of(std::string_view svg) {
  std::string_view const key = " width=\"";
  svg.remove_prefix(std::min(svg.find(key) + key.size(), svg.size()));
  double width = 0;
  std::from_chars(svg.data(), svg.data() + svg.size(), width);
  return width;
}

inline int chunks_on_a_rank(program_view v) {
  std::vector<int> const head = chunks_of(v), rank = ranks_of(v);
  std::vector<int> count(static_cast<std::size_t>(v.size.ranks), 0);
  int most = 1;
  for (std::size_t u = 0; u < head.size(); ++u)
    if (rank[u] >= 0 && head[u] == static_cast<int>(u)) most = std::max(most, ++count[static_cast<std::size_t>(rank[u])]);
  return most;
}

}  // namespace detail

/// Adds a replay of `v` to a page: a picture as long as its numbers need, in a box of its own width; above it, where that is
/// long, all of it on the page's width; below it the ranks' times and memory. `reads`: null, or the versions that ops read.
inline report::html_page& add_timed(report::html_page& page, program_view v, timing const& t,
                                    version_reads const* reads = nullptr) {
  timed_style style{.frame = false, .names = true, .ops = false, .reads = reads};
  std::string const names = timed_svg(v, t, "ranks", style);
  style.names = false, style.ops = true;
  std::string const ops = timed_svg(v, t, "the schedule in time", style);
  if (detail::width_of(ops) > 1100) {
    timed_style all{.width = 1020, .frame = false, .reads = reads};
    page.add(report::figure{timed_svg(v, t, "all of the schedule", all), "All of it."});
  }
  page.add(report::figure{"<div style=\"display:flex;width:max-content\"><div style=\"position:sticky;left:0;z-index:1\">" +
                              names + "</div>" + ops + "</div>",
                          "Numbers are microbatches."});
  page.add_markup(detail::legend_markup(v, detail::chunks_on_a_rank(v)));
  report::table rows{{{"rank"}, {"busy"}, {"idle"}, {"before its first op"}, {"between"}, {"after its last"}, {"holds"}}};
  auto const idle = idle_of(t);
  auto const memory = saved_over_time(v, t);
  auto const number = [](double value) { return report::trimmed(value, 3); };
  for (std::size_t r = 0; r < idle.size(); ++r)
    rows.add({std::to_string(r), number(t.rank[r].busy), number(t.rank[r].idle), number(idle[r].fill),
              number(idle[r].waiting), number(idle[r].drain), std::to_string(memory[r].peak)});
  return page.add(rows, "Time of ranks, and what they hold at most, in what a chunk's forward saves of a microbatch");
}

}  // namespace foal::schedule
