// A program whose stages are cut into finer ones: a rank's share is then as uneven as a grouping makes it.
#pragma once

#include <utility>
#include <vector>

#include <foal/schedule/generate.hpp>

namespace foal::schedule {

namespace detail {

/// `group` counts up from 0 to stages - 1 without a gap.
constexpr bool groups_all(std::vector<int> const& group, int stages) {
  if (group.empty() || group.front() != 0 || group.back() != stages - 1) return false;
  for (std::size_t i = 1; i < group.size(); ++i)
    if (group[i] != group[i - 1] && group[i] != group[i - 1] + 1) return false;
  return true;
}

}  // namespace detail

/// `coarse` for a model of finer stages, of which `group` says in which stage of `coarse` each lies: where that runs an op
/// of a stage, this runs it of all that the stage has become, one after the other, F and R from the first up, others from
/// the last down. Ranks, microbatches, replicas, order and the versions that ops read are those of `coarse`. A synchronous
/// program is clocked anew; an asynchronous one keeps its slots. Throws a sentence where `group` does not give every stage
/// of `coarse` one finer stage at least, in their order.
constexpr program refined(program coarse, std::vector<int> const& group) {
  program_view const v = coarse.view();
  if (!detail::groups_all(group, v.size.stages))
    throw error(sentence("cannot refine a program of ", v.size.stages, " stages into ", group.size(),
                         ", because every stage becomes one or more neighbours; give the groups 0 to ", v.size.stages - 1,
                         " in their order"));
  int const stages = static_cast<int>(group.size());
  std::vector<int> begin(static_cast<std::size_t>(v.size.stages) + 1, stages);
  for (int s = stages; s-- > 0;) begin[static_cast<std::size_t>(group[static_cast<std::size_t>(s)])] = s;
  extent size = v.size;
  size.stages = stages;
  program out(size, v.asynchronous ? v.period : 0, v.asynchronous);
  std::vector<int> delays, heads;
  std::vector<gradients> wants;
  for (int const g : group) {
    auto const s = static_cast<std::size_t>(g);
    if (!v.delays.empty()) delays.push_back(v.delays[s]);
    if (!v.wants.empty()) wants.push_back(v.wants[s]);
    if (v.recompute.empty()) continue;
    int const head = v.recompute[s];
    heads.push_back(head < 0 ? head : begin[static_cast<std::size_t>(head)]);
  }
  out.delays(std::move(delays));
  out.recompute(std::move(heads));
  out.wants(std::move(wants));
  out.inference(v.inference);
  out.global_norm(v.global_norm);
  std::vector<eviction> evictions;
  for (eviction x : v.evictions) {
    int const end = begin[static_cast<std::size_t>(x.stage) + 1];
    for (x.stage = begin[static_cast<std::size_t>(x.stage)]; x.stage < end; ++x.stage) evictions.push_back(x);
  }
  out.evictions(std::move(evictions), v.most_held);
  std::vector<offload> offloads;
  for (offload x : v.offloads) {
    int const end = begin[static_cast<std::size_t>(x.stage) + 1];
    for (x.stage = begin[static_cast<std::size_t>(x.stage)]; x.stage < end; ++x.stage) offloads.push_back(x);
  }
  out.offloads(std::move(offloads));
  bool const keeps_slots = v.asynchronous && v.period > 0;
  for (int r = 0; r < size.ranks; ++r) {
    int slot = -1, lane = 0;
    for (op o : v.rank(r)) {
      int const first = begin[static_cast<std::size_t>(o.stage)], end = begin[static_cast<std::size_t>(o.stage) + 1];
      bool const up = o.kind == op_kind::F || o.kind == op_kind::R;
      if (keeps_slots && o.slot != slot) slot = o.slot, lane = 0;
      for (int i = first; i < end; ++i) {
        o.stage = up ? i : first + end - 1 - i;
        o.slot = slot;
        o.lane = keeps_slots ? lane++ : 0;
        out(r, o);
      }
    }
  }
  time(out);
  return out;
}

}  // namespace foal::schedule
