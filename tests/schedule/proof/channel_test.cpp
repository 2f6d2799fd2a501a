// How much room the channels of each schedule need.
#include <catch2/catch.hpp>

#include <foal/schedule/generate.hpp>
#include <foal/schedule/proof/channel.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/chimera.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/k_f_k_b.hpp>
#include <foal/schedule/rules/looped_bfs.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/sequential.hpp>

using namespace foal::schedule;

namespace {

template <class G>
constexpr int capacity(G const& g, extent e, shared_fifo how = shared_fifo::pair) {
  return channel_capacity(generate(g, e).view(), how);
}

template <class G>
constexpr verdict bounded(G const& g, extent e, int room) {
  return run_bounded(generate(g, e).view(), room);
}

// Three stages on two ranks, 0 and 2 on rank 0: rank 1 sends rank 0 activations and gradients. `crossed`: it sends a
// gradient before the activation that rank 0 wants first, so one FIFO for both can never be in order.
constexpr program two_way(bool crossed) {
  auto const of = [](op_kind kind, int stage, int m, int slot) {
    return op{.kind = kind, .stage = stage, .microbatch = m, .slot = slot};
  };
  using enum op_kind;
  program p({3, 2, 2}, 13, false);
  for (op const& o : {of(F, 0, 0, 0), of(F, 0, 1, 1), of(F, 2, 0, 3), of(BW, 2, 0, 4)}) p(0, o);
  for (op const& o : {of(F, 1, 0, 1), of(F, 1, 1, 2), of(BW, 1, 0, 5), of(BW, 1, 1, 9), of(U, 1, 1, 10)}) p(1, o);
  if (!crossed) {
    for (op const& o :
         {of(F, 2, 1, 7), of(BW, 2, 1, 8), of(U, 2, 1, 9), of(BW, 0, 0, 10), of(BW, 0, 1, 11), of(U, 0, 1, 12)})
      p(0, o);
  } else {
    for (op const& o : {of(BW, 0, 0, 6), of(F, 2, 1, 7), of(BW, 2, 1, 8), of(U, 2, 1, 9), of(BW, 0, 1, 11), of(U, 0, 1, 12)})
      p(0, o);
  }
  return p;
}

}  // namespace

// Rendezvous, which is what an unbuffered blocking send amounts to: GPipe runs, 1F1B deadlocks.
static_assert(bounded(gpipe{}, {2, 2, 4}, 0) && bounded(gpipe{}, {4, 4, 8}, 0));
static_assert(bounded(one_f_one_b{}, {2, 2, 4}, 0).what == flaw::full);
static_assert(bounded(one_f_one_b{}, {4, 4, 8}, 0).what == flaw::full);
static_assert(bounded(one_f_one_b{}, {4, 4, 8}, 1));

static_assert(capacity(gpipe{}, {4, 4, 8}) == 0 && capacity(sequential{}, {4, 4, 8}) == 0);
static_assert(capacity(one_f_one_b{}, {4, 4, 8}) == 1 &&
              capacity(one_f_one_b{}, {4, 4, 8}, shared_fifo::pair_direction) == 1);
static_assert(capacity(k_f_k_b{}, {4, 4, 8}) == 2 && capacity(k_f_k_b{}, {4, 4, 8}, shared_fifo::pair_direction) == 2);
static_assert(capacity(interleaved{}, {8, 4, 8, 1, 1, loop}) == 1 && capacity(looped_bfs{}, {8, 4, 8, 1, 1, loop}) == 2);
// The sums of gradients take a place beside the last gradient of a wire; without them 1 is enough.
static_assert(capacity(chimera{}, {4, 4, 8, 2, 1, bidirectional}) == 2);
static_assert(capacity(async_1f1b{}, {4, 4, 2}) == 1 && capacity(pipemare{}, {4, 4, 2}) == 1);
static_assert(capacity(pipemare{}, {1, 1, 2}) == 0);

TEST_CASE("chunks on two ranks share a FIFO between both directions", "[schedule]") {
  auto const both = [](auto const& g, extent e) {
    return std::pair{capacity(g, e), capacity(g, e, shared_fifo::pair_direction)};
  };
  extent const two{.stages = 4, .ranks = 2, .microbatches = 4, .placed = loop};
  CHECK(both(interleaved{}, two) == std::pair{2, 1});
  CHECK(both(interleaved{.chunks = 4}, {.stages = 16, .ranks = 4, .microbatches = 8, .placed = loop}) == std::pair{1, 1});
  CHECK(both(looped_bfs{}, {.stages = 8, .ranks = 4, .microbatches = 8, .placed = loop}) == std::pair{2, 2});
  CHECK(both(k_f_k_b{}, {4, 4, 8}) == std::pair{2, 2});
}

TEST_CASE("a full channel names the ops that wait for each other") {
  verdict const v = bounded(one_f_one_b{}, {2, 2, 4}, 0);
  CHECK(v.first.kind == op_kind::F);
  CHECK(v.first_rank == 0);
  CHECK(v.first.microbatch == 1);
  CHECK(v.second.kind == op_kind::BW);
  CHECK(v.second_rank == 1);
  CHECK(v.second.microbatch == 0);
  CHECK_THAT(text(v), Catch::Contains("hold 0 messages") && Catch::Contains("BW(stage 1, microbatch 0) on rank 1"));
}

TEST_CASE("F and B of a pair in one FIFO must be taken in the order in which they are sent") {
  program fine = two_way(false), crossed = two_way(true);
  REQUIRE(prove(fine.view()));
  REQUIRE(prove(crossed.view()));
  CHECK(channel_capacity(fine.view(), shared_fifo::pair) >= 0);
  CHECK(channel_capacity(crossed.view(), shared_fifo::pair) == -1);
  CHECK(channel_capacity(crossed.view(), shared_fifo::pair_direction) >= 0);
  verdict const v = run_bounded(crossed.view(), -1);
  CHECK(v.what == flaw::fifo);
  CHECK(v.first.kind == op_kind::BW);
  CHECK(v.first.stage == 0);
  CHECK(v.first.microbatch == 0);
  CHECK(v.second.kind == op_kind::F);
  CHECK(v.second.stage == 2);
  CHECK(v.second.microbatch == 1);
}
