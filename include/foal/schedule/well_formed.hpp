// The first question to a program: are its numbers numbers that it can have?
#pragma once

#include <foal/schedule/program.hpp>
#include <foal/schedule/verdict.hpp>

namespace foal::schedule {

/// Sizes, kinds, stages, microbatches. All other questions need this one answered.
constexpr verdict well_formed(program_view v) {
  int const n = v.size.microbatches;
  if (v.size.stages < 1 || v.size.ranks < 1 || v.size.ranks > v.size.stages || n < 1 ||
      v.begin.size() != static_cast<std::size_t>(v.size.ranks) + 1)
    return {.what = flaw::size, .found = v.size.stages, .expected = v.size.ranks};
  for (int r = 0; r < v.size.ranks; ++r) {
    for (op const& o : v.rank(r)) {
      if (o.kind == op_kind::G || o.kind == op_kind::T || o.replica != 0 || o.segment != 0)
        return {.what = flaw::unknown, .first = o, .first_rank = r};
      if (o.stage < 0 || o.stage >= v.size.stages)
        return {.what = flaw::range, .first = o, .first_rank = r, .found = o.stage, .expected = v.size.stages};
      bool const closes = o.kind != op_kind::U || floor_mod(o.microbatch, n) == n - 1;
      if (o.microbatch >= n || (o.microbatch < 0 && !v.asynchronous) || !closes)
        return {.what = flaw::range, .first = o, .first_rank = r, .found = o.microbatch, .expected = n};
    }
  }
  return {};
}

}  // namespace foal::schedule
