// Every U after the gradients of all stages, whatever the schedule, and nothing else moved.
#include <foal/schedule/rules/global_norm.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/rules/forward_only.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

using namespace foal::schedule;

namespace {

template <class Schedule>
void waits(extent e, Schedule const& s = {}) {
  program before = generate(s, e), after = with_global_norm(generate(s, e));
  program_view const v = after.view();
  INFO(Schedule::name << ' ' << e.stages << ' ' << e.ranks << ' ' << e.microbatches);
  CHECK(v.global_norm);
  CHECK(prove(v));
  int last = 0, updates = 0;
  for (op const& o : v.ops)
    if (adds_weight_gradient(o.kind)) last = std::max(last, o.slot);
  for (op const& o : v.ops) {
    if (o.kind != op_kind::U) continue;
    CHECK(o.slot > last);
    CHECK(o.slot < v.period);
    ++updates;
  }
  int before_updates = 0;
  for (op const& o : before.view().ops) before_updates += o.kind == op_kind::U ? 1 : 0;
  CHECK(updates == before_updates);
  for (int r = 0; r < e.ranks; ++r) {
    std::vector<op> a, b;
    for (op const& o : before.view().rank(r))
      if (o.kind != op_kind::U) a.push_back({.kind = o.kind, .stage = o.stage, .microbatch = o.microbatch});
    for (op const& o : v.rank(r))
      if (o.kind != op_kind::U) b.push_back({.kind = o.kind, .stage = o.stage, .microbatch = o.microbatch});
    CHECK(a == b);
  }
}

}  // namespace

TEST_CASE("with_global_norm: all U at the end, the other ops as they were", "[schedule]") {
  for (extent const e : {extent{1, 1, 1}, extent{4, 4, 1}, extent{4, 4, 6}, extent{5, 2, 3}, extent{6, 1, 2}}) {
    waits<gpipe>(e);
    waits<one_f_one_b>(e);
    waits<zb_h1>(e);
  }
  waits<sequential>({4, 1, 3});
  waits<recomputed<one_f_one_b>>({4, 4, 3});
  waits<frozen<gpipe>>({4, 4, 3}, {.trainable_from = 1, .stages = {2}});
}

TEST_CASE("with_global_norm: no asynchronous program, and none that does not train", "[schedule]") {
  CHECK_THROWS_WITH(with_global_norm(generate(pipemare{}, {3, 3, 2})),
                    Catch::Contains("a program that is asynchronous, because its stages update at different times"));
  CHECK_THROWS_WITH(with_global_norm(generate(forward_only{}, {3, 3, 2})),
                    Catch::Contains("a program that is for inference, because nothing is trained"));
}
