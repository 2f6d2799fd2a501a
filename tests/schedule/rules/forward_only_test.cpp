// Inference programs: forwards alone.
#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/proof/channel.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/forward_only.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/recompute.hpp>

using namespace foal::schedule;

static_assert(generator<forward_only>);
static_assert(proof(forward_only{}, {32, 32, 4}) && proof(forward_only{}, {7, 3, 1}));

TEST_CASE("forwards follow each other without a gap") {
  program p = generate(forward_only{}, {3, 3, 2});
  CHECK(p.view().inference);
  CHECK(grid(p.view(), 2) ==
        "F0 F1 F2 F3 .  .\n"
        ".  F0 F1 F2 F3 .\n"
        ".  .  F0 F1 F2 F3\n");
  analysis const a = analyse(p.view());
  CHECK(a.slots(2) == 6);
  CHECK(replay(p.view(), {}, 5).makespan == 12);
  CHECK(steady_utilisation(p.view()) == 1);
}

TEST_CASE("inference is proved for many shapes, saves nothing, and needs one message's room") {
  for (int stages : {1, 2, 5, 9}) {
    for (int ranks : {1, 2, 5, 9}) {
      if (ranks > stages) continue;
      for (int n : {1, 2, 5}) {
        INFO(stages << " stages, " << ranks << " ranks, " << n << " microbatches");
        program p = generate(forward_only{}, {stages, ranks, n});
        REQUIRE(text(prove(p.view())) == text(verdict{}));
        analysis const a = analyse(p.view());
        CHECK(a.held() == 0);
        for (int s = 0; s < stages; ++s) {
          stage_facts const& x = a.stage[static_cast<std::size_t>(s)];
          bool const from_below = s > 0 && contiguous_rank(p.size(), s) != contiguous_rank(p.size(), s - 1);
          CHECK(x.wire_transit == (from_below ? 2 : 1));
          CHECK(x.saved_peak + x.saved_peak_b + x.gradient_transit + x.gradient_kept + x.delay == 0);
        }
        CHECK(channel_capacity(p.view()) == 0);
      }
    }
  }
}

TEST_CASE("an inference program has no backward, and misses no forward") {
  program p = generate(forward_only{}, {2, 2, 2});
  program with_backward = p;
  with_backward(1, {.kind = op_kind::B, .stage = 1, .microbatch = 0, .slot = 1, .lane = 9});
  CHECK(prove(with_backward.view()).what == flaw::unwanted);
  p.list(1).pop_back();
  verdict const v = prove(p.view());
  CHECK(v.what == flaw::missing);
  CHECK_THAT(text(v), Catch::Contains("F(stage 1, microbatch 0) on rank 1"));
  program training = generate(forward_only{}, {2, 2, 2});
  training.inference(false);
  CHECK(prove(training.view()).what == flaw::missing);
}

TEST_CASE("inference can be neither recomputed nor frozen") {
  CHECK_THROWS_WITH(with_recomputation(generate(forward_only{}, {3, 3, 1})), Catch::Contains("nothing is kept"));
  CHECK_THROWS_WITH(without_backward_below(generate(forward_only{}, {3, 3, 1}), 1),
                    Catch::Contains("cannot train from stage 1 up"));
}
