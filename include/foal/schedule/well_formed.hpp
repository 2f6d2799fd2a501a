// The first question to a program: are its numbers numbers that it can have?
#pragma once

#include <foal/schedule/program.hpp>
#include <foal/schedule/verdict.hpp>

namespace foal::schedule {

namespace detail {

/// Segments are runs of stages, what has no backward lies below what has, and no op contradicts that.
constexpr verdict well_chosen(program_view v) {
  int const stages = v.size.stages;
  for (std::size_t const entries : {v.recompute.size(), v.wants.size()}) {
    if (entries != 0 && entries != static_cast<std::size_t>(stages))
      return {.what = flaw::entries, .found = static_cast<int>(entries), .expected = stages};
  }
  for (int s = 0; s < stages; ++s) {
    auto const i = static_cast<std::size_t>(s);
    if (s > 0 && v.wanted(s) == gradients::none && v.wanted(s - 1) != gradients::none)
      return {.what = flaw::cut, .found = s - 1, .expected = s};
    if (v.recompute.empty() || v.recompute[i] == -1 || v.recompute[i] == s) continue;
    if (s == 0 || v.recompute[i] < 0 || v.recompute[i] != v.recompute[i - 1])
      return {.what = flaw::segment, .found = v.recompute[i], .expected = s};
  }
  for (int r = 0; r < v.size.ranks; ++r) {
    for (op const& o : v.rank(r)) {
      gradients const want = v.wanted(o.stage);
      bool wanted = true;
      if (o.kind == op_kind::R)
        wanted = want != gradients::none && (v.recompute.empty() || v.recompute[static_cast<std::size_t>(o.stage)] >= 0);
      if (o.kind == op_kind::B) wanted = want != gradients::none;
      if (o.kind == op_kind::BW || o.kind == op_kind::W || o.kind == op_kind::U) wanted = want == gradients::both;
      if (!wanted) return {.what = flaw::unwanted, .first = o, .first_rank = r};
    }
  }
  return {};
}

}  // namespace detail

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
  bool const plain = v.recompute.empty() && v.wants.empty() && !v.inference;
  return plain ? verdict{} : detail::well_chosen(v);
}

}  // namespace foal::schedule
