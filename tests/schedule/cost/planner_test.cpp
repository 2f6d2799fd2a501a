// The planner against an exhaustive search that is written plainly, and what memory and messages make it choose.
#include <foal/schedule/cost/planner.hpp>

#include <catch2/catch.hpp>

#include <foal/core/random.hpp>
#include <foal/policy/versions/double_buffered.hpp>
#include <foal/policy/versions/stash.hpp>
#include <foal/schedule/cost/overlaps.hpp>
#include <foal/schedule/cost/plan_text.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/chimera.hpp>
#include <foal/schedule/rules/dual_pipe_v.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/k_f_k_b.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/schedule/rules/zb_auto.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/schedule/rules/zb_h2.hpp>

using namespace foal::schedule;

namespace {

/// What a grouping of a configuration takes, and holds on the fullest rank.
struct outcome {
  double time = 0, bytes = 0;
};

/// Times of a grouping's stages.
std::vector<stage_times> plain_times(plan_problem const& p, std::vector<int> const& group, int stages, int n, int replicas) {
  double const samples = static_cast<double>(p.minibatch) / n;
  std::vector<stage_times> times;
  for (int s = 0; s < stages; ++s) {
    plan_item sum{0, 0, 0, 0, 0, 0, 0, 0};
    for (std::size_t i = 0; i < group.size(); ++i) {
      plan_item const& x = p.items[i];
      if (group[i] != s) continue;
      sum.forward += x.forward, sum.backward += x.backward, sum.weight += x.weight, sum.update += x.update;
      sum.weights += x.weights, sum.wire = x.wire;
    }
    double const forward = p.overhead + samples * sum.forward;
    double const sent = replicas == 1 ? 0 : 2.0 * (replicas - 1) / replicas * sum.weights / p.bandwidth + 2 * p.latency;
    times.push_back({forward, p.overhead + samples * sum.backward, p.overhead + samples * sum.weight,
                     p.overhead + samples * (sum.backward + sum.weight), forward, sent, sum.update,
                     p.latency + samples * sum.wire / p.bandwidth});
  }
  return times;
}

/// What a candidate runs.
program made_by(plan_candidate const& c, plan_problem const& p, std::vector<int> const& group, int ranks, int d, int n,
                bool recompute) {
  int const stages = ranks * c.chunks;
  program made = c.build(stages, ranks, n / d, plain_times(p, group, stages, n, d));
  if (recompute) made = with_recomputation(std::move(made), recompute_group_heads(stages, 1));
  return with_replicas(std::move(made), d);
}

/// `newest`: how many versions a stage's weights have.
outcome outcome_of(plan_problem const& p, program_view v, std::vector<int> const& group, int n,
                   std::vector<int> const& newest = {}) {
  double const samples = static_cast<double>(p.minibatch) / n;
  std::vector<stage_times> times = plain_times(p, group, v.size.stages, n, v.size.replicas);
  std::vector<double> always, saved, input;
  for (int s = 0; s < v.size.stages; ++s) {
    plan_item sum{0, 0, 0, 0, 0, 0, 0, 0};
    double in = p.input;
    for (std::size_t i = 0; i < group.size(); ++i) {
      plan_item const& x = p.items[i];
      if (group[i] < s) in = x.wire;
      if (group[i] != s) continue;
      sum.weights += x.weights, sum.state += x.state, sum.saved += x.saved;
    }
    always.push_back(sum.weights * (newest.empty() ? 1 : newest[static_cast<std::size_t>(s)]) + sum.state);
    saved.push_back(samples * sum.saved);
    input.push_back(samples * in);
  }
  if (!p.sends_beside) {
    // On a link between two ranks both ends of every message are busy for its bytes in turns: the sender.
    std::vector<int> const rank = ranks_of(v);
    for (std::size_t s = 1; s < times.size(); ++s) {
      double const bytes = times[s - 1].message - p.latency;
      times[s - 1].message = p.latency;
      if (rank[s] == rank[s - 1]) continue;
      times[s - 1].forward += bytes, times[s].backward += bytes, times[s].together += bytes;
    }
  }
  costs const cost{.side_by_side = false, .stages = times};
  int const all = v.asynchronous ? 48 : 1;
  timing const t = replay(v, cost, all);
  outcome out{t.makespan, 0};
  if (v.asynchronous) out.time = (t.makespan - replay(v, cost, all / 2).makespan) / (all - all / 2);
  for (auto const& events : t.events) {
    // By the list: what an op keeps is there from its start, what it frees until its end.
    std::vector<int> hosted(static_cast<std::size_t>(v.size.stages), 0);
    double held = 0, most = 0;
    for (event const& e : events)
      if (auto& seen = hosted[static_cast<std::size_t>(e.what.stage)]; seen == 0)
        held += always[static_cast<std::size_t>(e.what.stage)], seen = 1;
    most = held;
    for (event const& e : events) {
      auto const s = static_cast<std::size_t>(e.what.stage);
      bool const again = !v.recompute.empty() && v.recompute[s] >= 0;
      if (e.what.kind == op_kind::F) held += again ? input[s] : saved[s];
      if (e.what.kind == op_kind::R) held += saved[s];
      most = std::max(most, held);
      if (e.what.kind == op_kind::BW || e.what.kind == op_kind::W) held -= saved[s] + (again ? input[s] : 0);
    }
    out.bytes = std::max(out.bytes, most);
  }
  return out;
}

/// The least time of everything that there is; below 0: nothing fits, and `bytes` would do.
outcome exhaustive(plan_problem const& p, std::span<plan_candidate const> list) {
  outcome best{-1, -1};
  double least = -1;
  int const items = static_cast<int>(p.items.size());
  for (plan_candidate const& c : list)
    for (int d = 1; d <= p.ranks; ++d)
      for (int n = 1; n <= p.minibatch; ++n)
        for (int const recompute : {0, 1}) {
          int const stages = p.ranks / d * c.chunks;
          if (p.ranks % d != 0 || p.minibatch % n != 0 || n % d != 0 || stages > items) continue;
          for (int bits = 0; bits < 1 << (items - 1); ++bits) {
            std::vector<int> group{0};
            for (int i = 1; i < items; ++i) group.push_back(group.back() + (bits >> (i - 1) & 1));
            if (group.back() + 1 != stages) continue;
            program made;
            std::vector<int> versions;
            try {
              made = made_by(c, p, group, p.ranks / d, d, n, recompute != 0);
              if (made.asynchronous()) versions = c.versions(made_by(c, p, group, p.ranks / d, 1, n / d, false).view());
            } catch (foal::error const&) {
              break;
            }
            outcome const o = outcome_of(p, made.view(), group, n, versions);
            if (least < 0 || o.bytes < least) least = o.bytes;
            if (o.bytes <= p.memory && (best.time < 0 || o.time < best.time)) best = o;
          }
        }
  if (best.time < 0) best.bytes = least;
  return best;
}

/// Items that are alike.
std::vector<plan_item> alike(int count, plan_item const& one) {
  return std::vector<plan_item>(static_cast<std::size_t>(count), one);
}

/// zb_auto for the stages as they are.
plan_candidate automatic() {
  plan_candidate c = candidate_of<zb_auto{}>();
  c.by_times = true;
  c.build = [](int stages, int ranks, int microbatches, std::span<stage_times const> times) {
    return zb_auto_for({stages, ranks, microbatches}, times);
  };
  return c;
}

plan_item const kept{.weights = 1, .saved = 1, .wire = 1};

constexpr double constant_time() {
  plan_item const items[] = {{}, {.forward = 2, .backward = 2, .weight = 2}, {}};
  plan_candidate const list[] = {candidate_of<gpipe{}>(), candidate_of<one_f_one_b{}>()};
  return plan({.items = items, .ranks = 3, .minibatch = 4, .recompute = false, .replicas = false}, list).best.time;
}

}  // namespace

// Of 1F1B: the middle rank works for 24, waits for F of the first, once for the last, and the first ends 2 later.
static_assert(constant_time() == 28);

TEST_CASE("of twenty random small problems the plan is as fast as the best that there is", "[schedule]") {
  plan_candidate const flushed[] = {candidate_of<gpipe{}>(),
                                    candidate_of<one_f_one_b{}>(),
                                    candidate_of<k_f_k_b{.k = 2}>(),
                                    candidate_of<interleaved{.chunks = 2, .uneven = true}>(),
                                    candidate_of<zb_h1{}>(),
                                    candidate_of<sequential{}>(),
                                    automatic()};
  plan_candidate const late[] = {candidate_of<one_f_one_b{}>(), candidate_of<async_1f1b{}, foal::versions::stash>("stash"),
                                 candidate_of<async_1f1b{}, foal::versions::double_buffered>("two_bw"),
                                 candidate_of<async_1f1b{}>(), candidate_of<pipemare{}>()};
  bool const asynchronous = GENERATE(false, true);
  std::span<plan_candidate const> const list = asynchronous ? std::span<plan_candidate const>(late) : flushed;
  foal::random_key key{17, foal::purpose::user, 0, 0};
  int refused = 0, fits = 0, chosen_late = 0;
  for (; key.sample < 20; ++key.sample) {
    std::uint32_t next = 0;
    auto const draw = [&](std::uint32_t below) { return static_cast<int>(foal::random_word(key, next++) % below); };
    std::vector<plan_item> items(static_cast<std::size_t>(3 + draw(3)));
    for (plan_item& x : items)
      x = {.forward = 1.0 + draw(8),
           .backward = 1.0 + draw(8),
           .weight = 0.5 * draw(8),
           .update = 0.5 * draw(3),
           .weights = 1.0 + draw(5),
           .state = 1.0 * draw(5),
           .saved = 1.0 + draw(6),
           .wire = 1.0 + draw(4)};
    plan_problem p{.items = items, .ranks = 1 + draw(3), .minibatch = draw(2) == 0 ? 4 : 6, .input = 1};
    p.overhead = 0.5 * draw(4), p.latency = 0.5 * draw(6);
    if (draw(2) == 0) p.bandwidth = 2;
    if (draw(3) != 0) p.memory = 12 + 3 * draw(14);
    p.sends_beside = draw(2) == 0;
    outcome const right = exhaustive(p, list);
    plan_result const found = plan(p, list);
    CAPTURE(key.sample);
    REQUIRE(found.all_groupings);
    if (right.time < 0) {
      ++refused;
      CHECK(!found.best);
      CHECK(found.least_bytes() == Approx(right.bytes));
      CHECK_THROWS_AS(require_plan(found, p), foal::error);
      continue;
    }
    ++fits;
    REQUIRE(found.best);
    CHECK(found.best.time == Approx(right.time));
    CHECK(found.best.most_bytes() <= p.memory);
    CHECK(found.of_candidates.front().time == Approx(right.time));
    if (found.runner_up) CHECK(found.runner_up.time >= found.best.time * (1 - 1e-9));
    // What it says of its choice is what the choice takes.
    plan_candidate const& c = list[static_cast<std::size_t>(found.best.candidate)];
    plan_choice const& best = found.best;
    program made = made_by(c, p, best.group, best.ranks, best.replicas, best.microbatches, best.recomputed);
    std::vector<int> versions;
    if (best.asynchronous)
      versions = c.versions(made_by(c, p, best.group, best.ranks, 1, best.microbatches / best.replicas, false).view());
    chosen_late += best.asynchronous ? 1 : 0;
    outcome const again = outcome_of(p, made.view(), best.group, best.microbatches, versions);
    CHECK(again.time == Approx(found.best.time));
    CHECK(again.bytes == Approx(found.best.most_bytes()));
  }
  CHECK(fits >= 10);
  CHECK(refused >= 1);
  CHECK((chosen_late >= 3) == asynchronous);
}

TEST_CASE("an automatic schedule is made for the stages of each grouping", "[schedule]") {
  std::vector<plan_item> items;
  for (double const x : {1.0, 2.0, 6.0, 3.0}) items.push_back({.forward = x, .backward = 2 * x, .weight = x / 2});
  plan_problem const p{.items = items, .ranks = 3, .minibatch = 6, .microbatches = 6, .recompute = false, .replicas = false};
  plan_candidate mean = automatic();
  mean.by_times = false;
  plan_candidate const as_mean[] = {mean}, as_is[] = {automatic()};
  plan_choice const one = plan(p, as_mean).best, own = plan(p, as_is).best;
  CHECK(own.time < one.time);
  program made = program_of(own, p, as_is);
  CHECK(made.size().stages == 4);
  std::vector<stage_times> const times = plain_times(p, {0, 1, 2, 3}, 4, 6, 1);
  CHECK(replay(made.view(), {.side_by_side = false, .stages = times}).makespan == Approx(own.time));
}

TEST_CASE("ops that overlap are timed as one, in every replica", "[schedule]") {
  auto const items = alike(8, {.saved = 1, .wire = 1});
  plan_candidate pairs = candidate_of<dual_pipe_v{}>();
  plan_candidate const apart[] = {pairs};
  pairs.overlaps = dual_pipe_overlaps;
  plan_candidate const together[] = {pairs};
  for (int const replicas : {1, 2}) {
    int const ranks = 4 / replicas, n = 12;
    plan_problem p{.items = items, .ranks = 4, .minibatch = n, .microbatches = n, .latency = 0.25, .recompute = false};
    program one = generate(dual_pipe_v{}, extent_of(dual_pipe_v{}, 2 * ranks, ranks, n / replicas));
    std::vector<char> const flags = dual_pipe_overlaps(one.view());
    std::vector<int> group;
    for (int i = 0; i < 8; ++i) group.push_back(i / (4 / ranks));
    plan_program const made = program_of(pairs, {ranks, replicas, n, false}, {});
    program whole = made.whole;
    program_view const v = whole.view();
    REQUIRE(made.overlaps.size() == v.ops.size());
    CHECK(std::count(made.overlaps.begin(), made.overlaps.end(), 1) == replicas * std::count(flags.begin(), flags.end(), 1));
    for (std::size_t i = 0; i < v.ops.size(); ++i)
      if (made.overlaps[i] != 0) CHECK((v.ops[i].kind == op_kind::F && v.ops[i + 1].kind == op_kind::BW));
    p.replicas = replicas == 2;
    plan_result const joint = plan(p, together), loose = plan(p, apart);
    auto const of = [&](plan_result const& found) { return found.best.time; };
    CHECK(of(joint) >= of(loose));
    if (replicas > 1) continue;
    std::vector<stage_times> const times = plain_times(p, group, 8, n, 1);
    CHECK(of(joint) == Approx(replay(one.view(), {.side_by_side = false, .overlaps = flags, .stages = times}).makespan));
  }
}

TEST_CASE("ranks that do nothing else while they send take longer, and fewer messages pay", "[schedule]") {
  auto const items = alike(8, {.saved = 1, .wire = 1});
  plan_candidate const list[] = {candidate_of<one_f_one_b{}>(), candidate_of<interleaved{}>()};
  plan_problem p{.items = items, .ranks = 4, .minibatch = 16, .bandwidth = 1, .recompute = false, .replicas = false};
  plan_result const beside = plan(p, list);
  p.sends_beside = false;
  plan_result const alone = plan(p, list);
  CHECK(alone.best.name == "one_f_one_b");
  CHECK(alone.best.time > beside.best.time);
}

TEST_CASE("in a long run minibatches with a flush overlap", "[schedule]") {
  auto const items = alike(4, {.saved = 1});
  plan_candidate const list[] = {candidate_of<zb_h1{}>(), candidate_of<zb_h2{}>()};
  plan_problem p{.items = items, .ranks = 4, .minibatch = 8, .microbatches = 8, .recompute = false, .replicas = false};
  p.long_run = true;
  plan_result const found = plan(p, list);
  CHECK(found.best.name == "zb_h2");
  CHECK(found.best.time == Approx(24));
  CHECK(reason_of(found.best, p).find("takes 24 in the long run; rank ") != std::string::npos);
  p.long_run = false;
  CHECK(plan(p, list).best.time > 24);
}

TEST_CASE("memory makes 1F1B of GPipe, which messages would favour", "[schedule]") {
  auto const items = alike(4, kept);
  plan_candidate const list[] = {candidate_of<gpipe{}>(), candidate_of<one_f_one_b{}>()};
  plan_problem p{.items = items, .ranks = 4, .minibatch = 16, .latency = 1, .recompute = false, .replicas = false};
  plan_result const free = plan(p, list);
  CHECK(free.best.name == "gpipe");
  CHECK(free.best.most_bytes() == 17);
  p.memory = 5;
  plan_result const capped = plan(p, list);
  CHECK(capped.best.name == "one_f_one_b");
  CHECK(capped.best.microbatches == 16);
  CHECK(capped.best.most_bytes() == 5);
  CHECK(capped.best.time > free.best.time);
  REQUIRE(capped.refused.size() == 2);  // GPipe, and 1F1B of larger microbatches
  CHECK(capped.refused[0].why == refusal::memory);
  CHECK(text(capped.refused[0], p) == "gpipe: 5 configurations would hold 17 bytes or more on a rank, which may hold 5");
}

TEST_CASE("memory makes forwards be computed again", "[schedule]") {
  auto const items = alike(8, {.weights = 1, .saved = 10, .wire = 1});
  plan_candidate const list[] = {candidate_of<gpipe{}>(), candidate_of<one_f_one_b{}>()};
  plan_problem p{.items = items, .ranks = 4, .minibatch = 8, .input = 1, .replicas = false};
  CHECK(!plan(p, list).best.recomputed);
  p.memory = 60;
  plan_result const capped = plan(p, list);
  CHECK(capped.best.recomputed);
  CHECK(capped.best.most_bytes() <= 60);
}

TEST_CASE("memory takes chunks away", "[schedule]") {
  auto const items = alike(8, kept);
  plan_candidate const list[] = {candidate_of<one_f_one_b{}>(), candidate_of<interleaved{}>()};
  plan_problem p{.items = items, .ranks = 4, .minibatch = 8, .recompute = false, .replicas = false};
  CHECK(plan(p, list).best.chunks == 2);
  p.memory = 10;
  plan_result const capped = plan(p, list);
  CHECK(capped.best.chunks == 1);
  CHECK(capped.best.name == "one_f_one_b");
}

TEST_CASE("messages that take long ask for groups of microbatches", "[schedule]") {
  auto const items = alike(4, kept);
  plan_candidate const list[] = {candidate_of<one_f_one_b{}>(), candidate_of<k_f_k_b{.k = 2}>(), candidate_of<gpipe{}>()};
  plan_problem p{
      .items = items, .ranks = 4, .minibatch = 32, .overhead = 0, .memory = 9, .recompute = false, .replicas = false};
  CHECK(plan(p, list).best.name == "one_f_one_b");
  p.latency = 1;
  CHECK(plan(p, list).best.name == "k_f_k_b");
}

TEST_CASE("an asynchronous schedule counts in the long run, with all its versions", "[schedule]") {
  auto const items = alike(4, {.weights = 10, .saved = 1});
  plan_candidate const list[] = {candidate_of<async_1f1b{}, foal::versions::stash>("pipedream"),
                                 candidate_of<one_f_one_b{}>()};
  plan_problem p{.items = items, .ranks = 4, .minibatch = 8, .recompute = false, .replicas = false};
  plan_result const found = plan(p, list);
  CHECK(found.best.name == "pipedream");
  CHECK(found.best.asynchronous);
  CHECK(found.best.time == Approx(24));
  CHECK(found.runner_up.time == Approx(24));
  p.memory = 14;
  CHECK(plan(p, list).best.name == "one_f_one_b");
}

TEST_CASE("groupings are counted", "[schedule]") {
  CHECK(grouping_count(1, 1, 10) == 1);
  CHECK(grouping_count(6, 6, 10) == 1);
  CHECK(grouping_count(5, 3, 10) == 6);
  CHECK(grouping_count(20, 19, 1000) == 19);
  CHECK(grouping_count(20, 10, 1000) == 1001);
  CHECK(grouping_count(4000, 2000, 1 << 30) == (1LL << 30) + 1);
}

TEST_CASE("where groupings are many, it begins with the most even one and says so", "[schedule]") {
  std::vector<plan_item> items;
  foal::random_key const key{3, foal::purpose::user, 0, 0};
  std::vector<double> time;
  for (std::uint32_t i = 0; i < 30; ++i) {
    double const t = 1.0 + foal::random_word(key, i) % 20;
    items.push_back({.forward = t, .backward = t, .weight = t});
    time.push_back(3 * t);
  }
  plan_candidate const list[] = {candidate_of<one_f_one_b{}>()};
  plan_problem const p{.items = items, .ranks = 4, .minibatch = 4, .recompute = false, .replicas = false, .groupings = 60};
  plan_result const found = plan(p, list);
  CHECK(!found.all_groupings);
  CHECK(!found.best.all_groupings);
  program made = generate(one_f_one_b{}, {4, 4, 4});
  CHECK(found.best.time <= outcome_of(p, made.view(), foal::min_max_partition(time, 4), 4).time);
}

TEST_CASE("what cannot be planned says what could", "[schedule]") {
  auto const items = alike(4, kept);
  plan_candidate const list[] = {candidate_of<one_f_one_b{}>(), candidate_of<interleaved{}>("interleaved 2")};
  plan_problem p{.items = items, .ranks = 4, .minibatch = 2, .memory = 1, .recompute = false, .replicas = false};
  plan_result const found = plan(p, list);
  CHECK_THROWS_WITH(require_plan(found, p),
                    "cannot plan 4 items on 4 ranks, because a rank may hold 1 bytes and whatever was tried needs more; "
                    "give it 3, with which one does, more ranks, or a smaller minibatch");
  REQUIRE(found.refused.size() == 2);
  CHECK(text(found.refused[1], p) ==
        "interleaved 2: 1 configuration would have 8 stages or more, but there are only 4 items");
  p.memory = 1e9, p.ranks = 5;
  CHECK_THROWS_WITH(require_plan(plan(p, list), p),
                    "cannot plan 4 items on 5 ranks, because no schedule can run: one_f_one_b: 1 configuration would have "
                    "5 stages or more, but there are only 4 items; give fewer ranks, more items or other schedules");
  p.ranks = 0;
  CHECK_THROWS_AS(plan(p, list), foal::error);
  p.ranks = 4, p.latency = -1;
  CHECK_THROWS_WITH(plan(p, list), "cannot plan with a cost of -1, because times and bytes are finite; give 0 or more");
  p.latency = 0, p.minibatch = 8, p.microbatches = 3;
  CHECK_THROWS_WITH(plan(p, list), Catch::Contains("cannot plan 3 microbatches of a minibatch of 8 samples"));
  p.microbatches = 0;
  plan_candidate const empty[] = {{.name = "nothing"}};
  plan_result const none = plan(p, empty);
  CHECK_THROWS_WITH(require_plan(none, p), Catch::Contains("cannot plan with nothing on") && Catch::Contains("no .build"));
}

TEST_CASE("a choice is told with its reasons", "[schedule]") {
  auto const items = alike(4, kept);
  plan_candidate const list[] = {candidate_of<one_f_one_b{}>()};
  plan_problem const p{.items = items, .ranks = 4, .minibatch = 8, .memory = 100, .recompute = false, .replicas = false};
  plan_result const found = plan(p, list);
  CHECK(configuration_of(found.best, p) == "one_f_one_b, 8 microbatches of 1 sample, 1 chunk on each of 4 ranks, 1 replica");
  CHECK(
      reason_of(found.best, p) ==
      "a minibatch takes 33; rank 0 works most, and is idle for 27.3 % of it, 9 between ops, the longest 6: to run BW(stage "
      "0, microbatch 0) on rank 0 it waits for BW(stage 1, microbatch 0) on rank 1; rank 0 holds most, 5 bytes of 100");
  CHECK(searched(found) == "4 configurations with 4 groupings; all that there are");
  plan_choice const narrow =
      plan({.items = items, .ranks = 4, .minibatch = 8, .microbatches = 4, .recompute = false}, list).best;
  CHECK(beside(found.best, found.best) == "as fast, holds 5 bytes where the best holds 5");
  CHECK(beside(found.best, narrow) == "37.5 % slower");
  CHECK(configuration_of(narrow, p) == "one_f_one_b, 4 microbatches of 2 samples, 1 chunk on each of 1 rank, 4 replicas");
  CHECK(reason_of(narrow, p).find("; each rank has the whole model, and schedules differ in memory alone; ") !=
        std::string::npos);
  CHECK(reason_of(narrow, p).find("what replicas sum takes no time here, for messages take none") != std::string::npos);
}

TEST_CASE("on one rank all schedules are one, and none is the runner-up of another", "[schedule]") {
  auto const items = alike(4, kept);
  plan_candidate const list[] = {candidate_of<sequential{}>(), candidate_of<one_f_one_b{}>(), candidate_of<gpipe{}>(),
                                 candidate_of<chimera{}>()};
  plan_problem const p{.items = items, .ranks = 2, .minibatch = 8, .recompute = false};
  plan_result const found = plan(p, list);
  CHECK(found.best.replicas == 2);
  CHECK(found.runner_up.ranks == 2);
  CHECK(found.runner_up.name == "chimera");
  CHECK(configuration_of(found.runner_up, p) ==
        "chimera, 8 microbatches of 1 sample, 1 chunk on each of 2 ranks, 2 replicas on the same ranks");
}

TEST_CASE("plans that are nearly as good come as contenders", "[schedule]") {
  std::vector<plan_item> items;
  for (double const t : {3, 1, 4, 1, 5, 9, 2, 6})
    items.push_back({.forward = t, .backward = t + 1, .weight = t, .saved = t});
  plan_candidate const list[] = {candidate_of<one_f_one_b{}>(), candidate_of<zb_h1{}>(),
                                 candidate_of<async_1f1b{}, foal::versions::double_buffered>("two_bw"),
                                 candidate_of<async_1f1b{}>()};
  plan_problem p{.items = items, .ranks = 3, .minibatch = 6, .recompute = false, .replicas = false, .long_run = true};
  plan_choice const alone = plan(p, list).best;
  REQUIRE(plan(p, list).contenders.size() == 1);
  CHECK(plan(p, list).contenders[0].same_as(alone));

  // All that there are, plainly.
  std::vector<double> times;
  for (plan_candidate const& c : list)
    for (int const n : {1, 2, 3, 6})
      for (int a = 1; a < 7; ++a)
        for (int b = a + 1; b < 8; ++b) {
          std::vector<int> group(8, 0);
          for (int i = 0; i < 8; ++i) group[static_cast<std::size_t>(i)] = (i >= a) + (i >= b);
          program made = c.build(3, 3, n, {});
          if (c.name == "two_bw" && n == 1) continue;  // has more than two versions then
          times.push_back(
              steady_of(made.view(), {.side_by_side = false, .stages = plain_times(p, group, 3, n, 1)}).minibatch);
        }
  std::sort(times.begin(), times.end());
  p.contenders = 12;
  for (double const within : {0.0, 0.1, 0.5}) {
    p.within = within;
    plan_result const found = plan(p, list);
    CHECK(found.best.same_as(alone));
    CHECK(found.contenders.front().same_as(alone));
    auto const near =
        std::count_if(times.begin(), times.end(), [&](double t) { return t <= times[0] * (1 + within + 1e-9); });
    REQUIRE(std::ssize(found.contenders) == std::min<std::ptrdiff_t>(near, 12));
    for (std::size_t i = 0; i < found.contenders.size(); ++i) {
      CHECK(found.contenders[i].time == Approx(times[i]));
      for (std::size_t k = 0; k < i; ++k) CHECK(!found.contenders[i].same_as(found.contenders[k]));
    }
  }
  p.contenders = 0;
  CHECK_THROWS_WITH(plan(p, list), "cannot plan with 0 contenders, because the best plan is one; give 1 or more");
}

TEST_CASE("a choice is made again by what is printed of it", "[schedule]") {
  std::vector<plan_item> items;
  for (double const t : {3, 1, 4, 1, 5}) items.push_back({.forward = t, .backward = t, .weight = t});
  plan_candidate const list[] = {candidate_of<chimera{}>(), automatic(), candidate_of<one_f_one_b{}>()};
  plan_problem const p{.items = items, .ranks = 2, .minibatch = 8, .replicas = false};
  for (plan_choice const& c : plan(p, list).of_candidates) {
    plan_choice const again = choice_of(p, list, c.name, c.microbatches, c.group, c.replicas, c.recomputed);
    CHECK(again.same_as(c));
    program made = program_of(c, p, list), same = program_of(again, p, list);
    CHECK(std::equal(made.view().ops.begin(), made.view().ops.end(), same.view().ops.begin(), same.view().ops.end()));
  }
  CHECK(ranges_of({0, 1, 1, 1, 2}) == "0 | 1-3 | 4");
  CHECK_THROWS_WITH(choice_of(p, list, "gpipe", 4, {0, 0, 0, 1, 1}),
                    "cannot choose gpipe, because none of 3 candidates has that name; give the list that has it");
  CHECK_THROWS_WITH(choice_of(p, list, "chimera", 4, {0, 0, 0, 2, 1}), Catch::Contains("are no stages in order"));
  CHECK_THROWS_WITH(choice_of(p, list, "chimera", 3, {0, 0, 0, 1, 1}), Catch::Contains("these the samples; give such"));
}
