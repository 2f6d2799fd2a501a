// The proof of offloads: it accepts what is ordered, and finds what is not.
#include <catch2/catch.hpp>

#include <string>

#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/bpipe.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/offloaded.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/replicated.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

namespace {

using namespace foal::schedule;
using slot = offload_race::slot;

static_assert(proof(offloaded<pipemare>{}, {4, 4, 2}));
static_assert(proof(offloaded<gpipe>{.stages = {0, 1}}, {4, 4, 8}));

template <class G>
offload_race race(G const& g, extent e, offload const& x, offload_waits const& waits) {
  program p = generate(g, e);
  return race_of(order_of(p.view(), x), x, waits);
}

template <class G>
void check_waits(G const& g, extent e, offload const& x) {
  INFO(G::name << " stage " << x.stage << " slots " << x.slots);
  CHECK(race(g, e, x, {}).what == slot::none);
  CHECK(race(g, e, x, {.out = false}).what == slot::of_forward);
  CHECK(race(g, e, x, {.backward = false}).what == slot::of_backward);
  // The others may follow from these where ops and copies alternate closely.
  offload_race const forward = race(g, e, x, {.forward = false}), back = race(g, e, x, {.back = false});
  CHECK((forward.what == slot::none || forward.what == slot::of_forward));
  CHECK((back.what == slot::none || back.what == slot::of_backward));
}

std::string said(program p) {
  verdict const v = prove(p.view());
  return v ? "" : text(v);
}

bool names(std::string const& text, char const* part) { return text.find(part) != std::string::npos; }

program with(program p, std::vector<offload> all) {
  p.offloads(std::move(all));
  return p;
}

}  // namespace

TEST_CASE("every wait is there, and without it there is a race") {
  for (int const slots : {1, 2, 3}) {
    check_waits(gpipe{}, {4, 4, 8}, {0, slots, slots - 1});
    check_waits(one_f_one_b{}, {8, 8, 16}, {0, slots, slots - 1});
    check_waits(pipemare{}, {4, 4, 3}, {1, slots, slots - 1});
    check_waits(async_1f1b{}, {4, 4, 3}, {0, slots, slots - 1});
  }
  // Forwards one after the other have nothing else to order them, nor have backwards.
  CHECK(race(gpipe{}, {4, 4, 8}, {0, 2, 1}, {.forward = false}).what == slot::of_forward);
  CHECK(race(gpipe{}, {4, 4, 8}, {0, 2, 1}, {.back = false}).what == slot::of_backward);
}

TEST_CASE("a copy back that begins before its slot is free is refused") {
  for (int slots = 1; slots < 4; ++slots)
    for (int ahead = 0; ahead < 6; ++ahead) {
      INFO(slots << " slots, " << ahead << " ahead");
      program const p = with(generate(gpipe{}, {4, 4, 8}), {{1, slots, ahead}});
      // So many ops before a backward there are as many backwards.
      CHECK(said(p).empty() == (ahead < slots));
      if (ahead >= slots) CHECK(names(said(p), "use more slots, or begin fewer ops ahead"));
    }
  // In 1F1B every other op is a forward.
  CHECK(said(with(generate(async_1f1b{}, {8, 8, 4}), {{0, 1, 1}})).empty());
  CHECK_FALSE(said(with(generate(async_1f1b{}, {8, 8, 4}), {{0, 1, 2}})).empty());
  CHECK(said(with(generate(async_1f1b{}, {8, 8, 4}), {{0, 2, 3}})).empty());
}

TEST_CASE("what cannot be offloaded is refused with the reason") {
  CHECK(names(said(with(generate(gpipe{}, {4, 4, 8}), {{4, 2, 1}})), "stage 4"));
  CHECK(names(said(with(generate(gpipe{}, {4, 4, 8}), {{1, 0, 1}})), "with 0 slots"));
  CHECK(names(said(with(generate(gpipe{}, {4, 4, 8}), {{1, 2, -1}})), "-1 ops ahead"));
  CHECK(names(said(with(generate(gpipe{}, {4, 4, 8}), {{1, 2, 1}, {1, 2, 1}})), "name it once"));
  CHECK(names(said(with(generate(zb_h1{}, {4, 4, 8}), {{1, 2, 1}})), "has no W"));
  CHECK(names(said(with(with_recomputation(generate(pipemare{}, {4, 4, 3}), {0, 0, -1, -1}), {{1, 2, 1}})), "recomputed"));
  CHECK(said(with(with_recomputation(generate(pipemare{}, {4, 4, 3}), {0, 0, -1, -1}), {{2, 2, 1}})).empty());
  CHECK(names(said(with(generate(bpipe{}, {8, 8, 16}), {{0, 2, 1}})), "evicted"));
  CHECK(names(said(with_replicas(with(generate(gpipe{}, {4, 4, 8}), {{1, 2, 1}}), 2)), "one replica"));
}
