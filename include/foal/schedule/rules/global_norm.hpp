// Clipping by the norm of the whole model's gradient: every U after the gradients of all stages.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/schedule/generate.hpp>
#include <foal/schedule/recompute_groups.hpp>

namespace foal::schedule {

/// The program with all U of a minibatch at its end, in the first slot in which the gradients of all stages are there; every
/// stage's other ops keep their order. Throws a sentence for a program that is asynchronous or does not train.
constexpr program with_global_norm(program base) {
  program_view const v = base.view();
  if (verdict const bad = well_formed(v); !bad) throw error(text(bad));
  if (v.asynchronous || v.inference)
    throw error(sentence("cannot clip by the norm of all stages in a program that is ",
                         v.inference ? "for inference" : "asynchronous", ", because ",
                         v.inference ? "nothing is trained" : "its stages update at different times",
                         "; leave it out, or use a synchronous schedule"));
  program out(v.size, 0, false);
  out.recompute({v.recompute.begin(), v.recompute.end()});
  out.wants({v.wants.begin(), v.wants.end()});
  out.evictions({v.evictions.begin(), v.evictions.end()}, v.most_held);
  out.offloads({v.offloads.begin(), v.offloads.end()});
  for (int r = 0; r < v.size.ranks; ++r)
    for (bool const updates : {false, true})
      for (op o : v.rank(r)) {
        if ((o.kind == op_kind::U) != updates) continue;
        o.slot = -1;
        o.lane = 0;
        out(r, o);
      }
  time(out);
  program_view const timed = out.view();
  int last = 0;
  for (op const& o : timed.ops)
    if (o.kind != op_kind::U) last = std::max(last, o.slot);
  std::vector<int> slots;
  for (op const& o : timed.ops) slots.push_back(o.kind == op_kind::U ? last + 1 : o.slot);
  out.slots(slots);
  out.period(last + 2);
  out.global_norm(true);
  return out;
}

}  // namespace foal::schedule
