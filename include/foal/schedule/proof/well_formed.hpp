// The first question to a program: are its numbers numbers that it can have?
#pragma once

#include <foal/schedule/cells.hpp>
#include <foal/schedule/program.hpp>
#include <foal/schedule/proof/verdict.hpp>

namespace foal::schedule {

namespace detail {

/// Segments are runs of stages, what has no backward lies below what has, and no op contradicts that.
constexpr verdict well_chosen(program_view v) {
  int const stages = v.size.stages;
  for (int s = 0; s < stages; ++s) {
    auto const i = static_cast<std::size_t>(s);
    if (!v.delays.empty() && (v.delays[i] < 0 || v.delays[i] > largest_slot))
      return {.what = flaw::delay, .found = v.delays[i], .expected = s};
    if (v.wanted(s) > gradients::both) return {.what = flaw::choice, .found = static_cast<int>(v.wanted(s)), .expected = s};
    if (!v.recompute.empty() && v.recompute[i] >= 0 && v.wanted(s) == gradients::none)
      return {.what = flaw::useless, .found = v.recompute[i], .expected = s};
    if (s > 0 && v.wanted(s) == gradients::none && v.wanted(s - 1) != gradients::none)
      return {.what = flaw::cut, .found = s - 1, .expected = s};
    if (v.recompute.empty() || v.recompute[i] == -1 || v.recompute[i] == s) continue;
    if (s == 0 || v.recompute[i] < 0 || v.recompute[i] != v.recompute[i - 1])
      return {.what = flaw::group, .found = v.recompute[i], .expected = s};
  }
  for (int r = 0; r < v.size.ranks; ++r) {
    for (op const& o : v.rank(r)) {
      gradients const want = v.wanted(o.stage);
      bool wanted = true;
      if (o.kind == op_kind::R)
        wanted = want != gradients::none && (v.recompute.empty() || v.recompute[static_cast<std::size_t>(o.stage)] >= 0);
      if (o.kind == op_kind::B) wanted = want != gradients::none;
      if (o.kind == op_kind::BW || o.kind == op_kind::W || o.kind == op_kind::U || o.kind == op_kind::G)
        wanted = want == gradients::both;
      if (!wanted) return {.what = flaw::unwanted, .first = o, .first_rank = r};
    }
  }
  return {};
}

}  // namespace detail

/// Sizes, lists, kinds, stages, microbatches, slots: every number by which anything indexes or counts. Takes any view; all
/// other questions need this one answered.
constexpr verdict well_formed(program_view v) {
  int const n = v.size.microbatches, stages = v.size.stages, replicas = v.size.replicas, segments = v.size.segments;
  if (stages < 1 || replicas < 1 || replicas > largest_slot / stages || v.size.ranks < 1 ||
      v.size.ranks > stages * replicas || n < 1 || segments < 1 || n > largest_slot / segments ||
      v.begin.size() != static_cast<std::size_t>(v.size.ranks) + 1)
    return {.what = flaw::size, .found = stages, .expected = v.size.ranks};
  std::size_t at = 0;
  for (int r = 0; r <= v.size.ranks; ++r) {
    int const begin = v.begin[static_cast<std::size_t>(r)];
    bool const follows = r == 0 ? begin == 0 : begin >= 0 && static_cast<std::size_t>(begin) >= at;
    bool const ends = r < v.size.ranks || static_cast<std::size_t>(begin) == v.ops.size();
    if (!follows || !ends || static_cast<std::size_t>(begin) > v.ops.size())
      return {.what = flaw::lists, .found = begin, .expected = r};
    at = static_cast<std::size_t>(begin);
  }
  for (std::size_t const entries : {v.delays.size(), v.recompute.size(), v.wants.size()}) {
    if (entries != 0 && entries != static_cast<std::size_t>(stages))
      return {.what = flaw::entries, .found = static_cast<int>(entries), .expected = stages};
  }
  // An op that is `behind` minibatches late is in slot + behind * period of its own minibatch.
  long long const period = v.period > 0 ? v.period : 1;
  op const* const ops = v.ops.data();
  int const most = most_minibatches < largest_slot / n ? most_minibatches : largest_slot / n;
  for (int r = 0; r < v.size.ranks; ++r) {
    for (int i = v.begin[static_cast<std::size_t>(r)], end = v.begin[static_cast<std::size_t>(r) + 1]; i < end; ++i) {
      op const& o = ops[i];
      // Of most ops all at once: the compilers' limits of constant evaluation count statements.
      if (o.kind < op_kind::G && o.replica == 0 && o.segment == 0 && o.stage >= 0 && o.stage < stages && o.microbatch >= 0 &&
          o.microbatch < n && o.slot < largest_slot)
        continue;
      bool const whole = o.kind == op_kind::U || o.kind == op_kind::G;  // once for all segments
      if (o.kind > op_kind::G || (o.kind == op_kind::G && replicas == 1) || o.replica < 0 || o.replica >= replicas ||
          o.segment < 0 || o.segment >= (whole ? 1 : segments))
        return {.what = flaw::unknown, .first = o, .first_rank = r};
      if (o.stage < 0 || o.stage >= stages)
        return {.what = flaw::range, .first = o, .first_rank = r, .found = o.stage, .expected = stages};
      if (o.microbatch >= n || (o.microbatch < 0 && !v.asynchronous))
        return {.what = flaw::range, .first = o, .first_rank = r, .found = o.microbatch, .expected = n};
      if (o.microbatch >= 0 && o.slot < largest_slot) continue;
      long long const behind = -static_cast<long long>(floor_div(o.microbatch, n));
      if (behind > most)
        return {.what = flaw::depth,
                .first = o,
                .first_rank = r,
                .found = behind > largest_slot ? largest_slot : static_cast<int>(behind),
                .expected = most};
      if (o.slot + behind * period >= largest_slot)
        return {.what = flaw::late, .first = o, .first_rank = r, .expected = largest_slot};
    }
  }
  if (v.period < 0 || v.period > largest_slot) return {.what = flaw::late, .found = v.period, .expected = largest_slot};
  if (v.global_norm && v.asynchronous) return {.what = flaw::norm};

  bool const plain = v.recompute.empty() && v.wants.empty() && v.delays.empty() && !v.inference;
  return plain ? verdict{} : detail::well_chosen(v);
}

/// True if there are at least as many ops as cells (stage, microbatch, segment), each of which needs an F, and as units:
/// what makes a table of them no larger than the program. Needs a program that is well_formed().
constexpr bool fills_cells(program_view v) {
  return v.ops.size() / static_cast<std::size_t>(cells(v.size).row()) >= static_cast<std::size_t>(v.size.stages) &&
         v.ops.size() >= static_cast<std::size_t>(units(v.size));
}

}  // namespace foal::schedule
