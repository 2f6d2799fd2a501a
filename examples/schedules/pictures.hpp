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
  int const way = 2 * v.size.ranks;  // microbatches, so that the steady state is as long as the fill
  return schedule::periods_late(v) + std::max(2, (way + v.size.microbatches - 1) / v.size.microbatches);
}

/// "gpipe: 33 long, a rank idle for 9 and holding 8 at most". Without a flush of a minibatch in the steady state.
inline std::string title_of(subject const& of, schedule::program_view v, schedule::timing const& t,
                            schedule::costs const& cost) {
  double idle = 0;
  int peak = 0;
  std::string begin = of.name + ": " + number(t.makespan) + " long";
  if (v.asynchronous) {
    schedule::steady_state const s = schedule::steady_of(v, cost);
    begin = of.name + ": " + number(s.minibatch) + " a minibatch in the steady state";
    for (double const i : s.idle) idle = std::max(idle, i);
  } else {
    for (schedule::rank_time const& r : t.rank) idle = std::max(idle, r.idle);
  }
  for (schedule::rank_memory const& m : schedule::saved_over_time(v, t)) peak = std::max(peak, m.peak);
  return begin + ", a rank idle for " + number(idle) + " and holding " + std::to_string(peak) + " at most";
}

}  // namespace detail

/// `tips`: ops say more when pointed at.
inline std::string picture_of(subject& of, schedule::costs cost, bool tips = true) {
  cost.overlaps = of.overlaps;
  schedule::program_view const v = of.program.view();
  schedule::timing const t = schedule::replay(v, cost, detail::minibatches_shown(v));
  return schedule::timed_svg(v, t, detail::title_of(of, v, t, cost), {.tips = tips, .reads = &of.reads});
}

inline std::string page_of(subject& of, schedule::costs cost) {
  cost.overlaps = of.overlaps;
  schedule::program_view const v = of.program.view();
  schedule::timing const t = schedule::replay(v, cost, detail::minibatches_shown(v));
  foal::report::html_page page(of.name, of.about);
  page.section("In time").paragraph(detail::title_of(of, v, t, cost) + ".");
  schedule::add_timed(page, v, t, &of.reads);
  page.section("In words").preformatted(facts_of(of, cost));
  return page.text();
}

}  // namespace schedules
