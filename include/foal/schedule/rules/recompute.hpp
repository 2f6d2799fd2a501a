// Recomputation: puts R before the backwards of any program, group by group, so that less is kept from F to B.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/schedule/recompute_groups.hpp>
#include <foal/schedule/rules/wrap.hpp>

namespace foal::schedule {

namespace detail {

/// Moves the forwards of a synchronous program as late as they can be without delaying a backward, so that a forward's
/// message is sent right before it is taken, as R's are: both can then share a channel.
constexpr void forwards_late(program_view v, timeline& t) {
  std::vector<int> order;
  std::vector<std::vector<int>> later(v.ops.size());  // of each forward: what comes after it
  for (int r = 0; r < v.size.ranks; ++r) {
    for (int i = v.begin[static_cast<std::size_t>(r)]; i < v.begin[static_cast<std::size_t>(r) + 1]; ++i) {
      op const& o = v.ops[static_cast<std::size_t>(i)];
      if (o.kind == op_kind::F) {
        order.push_back(i);
        if (i + 1 < v.begin[static_cast<std::size_t>(r) + 1]) later[static_cast<std::size_t>(i)].push_back(i + 1);
      }
      t.rule.for_each_input(o, [&](input const& in) {
        if (in.kind == op_kind::F) later[static_cast<std::size_t>(t.find(in))].push_back(i);
      });
    }
  }
  int_table late = t.slot;
  auto const slot = [&](int i) { return t.slot[static_cast<std::size_t>(i)]; };
  std::sort(order.begin(), order.end(), [&](int x, int y) { return slot(x) != slot(y) ? slot(x) > slot(y) : x > y; });
  for (int const i : order) {
    int at = t.period - 1;
    for (int const next : later[static_cast<std::size_t>(i)])
      at = std::min(at, late[static_cast<std::size_t>(next)] - (slot(next) > slot(i) ? 1 : 0));
    late[static_cast<std::size_t>(i)] = at;
  }
  t.slot = std::move(late);
}

/// Takes out of the groups what R would not help: stages without a backward; a group whose last stage runs B right after
/// F, where R would repeat what was just computed; the last stage, whose F has the loss.
constexpr void drop_idle_groups(program_view v, timeline const& t, std::vector<int>& heads) {
  int const stages = v.size.stages;
  int lowest = 0;
  while (lowest < stages && v.wanted(lowest) == gradients::none) ++lowest;
  cut_below(heads, lowest);
  for (int first = lowest; first < stages; first = recompute_group_end(heads, first) + 1) {
    int const end = recompute_group_end(heads, first);
    if (heads[static_cast<std::size_t>(first)] < 0) continue;
    bool at_once = true;
    for (int j = 0; j < v.size.microbatches; ++j) {
      auto const c = static_cast<std::size_t>(t.at(end, j));  // of several segments the first, whose backward is the last
      auto const f = static_cast<std::size_t>(t.forward[c]), b = static_cast<std::size_t>(t.backward[c]);
      at_once = at_once && t.slot[b] - t.slot[f] <= 1;
    }
    for (int s = first; s <= end && at_once; ++s) heads[static_cast<std::size_t>(s)] = -1;
  }
  heads[static_cast<std::size_t>(stages - 1)] = -1;
}

/// R's of every rank, with their slots in `slot`, ordered by (slot, stage).
constexpr std::vector<std::vector<op>> recompute_ops(program_view v, timeline const& t, std::vector<int> const& heads) {
  int const stages = v.size.stages, n = v.size.microbatches;
  std::vector<std::vector<op>> lists(static_cast<std::size_t>(v.size.ranks));
  for (int first = 0; first < stages; first = recompute_group_end(heads, first) + 1) {
    if (heads[static_cast<std::size_t>(first)] < 0) continue;
    int const end = recompute_group_end(heads, first);
    for (int c = t.at(end, 0); c < t.at(end, 0) + t.rule.numbering().row(); ++c) {
      auto const b = static_cast<std::size_t>(t.backward[static_cast<std::size_t>(c)]);
      auto const rank = [&](int s) { return t.rank[static_cast<std::size_t>(unit_of(v.size, s, v.ops[b].replica))]; };
      int hops = 0;  // from rank to rank, from s up to the group's end
      for (int s = end; s >= first; --s) {
        if (s < end && rank(s) != rank(s + 1)) ++hops;
        op o{.kind = op_kind::R,
             .stage = s,
             .microbatch = floor_mod(v.ops[b].microbatch, n),
             .slot = t.slot[b] - 1 - hops,
             .replica = v.ops[b].replica,
             .segment = v.ops[b].segment};
        if (v.asynchronous) {
          o.microbatch -= n * floor_div(o.slot, t.period);
          o.slot = floor_mod(o.slot, t.period);
        }
        lists[static_cast<std::size_t>(rank(s))].push_back(o);
      }
    }
  }
  for (auto& list : lists)
    std::sort(list.begin(), list.end(),
              [](op const& x, op const& y) { return x.slot != y.slot ? x.slot < y.slot : x.stage < y.stage; });
  return lists;
}

}  // namespace detail

/// The program with R in front of the backwards of recomputed stages. `heads`: per stage the first stage of its group, -1
/// to keep what F saved; none: recompute_group_heads(S). Left out of it are groups that would gain nothing: whose last stage
/// runs B right after F of the same microbatch (the last group of all built-in schedules but gpipe), and in any case the
/// last stage, which has the loss.
///
/// R of stage s in group [a, e] is in the slot of B(e, m) - 1 - h, h being the steps from rank to rank between s and e (e
/// - s with one stage a rank). In a slot R is a third unit: after F and before B, W and U of its rank; where one worker runs
/// a rank, a slot lasts as long as all of them. An asynchronous program keeps its period so: pipemare runs F, R and BW side
/// by side, async_1f1b alternates F R and BW, which balances where a backward takes two forwards. A synchronous program is
/// clocked anew, one op a slot, in the order of those slots.
///
/// Why nothing can block: F of a microbatch takes at least h slots from s to e and B(e) comes later, so R(s) is not before
/// F(s). The key (slot before, F < R < others, stage) then never falls along a list, rises from F(s) to R(s), from R(s) to
/// R(s+1) (a slot later, or the same slot and rank and a higher stage) and from R(e) to B(e); so there is no circle.
///
/// Needs a program that prove() accepts, without R; throws a sentence otherwise, and where `heads` is no list of groups.
constexpr program with_recomputation(program base, std::vector<int> heads = {}) {
  program_view const v = base.view();
  timeline t;
  if (verdict const bad = index(v, t); !bad) throw error(text(bad));
  if (!t.head.empty())
    throw error("cannot add recomputation to a program that has it, because R would run twice; begin with one without R");
  if (!v.evictions.empty())
    throw error(sentence("cannot add recomputation to a program that evicts ", v.evictions.size(),
                         " times what a forward saves, because with R there is nothing left to evict; use 1F1B with "
                         "recomputation, or the program without it"));
  if (!v.offloads.empty())
    throw error(sentence("cannot add recomputation to a program that offloads ", v.offloads.size(),
                         " stages, because with R there is nothing left to offload; offload the program with "
                         "recomputation, in which the other stages may"));
  if (v.inference)
    throw error("cannot add recomputation to inference, because nothing is kept for a backward; leave it out");
  if (heads.empty()) heads = recompute_group_heads(v.size.stages);
  {
    int lowest = 0;
    while (lowest < v.size.stages && v.wanted(lowest) == gradients::none) ++lowest;
    std::vector<int> wanted = heads;
    cut_below(wanted, lowest);
    program_view chosen = v;
    chosen.recompute = wanted;
    if (verdict const bad = well_formed(chosen); !bad) throw error(text(bad));
  }
  if (!v.asynchronous) detail::forwards_late(v, t);
  detail::drop_idle_groups(v, t, heads);
  auto const extra = detail::recompute_ops(v, t, heads);

  program out(v.size, v.asynchronous ? v.period : 0, v.asynchronous);
  out.delays({v.delays.begin(), v.delays.end()});
  out.wants({v.wants.begin(), v.wants.end()});
  for (int r = 0; r < v.size.ranks; ++r) {
    auto const& added = extra[static_cast<std::size_t>(r)];
    auto& list = out.list(r);
    list.reserve(v.rank(r).size() + added.size());
    std::size_t next = 0;
    auto const put = [&](op o) {
      if (!v.asynchronous) o.slot = -1;
      o.lane = v.asynchronous && !list.empty() && list.back().slot == o.slot ? list.back().lane + 1 : 0;
      list.push_back(o);
    };
    for (int i = v.begin[static_cast<std::size_t>(r)]; i < v.begin[static_cast<std::size_t>(r) + 1]; ++i) {
      op const& o = v.ops[static_cast<std::size_t>(i)];
      int const slot = v.asynchronous ? o.slot : t.slot[static_cast<std::size_t>(i)];
      bool const beside = v.asynchronous && o.kind != op_kind::F;
      while (next < added.size() && (added[next].slot < slot || (beside && added[next].slot == slot))) put(added[next++]);
      put(o);
    }
    while (next < added.size()) put(added[next++]);
  }
  if (std::any_of(heads.begin(), heads.end(), [](int head) { return head >= 0; })) out.recompute(std::move(heads));
  time(out);
  return out;
}

/// A schedule with recomputation: `recomputed<pipemare>`. `segment`: stages in a group, 0 for recompute_group_length(S).
template <generator Base>
struct recomputed {
 private:
  static constexpr auto name_ = detail::suffixed<Base>("_recomputed");

 public:
  static constexpr char const* name = name_.data();
  static constexpr bool asynchronous = Base::asynchronous;
  static constexpr bool one_rank = detail::on_one_rank<Base>;

  Base base{};
  int segment = 0;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
    f("segment", segment);
  }

  constexpr void merge(int& microbatch_size, int& microbatches)
    requires requires(Base b, int n) { b.merge(n, n); }
  {
    base.merge(microbatch_size, microbatches);
  }

  constexpr program build(extent e) const {
    return with_recomputation(generate(base, e), recompute_group_heads(e.stages, segment));
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    detail::emit_all(build(e), sink);
  }
};

}  // namespace foal::schedule
