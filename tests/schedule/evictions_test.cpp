// What is evicted, and its proof: bpipe's moves are those of the model, and each way to say them wrongly has its sentence.
#include <foal/schedule/evictions.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/cost/balanced_memory.hpp>
#include <foal/schedule/rules/bpipe.hpp>
#include <foal/schedule/rules/global_norm.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/refined.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

using namespace foal::schedule;

namespace {

constexpr int evicted(int ranks, int n, int rank) {
  program p = generate(bpipe{}, {ranks, ranks, n});
  int count = 0;
  for (eviction const& x : p.view().evictions) count += x.stage == rank ? 1 : 0;
  return count;
}

/// 1F1B of 4 ranks and 8 microbatches with evictions of one's own.
program with(std::vector<eviction> all, int most_held = 0) {
  program p = generate(one_f_one_b{}, {4, 4, 8});
  p.evictions(std::move(all), most_held);
  return p;
}
std::string flaw_of(program p) {
  verdict const v = prove(p.view());
  return v ? std::string() : text(v);
}

}  // namespace

static_assert(proof(bpipe{}, {8, 8, 16}));
static_assert(evicted(8, 16, 0) == 6 && evicted(8, 16, 2) == 3 && evicted(8, 16, 3) == 0);

TEST_CASE("bpipe evicts as often as its model, and no rank holds more than its limit", "[evictions]") {
  for (int ranks = 1; ranks <= 9; ++ranks)
    for (int const n : {1, ranks, 2 * ranks + 1, 3 * ranks}) {
      INFO(ranks << " ranks, N " << n);
      program p = generate(bpipe{}, {ranks, ranks, n});
      program_view const v = p.view();
      REQUIRE(prove(v));
      CHECK(v.most_held == bpipe{}.limit_for(ranks));
      balanced_memory const m = balance_memory(v, replay(v), v.most_held);
      for (int r = 0; r < ranks; ++r) {
        CHECK(2 * evicted(ranks, n, r) == m.moves[static_cast<std::size_t>(r)]);
        held_microbatches const held = held_of(v.rank(r), r, evicted_of(v, r));
        CHECK(held.here == std::min({ranks - r, n, v.most_held}));
        if (evicted(ranks, n, r) == 0) CHECK(held.there == 0);
      }
    }
}

TEST_CASE("Of several stages on a rank each evicts its own", "[evictions]") {
  program p = generate(bpipe{}, {8, 4, 8});
  std::vector<eviction> const all(p.view().evictions.begin(), p.view().evictions.end());
  CHECK(prove(p.view()));
  program plain = generate(bpipe{}, {4, 4, 8}), finer = refined(plain, {0, 0, 1, 1, 2, 2, 3, 3});
  CHECK(prove(finer.view()));
  CHECK(finer.view().most_held == 3);
  CHECK(std::vector<eviction>(finer.view().evictions.begin(), finer.view().evictions.end()).size() == all.size());
  program clipped = with_global_norm(plain);
  CHECK(clipped.view().evictions.size() == plain.view().evictions.size());
  CHECK(prove(clipped.view()));
}

TEST_CASE("What cannot be evicted is refused with a sentence that names it", "[evictions]") {
  CHECK(flaw_of(with({{0, 2, 3}, {0, 5, 3}}, 3)) == "");
  CHECK(flaw_of(with({{0, 5, 3}, {0, 2, 3}})) == "");
  CHECK_THAT(flaw_of(with({{4, 2, 3}})), Catch::Contains("its number 4") && Catch::Contains("up to 3"));
  CHECK_THAT(flaw_of(with({{0, 8, 3}})), Catch::Contains("F(stage 0, microbatch 8)") && Catch::Contains("its number 8"));
  CHECK_THAT(flaw_of(with({{0, -1, 3}})), Catch::Contains("its number -1"));
  CHECK_THAT(flaw_of(with({{0, 2, 4}})), Catch::Contains("to rank 4, because there is no such rank"));
  CHECK_THAT(flaw_of(with({{0, 2, -1}})), Catch::Contains("to rank -1, because there is no such rank"));
  CHECK_THAT(flaw_of(with({{1, 2, 1}})),
             Catch::Contains("F(stage 1, microbatch 2) on rank 1 saves to rank 1, because it is there"));
  CHECK_THAT(flaw_of(with({{0, 2, 3}, {0, 5, 2}})), Catch::Contains("to rank 2, because the stage's others go to rank 3"));
  CHECK_THAT(flaw_of(with({{0, 2, 3}, {0, 2, 3}})),
             Catch::Contains("cannot evict what F(stage 0, microbatch 2) on rank 0 saves 2 times"));
  // Without the second of them rank 0 holds four again; with a third, rank 3 has one more than it has memory for.
  CHECK_THAT(flaw_of(with({{0, 2, 3}}, 3)), Catch::Contains("rank 0 would hold 4") && Catch::Contains("memory for 3"));
  CHECK_THAT(flaw_of(with({{0, 2, 3}, {0, 3, 3}, {0, 4, 3}, {0, 5, 3}}, 3)), Catch::Contains("rank 3 would hold 5"));
  CHECK_THAT(text(proof(bpipe{.limit = 4}, {8, 8, 16})), Catch::Contains("rank 4 would hold 6"));
}

TEST_CASE("Programs that evict nothing of a stage are refused", "[evictions]") {
  auto const refused = [](program p) {
    p.evictions({{0, 1, 1}}, 0);
    CHECK_THAT(flaw_of(p), Catch::Contains("cannot evict what F(stage 0, microbatch 1) on rank 0 saves"));
  };
  refused(generate(pipemare{}, {4, 4, 4}));
  refused(generate(zb_h1{}, {4, 4, 4}));
  refused(generate(gpipe{.newest_first = true}, {4, 4, 4}));
  refused(generate(recomputed<one_f_one_b>{}, {4, 4, 4}));
  CHECK_THROWS_WITH(generate(recomputed<bpipe>{}, {4, 4, 8}),
                    Catch::Contains("cannot add recomputation to a program that evicts 2 times"));
}
