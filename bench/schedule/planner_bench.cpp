// The planner's plans against plans that are made by hand, on two workers that compute. planner_bench [--json FILE]
// [--rounds N]
//
// Beside other work: chrt -r 1 planner_bench.
//
// The translation Transformer (3 + 3 layers, d 256, vocabulary 8000) cut at every weight matrix and norm, minibatches of 32
// pairs of texts of 12 to 24 tokens, momentum. A pass on a single thread measures what the stages take in microbatches of 8
// and of 4 samples; the planner chooses schedule and grouping for two ranks by that. By hand, for 4 and for 8 microbatches:
// a schedule one knows, over stages that are even by their number or by FLOPs. All train in turns, a round being
// some minibatches of each, of which the median counts: from an update of stage 0 to the next one.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/model/stages.hpp>
#include <foal/policy/versions/double_buffered.hpp>
#include <foal/policy/versions/stash.hpp>
#include <foal/schedule/cost/measured_items.hpp>
#include <foal/schedule/cost/plan_text.hpp>
#include <foal/schedule/cost/planner.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/k_f_k_b.hpp>
#include <foal/schedule/rules/looped_bfs.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/refined.hpp>
#include <foal/schedule/rules/zb_auto.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/schedule/rules/zb_h2.hpp>
#include <foal/schedule/rules/zb_v.hpp>
#include <foal/zoo/transformer.hpp>

#include <cstdio>
#include <memory>
#include <optional>

#include "../../examples/schedules/plan.hpp"
#include "../support/outcome.hpp"
#include "../support/texts.hpp"
#include "../support/timed_run.hpp"

namespace {

using namespace foal;
using bench::texts;

constexpr int minibatch = 32, pass_minibatches = 12, steps_of_a_round = 10;
struct net : zoo::transformer<zoo::transformer_size{.encoder_layers = 3,
                                                    .decoder_layers = 3,
                                                    .width = 256,
                                                    .heads = 8,
                                                    .hidden = 1024,
                                                    .source_vocabulary = texts::vocabulary,
                                                    .target_vocabulary = texts::vocabulary,
                                                    .longest = texts::longest,
                                                    .dropout_percent = 0,
                                                    .where = zoo::norm::before}> {};
constexpr int depth = stage_count<net>;

/// A run of the program, by one worker or by one a rank.
class pipeline_run {
 public:
  pipeline_run(bench::timed_program const& of, texts const& data, bool alone)
      : tables_(bench::tables_of<net, device::host, loss::cross_entropy>(of)),
        updates_(bench::updates_of(of.program)),
        data_{data, minibatch / of.program.size().microbatches, true} {
    int const n = of.program.size().microbatches, workers = alone ? 1 : tables_.ranks;
    std::vector<int> host;
    for (int r = 0; r < tables_.ranks; ++r) host.push_back(alone ? 0 : r);
    engine_.emplace(tables_, table::run_values{minibatch / n, n, workers, 1, false, 64, !alone},
                    alone ? executor::driver_of<executor::single_thread>() : executor::driver_of<executor::threads>(), host);
  }

  /// Milliseconds of the minibatches but for the first. trace: null, or a buffer per worker.
  std::vector<double> run(int minibatches, report::trace* trace) {
    executor::run_request request;
    request.minibatches = minibatches;
    request.source = executor::source_of<float, std::int32_t>(data_);
    bench::update_times seen;
    seen.at.reserve(static_cast<std::size_t>(minibatches * updates_));
    request.watch = seen.watch();
    request.traces = trace;
    engine_->run(request, 0);
    return bench::windows(seen.at, updates_);
  }

 private:
  table::run_tables tables_;
  int updates_;
  bench::text_feed data_;
  std::optional<executor::engine> engine_;
};

template <class Rule = schedule::own_versions>
bench::timed_program timed(schedule::program p, Rule const& rule = {}) {
  bench::timed_program t{std::move(p), {}};
  t.reads = schedule::reads_of(rule, schedule::versions(t.program.view()));
  return t;
}

/// What the stages take in microbatches of minibatch / n samples, B and W apart.
std::vector<schedule::plan_item> items_of(int n, texts const& data) {
  pipeline_run one(timed(schedule::generate(schedule::zb_h1{}, {depth, 1, n})), data, true);
  report::trace trace(1, static_cast<std::size_t>(depth * (3 * n + 1) * pass_minibatches));
  one.run(pass_minibatches, &trace);
  std::vector<schedule::plan_item> items = schedule::measured_items(trace.spans(), depth, minibatch / n);
  for (int s = 0; s < depth; ++s)
    items[static_cast<std::size_t>(s)].weights = static_cast<double>(parameter_count<net>(s)) * sizeof(float);
  return items;
}

/// A plan, and what its runs have taken.
struct contender {
  std::string name;
  bench::timed_program program;
  double predicted = 0;
  std::unique_ptr<pipeline_run> run{};
  std::vector<double> took{};
};

/// By the costs of the stages.
double predicted(schedule::program p, schedule::plan_problem const& costs) {
  std::vector<int> group;
  for (int s = 0; s < depth; ++s) group.push_back(s);
  auto const times = schedule::times_of(costs, group, depth, static_cast<double>(minibatch) / costs.microbatches, 1);
  return 1e3 * bench::quantile(
      bench::predicted(p, {.side_by_side = false, .stages = times}, costs.microbatches, steps_of_a_round + 1), 0.5);
}

std::vector<int> even_by_number(int stages) {
  std::vector<int> group;
  for (int s = 0; s < depth; ++s) group.push_back(s * stages / depth);
  return group;
}
std::vector<int> even_by_flops(int stages) {
  std::vector<long long> cost;
  for (int s = 0; s < depth; ++s) cost.push_back(forward_flops<net>(s));
  return min_max_partition(cost, stages);
}

/// Plans of all that one knows, for n microbatches.
void by_hand(std::vector<contender>& all, schedule::plan_problem const& costs, bool asynchronous) {
  using namespace schedule;
  int const n = costs.microbatches;
  auto const add = [&]<class G, class Rule = own_versions>(G const& g, int chunks, std::vector<int> const& group,
                                                           std::string const& even, Rule const& rule = {},
                                                           std::string name = G::name) {
    program p = refined(generate(g, extent_of(g, 2 * chunks, 2, n)), group);
    double const says = predicted(p, costs);
    all.push_back({foal::sentence(name, ", N = ", n, even), timed(std::move(p), rule), says});
  };
  if (!asynchronous) {
    add(one_f_one_b{}, 1, even_by_number(2), ", even by number");
    add(one_f_one_b{}, 1, even_by_flops(2), "");
    add(gpipe{}, 1, even_by_flops(2), "");
    add(zb_h1{}, 1, even_by_flops(2), "");
    add(interleaved{}, 2, even_by_flops(4), "");
    return;
  }
  add(async_1f1b{}, 1, even_by_flops(2), "", versions::double_buffered{}, "two_bw");
  add(async_1f1b{}, 1, even_by_flops(2), "");
  add(pipemare{}, 1, even_by_flops(2), "");
}

/// The best of the planner's choices for the numbers of microbatches that have been measured.
contender planned(std::vector<schedule::plan_problem> const& problems, bool asynchronous) {
  using namespace schedule;
  auto const list = schedules::plan_candidates(asynchronous);
  plan_choice best;
  plan_problem of;
  for (plan_problem const& p : problems) {
    plan_result const found = plan(p, list);
    for (plan_choice const& c : found.of_candidates)
      std::printf("    N = %d: %-18s %.1f ms\n", p.microbatches, std::string(c.name).c_str(), 1e3 * c.time);
    if (found.best.better_than(best)) best = found.best, of = p;
  }
  std::printf("  %s: %s\n", configuration_of(best, of).c_str(), reason_of(best, of).c_str());
  plan_candidate const& c = list[static_cast<std::size_t>(best.candidate)];
  int const stages = best.ranks * best.chunks;
  stage_times mean = times_of(of, std::vector<int>(of.items.size(), 0), 1, 1.0 * minibatch / of.microbatches / stages, 1)[0];
  program p = refined(c.build(stages, best.ranks, best.microbatches, mean), best.group);
  double const says = predicted(p, of);
  std::string name = foal::sentence("plan", asynchronous ? ", asynchronous ones too: " : ": ", best.name, ", N = ", best.microbatches);
  if (best.name == "two_bw") return {name, timed(std::move(p), versions::double_buffered{}), says};
  if (best.name == "pipedream") return {name, timed(std::move(p), versions::stash{}), says};
  return {name, timed(std::move(p)), says};
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 5);
    bench::outcome out("planner_bench", options);
    require(std::thread::hardware_concurrency() >= 2,
            "cannot measure two workers, because this machine has one CPU; use one with two");
    texts const data(minibatch);
    std::vector<std::vector<schedule::plan_item>> items;
    std::vector<schedule::plan_problem> problems;
    for (int const n : {4, 8}) items.push_back(items_of(n, data));
    for (auto const& i : items)
      problems.push_back({.items = i,
                          .ranks = 2,
                          .minibatch = minibatch,
                          .microbatches = problems.empty() ? 4 : 8,
                          .recompute = false,
                          .replicas = false});
    std::vector<contender> all;
    for (bool const asynchronous : {false, true}) {
      all.push_back(planned(problems, asynchronous));
      for (schedule::plan_problem const& p : problems) by_hand(all, p, asynchronous);
    }
    for (contender& c : all) c.run = std::make_unique<pipeline_run>(c.program, data, false);
    for (int round = -1; round < options.rounds; ++round)
      for (std::size_t k = 0; k < all.size(); ++k) {
        contender& c = all[round % 2 == 0 ? k : all.size() - 1 - k];
        double const ms = bench::quantile(c.run->run((round < 0 ? 2 : steps_of_a_round) + 1, nullptr), 0.5);
        if (round >= 0) c.took.push_back(ms);  // the first time everything is slower
      }
    contender const* plan = nullptr;
    for (contender const& c : all) {
      out.add(c.name + ", ms of a minibatch", bench::spread_of(c.took), "ms");
      out.add("  the replay's", {c.predicted, c.predicted, c.predicted}, "ms");
      bool const is_plan = c.name.rfind("plan", 0) == 0;
      if (is_plan) plan = &c;
      if (!is_plan) out.at_least("  over the plan's", bench::ratio_of(c.took, plan->took), "", 1);
    }
    return out.finish();
  });
}
