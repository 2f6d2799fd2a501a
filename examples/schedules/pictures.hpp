// A schedule to look at: a picture, or a page with the picture, the numbers and the lists.
#pragma once

#include <string>

#include <foal/report/number.hpp>
#include <foal/schedule/draw/page.hpp>

#include "facts.hpp"

namespace schedules {

namespace detail {

/// With a flush one minibatch; without one as many as show its steady state between the fill and the drain.
inline int minibatches_shown(schedule::program_view v) {
  if (!v.asynchronous) return 1;
  int fill = 0;
  for (schedule::op const& o : v.ops) fill = std::max(fill, -schedule::floor_div(o.microbatch, v.size.microbatches));
  int const least = (7 + v.size.microbatches) / v.size.microbatches;  // eight microbatches
  return std::max(fill + 2, least);
}

/// "1F1B: 33 long; of 4 ranks one is idle for 9, one holds 4".
inline std::string title_of(subject const& of, schedule::program_view v, schedule::timing const& t) {
  double idle = 0;
  int peak = 0;
  for (schedule::rank_time const& r : t.rank) idle = std::max(idle, r.idle);
  for (schedule::rank_memory const& m : schedule::saved_over_time(v, t)) peak = std::max(peak, m.peak);
  return of.name + ": " + number(t.makespan) + " long, a rank idle for " + number(idle) + " and holding " +
         std::to_string(peak) + " at most";
}

}  // namespace detail

inline std::string picture_of(subject& of, schedule::costs cost) {
  cost.overlaps = of.overlaps;
  schedule::program_view const v = of.program.view();
  schedule::timing const t = schedule::replay(v, cost, detail::minibatches_shown(v));
  return schedule::timed_svg(v, t, detail::title_of(of, v, t), {.reads = &of.reads});
}

inline std::string page_of(subject& of, schedule::costs cost) {
  cost.overlaps = of.overlaps;
  schedule::program_view const v = of.program.view();
  schedule::timing const t = schedule::replay(v, cost, detail::minibatches_shown(v));
  foal::report::html_page page(of.name, of.about);
  page.section("In time").paragraph(detail::title_of(of, v, t) + ".");
  schedule::add_timed(page, v, t, &of.reads);
  page.section("In words").preformatted(facts_of(of, cost));
  return page.text();
}

}  // namespace schedules
