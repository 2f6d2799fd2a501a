// Any schedule on any placement: a rank for every stage, folded onto the ranks of the placement.
#pragma once

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/schedule/rules/wrap.hpp>

namespace foal::schedule {

/// The program of as many ranks as stages, its lists merged by (slot, rank, lane) into those of the ranks that host its
/// stages, as a worker merges those of its ranks. So nothing waits for what comes later, whatever the placement. A
/// synchronous program is clocked anew, one op a slot; an asynchronous one keeps its slots, and with them its delays.
/// `rank_of`: of each stage, 0 to size.ranks - 1. Needs a program that prove() accepts, of one replica; throws its sentence
/// otherwise.
constexpr program fold(program unfolded, extent size, std::vector<int> const& rank_of) {
  time(unfolded);  // lists alone are merged by slots as well
  program_view const v = unfolded.view();
  if (verdict const bad = prove(v); !bad) throw error(text(bad));
  std::vector<std::pair<op, int>> all;
  for (int r = 0; r < v.size.ranks; ++r)
    for (op const& o : v.rank(r)) all.push_back({o, r});
  std::sort(all.begin(), all.end(), [](auto const& x, auto const& y) {
    if (x.first.slot != y.first.slot) return x.first.slot < y.first.slot;
    return x.second != y.second ? x.second < y.second : x.first.lane < y.first.lane;
  });
  program out(size, v.asynchronous ? v.period : 0, v.asynchronous);
  out.delays({v.delays.begin(), v.delays.end()});
  out.recompute({v.recompute.begin(), v.recompute.end()});
  out.wants({v.wants.begin(), v.wants.end()});
  out.inference(v.inference);
  out.offloads({v.offloads.begin(), v.offloads.end()});
  for (auto& [o, unfolded_rank] : all) {
    int const rank = rank_of[static_cast<std::size_t>(o.stage)];
    auto const& list = out.list(rank);
    o.lane = v.asynchronous && !list.empty() && list.back().slot == o.slot ? list.back().lane + 1 : 0;
    if (!v.asynchronous) o.slot = -1;
    out(rank, o);
  }
  time(out);
  return out;
}

/// A schedule on a placement: `folded<one_f_one_b>{.placed = vee}`, `folded<pipemare>{}` on a loop. It is the schedule of a
/// rank for every stage; how well the chunks of a rank go together is as that has it.
template <generator Base>
struct folded {
 private:
  static constexpr auto name_ = detail::suffixed<Base>("_folded");

 public:
  static constexpr char const* name = name_.data();
  static constexpr bool asynchronous = Base::asynchronous;

  Base base{};
  placement placed = loop;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
    f("placed", std::string_view(placed.name));
  }

  constexpr void merge(int& microbatch_size, int& microbatches)
    requires requires(Base b, int n) { b.merge(n, n); }
  {
    base.merge(microbatch_size, microbatches);
  }

  constexpr program build(extent e) const {
    if (e.replicas != 1)
      throw error(sentence("cannot fold ", Base::name, " with ", e.replicas,
                           " replicas, because a folded schedule has one of every stage; use one replica"));
    extent const unfolded = extent_of(base, e.stages, e.stages, e.microbatches);
    e.placed = placed;
    std::vector<int> ranks;
    for (int s = 0; s < e.stages; ++s) ranks.push_back(rank_of(e, s));
    return fold(generate(base, unfolded), e, ranks);
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    detail::emit_all(build(e), sink);
  }
};

}  // namespace foal::schedule
