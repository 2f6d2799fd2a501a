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

}  // namespace detail

/// Adds a replay of `v` to a page: a picture as long as its numbers need, in a box of its own width; above it, where that is
/// long, all of it on the page's width, which is all that there is of very many ops; below it the ranks' times and memory.
/// `reads`: null, or the versions that ops read.
inline report::html_page& add_timed(report::html_page& page, program_view v, timing const& t,
                                    version_reads const* reads = nullptr) {
  std::size_t ops = 0;
  for (auto const& events : t.events) ops += events.size();
  timed_style style{.frame = false, .names = true, .ops = false, .reads = reads};
  std::string scrolls;
  if (ops <= most_that_speak) {
    std::string const names = timed_svg(v, t, "ranks", style);
    style.names = false, style.ops = true;
    std::string const cells = timed_svg(v, t, "the schedule in time", style);
    scrolls = "<div style=\"display:flex;width:max-content\"><div style=\"position:sticky;left:0;z-index:1\">" + names +
              "</div>" + cells + "</div>";
    if (detail::width_of(cells) <= 1100) ops = 0;
  }
  if (ops > 0)
    page.add(report::figure{timed_svg(v, t, "all of the schedule", {.width = 1020, .frame = false, .reads = reads}),
                            "All of it."});
  if (!scrolls.empty()) page.add(report::figure{scrolls, "Numbers are microbatches."});
  page.add_markup(detail::legend_markup(v, detail::chunks_of_ranks(v).most));
  report::table rows{{{"rank"}, {"busy"}, {"idle"}, {"before its first op"}, {"between"}, {"after its last"}, {"holds"}}};
  auto const idle = idle_of(t);
  auto const memory = saved_over_time(v, t);
  auto const number = [decimals = detail::decimals_of(t)](double value) { return report::trimmed(value, decimals); };
  for (std::size_t r = 0; r < idle.size(); ++r)
    rows.add({std::to_string(r), number(t.rank[r].busy), number(t.rank[r].idle), number(idle[r].fill),
              number(idle[r].waiting), number(idle[r].drain), std::to_string(memory[r].peak)});
  return page.add(rows, "Time of ranks, and what they hold at most, in what a chunk's forward saves of a microbatch");
}

}  // namespace foal::schedule
