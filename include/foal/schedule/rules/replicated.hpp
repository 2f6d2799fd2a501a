// Any schedule several times side by side (data parallelism): its program for each replica of the pipeline, with the sums.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/schedule/rules/global_norm.hpp>

namespace foal::schedule {

namespace detail {

/// The program with every U alone with others, in a slot behind that in which it is.
constexpr program with_updates_apart(program base) {
  program_view const v = base.view();
  std::vector<int> late;  // slots that have a U, ascending
  for (op const& o : v.ops)
    if (o.kind == op_kind::U) late.push_back(o.slot);
  std::sort(late.begin(), late.end());
  late.erase(std::unique(late.begin(), late.end()), late.end());
  program out(v.size, v.period + static_cast<int>(late.size()), v.asynchronous);
  out.delays({v.delays.begin(), v.delays.end()});
  out.recompute({v.recompute.begin(), v.recompute.end()});
  out.wants({v.wants.begin(), v.wants.end()});
  out.inference(v.inference);
  out.offloads({v.offloads.begin(), v.offloads.end()});
  for (int r = 0; r < v.size.ranks; ++r) {
    std::vector<op> held;  // U's of one slot
    auto const release = [&] {
      for (std::size_t i = 0; i < held.size(); ++i) {
        op o = held[i];
        ++o.slot, o.lane = static_cast<int>(i);
        out(r, o);
      }
      held.clear();
    };
    int before = -1;
    for (op o : v.rank(r)) {
      if (o.slot != before) release();
      before = o.slot;
      o.slot += static_cast<int>(std::lower_bound(late.begin(), late.end(), o.slot) - late.begin());
      if (o.kind == op_kind::U)
        held.push_back(o);
      else
        out(r, o);
    }
    release();
  }
  return out;
}

}  // namespace detail

/// `replicas` times the program `one`, each on ranks of its own, for minibatches that have as many microbatches as all of
/// them: replica k has those at positions k * n to k * n + n - 1, n being one's N, and does with them what `one` does, on
/// ranks k * R to k * R + R - 1. Before each U comes a G, which sums the gradients of all replicas.
///
/// A synchronous program has its G's and U's at the end of each list, so that a stage's gradients travel while the stages
/// below it are still at work, and is clocked anew. Of an asynchronous one every slot that has a U is followed by one for
/// the G's of its U's. U's come in a slot of their own behind that of their G's. But for these no op comes before or after
/// another one than it did: every op reads the version that it reads in `one`, and delays in minibatches are one's.
///
/// Needs a program of one replica that prove() accepts, with one U of a stage in a minibatch; throws a sentence otherwise.
constexpr program with_replicas(program one, int replicas) {
  if (replicas == 1) return one;
  program_view const v = one.view();
  if (verdict const bad = prove(v); !bad) throw error(text(bad));
  extent const e = v.size;
  int const n = e.microbatches;
  if (replicas < 1 || replicas > largest_slot / n || replicas > largest_slot / e.stages)
    throw error(sentence("cannot have ", replicas, " replicas of a program of ", e.stages, " stages and ", n,
                         " microbatches, because there is one at least, and microbatches are counted in integers; use 1 or "
                         "more, or a smaller program"));
  if (e.replicas != 1)
    throw error(sentence("cannot have ", replicas, " replicas of a program that has ", e.replicas,
                         " of every stage itself, because those are what shares out its microbatches; leave .replicas at 1, "
                         "or use a schedule of one replica"));
  std::vector<int> updates(static_cast<std::size_t>(e.stages), 0), late;  // late: slots that have a U, ascending
  for (op const& o : v.ops) {
    if (o.kind != op_kind::U) continue;
    if (++updates[static_cast<std::size_t>(o.stage)] > 1)
      throw error(sentence("cannot have ", replicas, " replicas of a program in which stage ", o.stage,
                           " has several updates in a minibatch, because replicas are summed once; give it one, or use 1 "
                           "replica"));
    if (v.asynchronous) late.push_back(o.slot);
  }
  std::sort(late.begin(), late.end());
  late.erase(std::unique(late.begin(), late.end()), late.end());
  auto const moved = [&](int slot) {
    return slot + static_cast<int>(std::lower_bound(late.begin(), late.end(), slot) - late.begin());
  };

  extent all = e;
  all.replicas = replicas, all.ranks = e.ranks * replicas, all.microbatches = n * replicas;
  program out(all, v.asynchronous ? v.period + static_cast<int>(late.size()) : 0, v.asynchronous);
  out.delays({v.delays.begin(), v.delays.end()});
  out.recompute({v.recompute.begin(), v.recompute.end()});
  out.wants({v.wants.begin(), v.wants.end()});
  out.inference(v.inference);
  out.offloads({v.offloads.begin(), v.offloads.end()});
  for (int r = 0; r < all.ranks; ++r) {
    int const k = r / e.ranks;
    std::vector<op> held;  // U's, of one slot where there are slots
    auto const update = [&] {
      int lane = 0;
      for (op o : held) {
        o.replica = k;
        o.microbatch = floor_div(o.microbatch, n) * all.microbatches + all.microbatches - 1;
        o.slot = v.asynchronous ? moved(o.slot) + 1 : -1;
        for (op_kind const kind : {op_kind::G, op_kind::U}) {
          o.kind = kind;
          o.lane = v.asynchronous ? lane++ : 0;
          out(r, o);
        }
      }
      held.clear();
    };
    for (op o : v.rank(r % e.ranks)) {
      if (v.asynchronous && !held.empty() && held.back().slot != o.slot) update();
      if (o.kind == op_kind::U) {
        held.push_back(o);
        continue;
      }
      o.replica = k;
      o.microbatch = floor_div(o.microbatch, n) * all.microbatches + k * n + floor_mod(o.microbatch, n);
      o.slot = v.asynchronous ? moved(o.slot) : -1;
      if (!v.asynchronous) o.lane = 0;
      out(r, o);
    }
    update();
  }
  time(out);
  if (v.global_norm) return with_global_norm(std::move(out));
  return detail::with_updates_apart(std::move(out));
}

}  // namespace foal::schedule
