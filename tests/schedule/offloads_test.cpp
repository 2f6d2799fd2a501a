// Where the copies of offloaded activations are called: in the order of a stage's ops, late enough and early enough.
#include <catch2/catch.hpp>

#include <foal/schedule/offloads.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

namespace {

using namespace foal::schedule;

template <class G>
offload_order of(G const& g, extent e, offload const& x) {
  program p = generate(g, e);
  return order_of(p.view(), x);
}

/// Checks the tables against what they say, over some periods.
template <class G>
void check(G const& g, extent e, offload const& x) {
  INFO(G::name << " stage " << x.stage << " ahead " << x.ahead << " N " << e.microbatches);
  offload_order const order = of(g, e, x);
  int const n = e.microbatches;
  for (int m = 0; m < n; ++m) {
    int const f = order.at(order.forward, m), b = order.at(order.backward, m), back = order.at(order.back, m);
    CHECK(f < back);
    CHECK(back <= b);
    CHECK((b - back == x.ahead || (back == f + 1 && b - back < x.ahead)));
    auto const j = static_cast<std::size_t>(m);
    for (auto const& [at, due] : {std::pair{f, order.due_forward[j]}, std::pair{b, order.due_backward[j]}}) {
      CHECK(order.at(order.back, m + due) <= at);
      CHECK(order.at(order.back, m + due + 1) > at);
    }
    CHECK(order.due_forward[j] < 0);
    CHECK(order.due_backward[j] >= 0);
  }
}

}  // namespace

TEST_CASE("copies back are called so many ops ahead, and after F") {
  for (int ahead = 0; ahead < 6; ++ahead)
    for (int stage = 0; stage < 4; ++stage)
      for (int const n : {1, 2, 3, 8}) {
        check(gpipe{}, {4, 4, n}, {stage, 2, ahead});
        check(one_f_one_b{}, {4, 4, n}, {stage, 2, ahead});
        check(pipemare{}, {4, 4, n}, {stage, 2, ahead});
        check(async_1f1b{}, {4, 4, n}, {stage, 2, ahead});
      }
}

TEST_CASE("the order of gpipe, spelled out") {
  offload_order const order = of(gpipe{}, {2, 2, 4}, {0, 2, 1});
  CHECK(order.forward == std::vector{0, 1, 2, 3});
  CHECK(order.backward == std::vector{4, 5, 6, 7});
  CHECK(order.back == std::vector{3, 4, 5, 6});
  CHECK(order.due_forward == std::vector{-1, -2, -3, -3});
  CHECK(order.due_backward == std::vector{1, 1, 1, 0});
  CHECK(order.held() == 4);
}

TEST_CASE("host memory has room for what the stage holds") {
  CHECK(of(gpipe{}, {4, 4, 8}, {2, 2, 1}).held() == 8);
  for (int s = 0; s < 4; ++s) {
    CHECK(of(one_f_one_b{}, {4, 4, 8}, {s, 2, 1}).held() == 4 - s);
    CHECK(of(pipemare{}, {4, 4, 3}, {s, 2, 1}).held() == 2 * (4 - s));
    CHECK(of(async_1f1b{}, {4, 4, 3}, {s, 2, 1}).held() == 4 - s);
  }
}

TEST_CASE("stages that can be offloaded") {
  auto const may = [](program p, int stage) {
    program_view const v = p.view();
    return may_offload(v, recompute_groups_of(v), stage);
  };
  for (int s = 0; s < 4; ++s) {
    CHECK(may(generate(pipemare{}, {4, 4, 3}), s));
    CHECK_FALSE(may(generate(zb_h1{}, {4, 4, 8}), s));
  }
  program const mixed = with_recomputation(generate(pipemare{}, {4, 4, 3}), {0, 0, -1, -1});
  CHECK_FALSE(may(mixed, 0));
  CHECK_FALSE(may(mixed, 1));
  CHECK(may(mixed, 2));
}
