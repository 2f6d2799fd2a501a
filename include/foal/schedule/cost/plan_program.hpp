// The programs of a planner's configurations, and that of its choice, which trains the items as they are grouped.
#pragma once

#include <utility>
#include <vector>

#include <foal/schedule/cost/plan_result.hpp>
#include <foal/schedule/cost/plan_stages.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/refined.hpp>
#include <foal/schedule/rules/replicated.hpp>

namespace foal::schedule {

/// A configuration of a candidate.
struct plan_configuration {
  int ranks = 1, replicas = 1;  ///< ranks of one replica
  int microbatches = 1;         ///< over all replicas
  bool recomputed = false;
};

/// Its program, one stage a group, proved; and what follows from it for any times.
struct plan_program {
  program whole{};
  std::vector<int> versions{};   ///< of a stage's weights
  std::vector<char> overlaps{};  ///< of the ops of `whole`, as costs::overlaps
  bool as_without = false;       ///< recomputed, though nothing would gain: there is no program
};

namespace detail {

/// Flags of ops of `one` for `whole`, which runs the same ops in the same order on the ranks of each replica.
constexpr std::vector<char> overlaps_of_replicas(program_view one, program_view whole, std::vector<char> const& flags) {
  auto const closes = [](op const& o) { return o.kind == op_kind::G || o.kind == op_kind::U; };
  std::vector<char> all(whole.ops.size(), 0);
  for (int r = 0; r < whole.size.ranks; ++r) {
    auto i = static_cast<std::size_t>(one.begin[static_cast<std::size_t>(r % one.size.ranks)]);
    auto const end = static_cast<std::size_t>(whole.begin[static_cast<std::size_t>(r) + 1]);
    for (auto k = static_cast<std::size_t>(whole.begin[static_cast<std::size_t>(r)]); k < end; ++k) {
      if (closes(whole.ops[k])) continue;
      while (closes(one.ops[i])) ++i;
      all[k] = flags[i++] != 0 && k + 1 < end && !closes(whole.ops[k + 1]) ? 1 : 0;
    }
  }
  return all;
}

}  // namespace detail

/// Throws the sentence of whoever refuses it.
constexpr plan_program program_of(plan_candidate const& chosen, plan_configuration const& of,
                                  std::span<stage_times const> times) {
  int const stages = of.ranks * chosen.chunks;
  if (chosen.build == nullptr)
    throw error(sentence("cannot plan with ", chosen.name, " on ", of.ranks, " ranks, because it has no .build; give one"));
  program one = chosen.build(stages, of.ranks, of.microbatches / of.replicas, times);
  if (verdict const bad = prove(one.view()); !bad) throw error(text(bad));
  plan_program out{.versions = std::vector<int>(static_cast<std::size_t>(stages), 1)};
  if (one.asynchronous() && chosen.versions != nullptr) out.versions = chosen.versions(one.view());
  if (of.recomputed) {
    one = with_recomputation(std::move(one), recompute_group_heads(stages, 1));
    out.as_without = recompute_groups_of(one.view()).empty();
    if (out.as_without) return out;
  }
  if (chosen.overlaps != nullptr) out.overlaps = chosen.overlaps(one.view());
  out.whole = with_replicas(one, of.replicas);
  if (of.replicas > 1 && !out.overlaps.empty())
    out.overlaps = detail::overlaps_of_replicas(one.view(), out.whole.view(), out.overlaps);
  if (of.replicas > 1 || of.recomputed)
    if (verdict const bad = prove(out.whole.view()); !bad) throw error(text(bad));
  return out;
}

/// What a choice of plan() runs: a program whose stages are the items, for a model that is cut at them, on as many ranks as
/// the choice has in all its replicas: `trainer<net, loss, schedule::listed>` takes it where it has a flush. `p` and
/// `candidates` are those that were planned for. Throws a sentence where there is no choice.
constexpr program program_of(plan_choice const& c, plan_problem const& p, std::span<plan_candidate const> candidates) {
  if (!c || static_cast<std::size_t>(c.candidate) >= candidates.size() || c.group.size() != p.items.size())
    throw error(sentence("cannot make a program of choice ", c.candidate, " among ", candidates.size(), " candidates for ",
                         p.items.size(),
                         " items, because it is none of a plan for these; give what plan() was asked and "
                         "what it found"));
  plan_candidate const& chosen = candidates[static_cast<std::size_t>(c.candidate)];
  plan_configuration const of{
      .ranks = c.ranks, .replicas = c.replicas, .microbatches = c.microbatches, .recomputed = c.recomputed};
  double const samples = static_cast<double>(p.minibatch) / c.microbatches;
  int const stages = c.ranks * c.chunks;
  return refined(program_of(chosen, of,
                            chosen.by_times ? times_of(p, c.group, stages, samples / c.segments, c.copies)
                                            : mean_times_of(p, stages, samples))
                     .whole,
                 c.group);
}

/// A choice as it has been printed: what plan() or a trial has found once, without asking again. Gives what program_of()
/// needs, no times and bytes; of a candidate that goes by times it is the same program for the same items. Throws a sentence
/// where no candidate has the name, or the grouping is not one of its stages.
constexpr plan_choice choice_of(plan_problem const& p, std::span<plan_candidate const> candidates, std::string_view name,
                                int microbatches, std::vector<int> group, int replicas = 1, bool recomputed = false) {
  plan_choice c;
  c.replicas = replicas, c.microbatches = microbatches, c.recomputed = recomputed;
  for (std::size_t i = 0; i < candidates.size() && !c; ++i)
    if (candidates[i].name == name) c.candidate = static_cast<int>(i);
  if (!c)
    throw error(sentence("cannot choose ", name, ", because none of ", candidates.size(),
                         " candidates has that name; give the list that has it"));
  plan_candidate const& chosen = candidates[static_cast<std::size_t>(c.candidate)];
  if (replicas < 1 || p.ranks % replicas != 0 || microbatches < replicas || microbatches % replicas != 0 ||
      p.minibatch % microbatches != 0)
    throw error(sentence("cannot choose ", replicas, " replicas and ", microbatches, " microbatches on ", p.ranks,
                         " ranks for ", p.minibatch,
                         " samples, because replicas divide ranks and microbatches, and these the samples; give such"));
  c.name = chosen.name, c.ranks = p.ranks / replicas, c.chunks = chosen.chunks;
  int const stages = c.ranks * c.chunks;
  bool in_order = group.size() == p.items.size() && !group.empty() && group.front() == 0 && group.back() == stages - 1;
  for (std::size_t i = 1; in_order && i < group.size(); ++i)
    in_order = group[i] - group[i - 1] <= 1 && group[i] >= group[i - 1];
  if (!in_order)
    throw error(sentence("cannot group ", p.items.size(), " items into ", stages, " stages by ", group.size(),
                         " numbers, because they are no stages in order; give each item's, from 0 up by 0 or 1"));
  c.group = std::move(group);
  plan_configuration const of{
      .ranks = c.ranks, .replicas = replicas, .microbatches = microbatches, .recomputed = recomputed};
  double const samples = static_cast<double>(p.minibatch) / microbatches;
  plan_program made = program_of(chosen, of, mean_times_of(p, stages, samples));
  if (made.as_without)
    throw error(sentence("cannot choose ", name, " recomputed, because nothing would be; leave that out"));
  program_view const v = made.whole.view();
  c.copies = v.size.replicas, c.segments = v.size.segments, c.asynchronous = v.asynchronous;
  return c;
}

}  // namespace foal::schedule
