// The planner's plans against plans that are made by hand, on two workers that compute. planner_bench [--json FILE]
// [--rounds N]
//
// Beside other work: chrt -r 1 planner_bench.
//
// The translation Transformer (3 + 3 layers, d 256, vocabulary 8000) cut at every weight matrix and norm, minibatches of 32
// pairs of texts of 12 to 24 tokens, and ResNet-20 cut at every block, minibatches of 64; momentum. Passes on single threads
// measure what the stages take in minibatches of 4 and of 8 microbatches; by that the planner finds schedule, N and
// grouping for two ranks, once among schedules with a flush and once among all: of its eight contenders within a hundredth
// of the best, which is what costs can tell, a trial (foal/tried.hpp) takes the fastest. By hand: schedules one knows, for 4
// and for 8 microbatches, over stages even by FLOPs, or by their number. All train in turns, a round being 11 minibatches of
// each, of which the median counts, without the first: from an update of stage 0 to the next one. Whoever is faster than the
// plan within a hundredth is as fast.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/model/stages.hpp>
#include <foal/policy/versions/double_buffered.hpp>
#include <foal/policy/versions/stash.hpp>
#include <foal/schedule/cost/measured_items.hpp>
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
#include <foal/tried.hpp>
#include <foal/zoo/transformer.hpp>

#include <cstdio>
#include <latch>
#include <memory>
#include <optional>
#include <thread>

#include "../../examples/schedules/plan.hpp"
#include "../support/outcome.hpp"
#include "../support/resnet20.hpp"
#include "../support/texts.hpp"
#include "../support/timed_run.hpp"

namespace {

using namespace foal;
using bench::texts;

constexpr int pass_minibatches = 24, steps_of_a_round = 10;

struct translation : zoo::transformer<zoo::transformer_size{.encoder_layers = 3,
                                                            .decoder_layers = 3,
                                                            .width = 256,
                                                            .heads = 8,
                                                            .hidden = 1024,
                                                            .source_vocabulary = texts::vocabulary,
                                                            .target_vocabulary = texts::vocabulary,
                                                            .longest = texts::longest,
                                                            .dropout_percent = 0,
                                                            .where = zoo::norm::before}> {};

/// What a net trains on.
template <class Net>
struct task;
template <>
struct task<translation> {
  static constexpr char const* name = "Transformer";
  static constexpr int minibatch = 32;
  static bench::text_feed feed(int microbatch_size) {
    static texts const data(minibatch);
    return {data, microbatch_size, true};
  }
};
template <>
struct task<bench::resnet20> {
  static constexpr char const* name = "ResNet-20";
  static constexpr int minibatch = bench::few_images::count;
  static bench::few_images feed(int microbatch_size) { return bench::few_images(microbatch_size); }
};

template <class Rule = schedule::own_versions>
bench::timed_program timed(schedule::program p, Rule const& rule = {}) {
  bench::timed_program t{std::move(p), {}};
  t.reads = schedule::reads_of(rule, schedule::versions(t.program.view()));
  return t;
}

/// A run of the program, by one worker or by one a rank.
template <class Net>
class pipeline_run {
 public:
  pipeline_run(bench::timed_program const& of, bool alone)
      : tables_(bench::tables_of<Net, device::host, loss::cross_entropy>(of)),
        updates_(bench::updates_of(of.program)),
        feed_(task<Net>::feed(task<Net>::minibatch / of.program.size().microbatches)) {
    int const n = of.program.size().microbatches, workers = alone ? 1 : tables_.ranks;
    std::vector<int> host;
    for (int r = 0; r < tables_.ranks; ++r) host.push_back(alone ? 0 : r);
    engine_.emplace(tables_, table::run_values{task<Net>::minibatch / n, n, workers, 1, false, 64, !alone},
                    alone ? executor::driver_of<executor::single_thread>() : executor::driver_of<executor::threads>(), host);
  }

  /// Milliseconds of the minibatches but for the first. trace: null, or a buffer per worker.
  std::vector<double> run(int minibatches, report::trace* trace = nullptr) {
    executor::run_request request;
    request.minibatches = minibatches;
    request.source = executor::source_of<float, std::int32_t>(feed_);
    bench::update_times seen;
    seen.at.reserve(static_cast<std::size_t>(minibatches * updates_));
    request.watch = seen.watch();
    request.traces = trace;
    engine_->run(request, 0);
    return bench::windows(seen.at, updates_);
  }
  double median() { return bench::quantile(run(steps_of_a_round + 1), 0.5); }

 private:
  table::run_tables tables_;
  int updates_;
  decltype(task<Net>::feed(1)) feed_;
  std::optional<executor::engine> engine_;
};

/// A plan, and what its runs have taken.
template <class Net>
struct contender {
  std::string name;
  bench::timed_program program;
  double predicted = 0;
  std::unique_ptr<pipeline_run<Net>> run{};
  std::vector<double> took{};
};

template <class Net>
class comparison {
 public:
  explicit comparison(bench::outcome& out) : out_(out) {
    // A grouping's problems point to what has been measured, so that comes first.
    for (int const n : numbers) items_.push_back(measured(n));
    double const bandwidth = bytes_summed(items_[0]);
    for (std::size_t i = 0; i < items_.size(); ++i)
      problems_.push_back({.items = items_[i],
                           .ranks = 2,
                           .minibatch = minibatch,
                           .microbatches = numbers[i],
                           .bandwidth = bandwidth,
                           .recompute = false,
                           .replicas = false,
                           .long_run = true,
                           .contenders = most_contenders,
                           .within = within});
    for (bool const asynchronous : {false, true}) {
      all_.push_back(planned(asynchronous));
      for (schedule::plan_problem const& p : problems_) by_hand(p, asynchronous);
    }
  }

  void measure(int rounds) {
    for (contender<Net>& c : all_) c.run = std::make_unique<pipeline_run<Net>>(c.program, false);
    for (int round = -1; round < rounds; ++round)
      for (std::size_t k = 0; k < all_.size(); ++k) {
        contender<Net>& c = all_[round % 2 == 0 ? k : all_.size() - 1 - k];
        double const ms = round < 0 ? c.run->run(3).back() : c.run->median();
        if (round >= 0) c.took.push_back(ms);  // the first time everything is slower
      }
    contender<Net> const* plan = nullptr;
    for (contender<Net> const& c : all_) {
      bool const is_plan = c.name.rfind("plan", 0) == 0;
      if (is_plan) plan = &c;
      std::string const of = foal::sentence(task<Net>::name, ", ", c.name);
      out_.add(of, bench::spread_of(c.took), "ms");
      std::vector<double> const says(c.took.size(), c.predicted);
      out_.add("  time over the replay's", bench::ratio_of(c.took, says), "");
      if (!is_plan) out_.at_least("  time over the plan's", bench::ratio_of(c.took, plan->took), "", 0.99);
    }
  }

 private:
  static constexpr int depth = stage_count<Net>, minibatch = task<Net>::minibatch;
  static constexpr int numbers[] = {4, 8};  // of microbatches
  static constexpr int most_contenders = 8, trial_rounds = 5;
  static constexpr double within = 0.01;

  /// What the stages take in microbatches of minibatch / n samples, B and W apart: from two single threads side by side, as
  /// two workers are, so that what they share of caches and memory is in it.
  static std::vector<schedule::plan_item> measured(int n) {
    bench::timed_program const apart = timed(schedule::generate(schedule::zb_h1{}, {depth, 1, n}));
    pipeline_run<Net> first(apart, true), second(apart, true);
    report::trace trace(1, static_cast<std::size_t>(depth * (3 * n + 1) * pass_minibatches));
    std::latch start(2);
    auto const pass = [&](pipeline_run<Net>& r, int cpu, report::trace* to) {
      executor::pin_to_cpu(cpu);
      start.arrive_and_wait();
      r.run(pass_minibatches, to);
    };
    std::thread one([&] { pass(first, 0, &trace); }), other([&] { pass(second, 1, nullptr); });
    one.join();
    other.join();
    std::vector<schedule::plan_item> items = schedule::measured_items(trace.spans(), depth, minibatch / n, n);
    for (int s = 0; s < depth; ++s)
      items[static_cast<std::size_t>(s)].weights = static_cast<double>(parameter_count<Net>(s)) * sizeof(float);
    return items;
  }

  /// Bytes of gradients that a rank sends, takes and adds up in a second, where two replicas sum them: what a minibatch
  /// takes longer for it on a single thread, which does it for both, beside the second update.
  static double bytes_summed(std::vector<schedule::plan_item> const& items) {
    constexpr int n = numbers[0];
    pipeline_run<Net> one(timed(schedule::generate(schedule::gpipe{}, {depth, 1, n})), true),
        two(timed(schedule::with_replicas(schedule::generate(schedule::gpipe{}, {depth, 1, n / 2}), 2)), true);
    double updates = 0, bytes = 0;
    for (schedule::plan_item const& i : items) updates += i.update, bytes += i.weights;
    auto const took = bench::take_turns(
        3, [&] { return one.median(); }, [&] { return two.median(); });
    double const seconds = 1e-3 * bench::difference_of(took[1], took[0]).median - updates;
    return seconds > 0 ? 2 * bytes / seconds : std::numeric_limits<double>::max();
  }

  /// By the costs of the stages, in milliseconds.
  static double predicted(schedule::program p, schedule::plan_problem const& costs) {
    std::vector<int> group;
    for (int s = 0; s < depth; ++s) group.push_back(s);
    auto const times =
        schedule::times_of(costs, group, depth, static_cast<double>(minibatch) / costs.microbatches, p.size().replicas);
    return 1e3 *
           bench::quantile(
               bench::predicted(p, {.side_by_side = false, .stages = times}, costs.microbatches, steps_of_a_round + 1), 0.5);
  }

  static std::vector<int> even_by_number(int stages) {
    std::vector<int> group;
    for (int s = 0; s < depth; ++s) group.push_back(s * stages / depth);
    return group;
  }
  static std::vector<int> even_by_flops(int stages) {
    std::vector<long long> cost;
    for (int s = 0; s < depth; ++s) cost.push_back(forward_flops<Net>(s));
    return min_max_partition(cost, stages);
  }

  /// Plans that one would make, by FLOPs but for one.
  void by_hand(schedule::plan_problem const& costs, bool asynchronous) {
    using namespace schedule;
    int const n = costs.microbatches;
    auto const add = [&]<class G, class Rule = own_versions>(G const& g, int chunks, bool by_number = false,
                                                             std::string const& name = G::name, Rule const& rule = {}) {
      program p = refined(generate(g, extent_of(g, 2 * chunks, 2, n)),
                          by_number ? even_by_number(2 * chunks) : even_by_flops(2 * chunks));
      double const says = predicted(p, costs);
      all_.push_back(
          {foal::sentence(name, ", N = ", n, by_number ? ", as many stages" : ""), timed(std::move(p), rule), says});
    };
    if (asynchronous) {
      add(async_1f1b{}, 1, false, "two_bw", versions::double_buffered{});
      add(async_1f1b{}, 1);
      add(pipemare{}, 1);
      return;
    }
    add(one_f_one_b{}, 1, true);
    add(one_f_one_b{}, 1);
    add(gpipe{}, 1);
    add(zb_h1{}, 1);
    add(interleaved{}, 2);
  }

  /// Of the planner's choices for the numbers of microbatches that have been measured the fastest in a trial.
  contender<Net> planned(bool asynchronous) const {
    using namespace schedule;
    auto const list = schedules::plan_candidates(asynchronous);
    std::vector<plan_choice> near;
    for (plan_problem const& p : problems_) {
      plan_result const found = plan(p, list);
      near.insert(near.end(), found.contenders.begin(), found.contenders.end());
    }
    std::stable_sort(near.begin(), near.end(), [](plan_choice const& a, plan_choice const& b) { return a.better_than(b); });
    if (near.size() > most_contenders) near.resize(most_contenders);
    std::erase_if(near, [&](plan_choice const& c) { return c.time > near.front().time * (1 + within); });
    auto const made = [&](plan_choice const& c) { return by_rule(c, program_of(c, problem_of(c), list)); };
    trial const found = tried(near, trial_rounds, [&](plan_choice const& c) {
      return [run = std::make_shared<pipeline_run<Net>>(made(c), false)] { return 1e-3 * run->median(); };
    });
    plan_choice const& best = found.best();
    plan_problem const& of = problem_of(best);
    std::printf("%s, a trial of %zu contenders, the fastest marked:\n%s", task<Net>::name, near.size(),
                text_of(found, of).c_str());
    std::printf("  %s\n", reason_of(best, of).c_str());
    return {foal::sentence("plan", asynchronous ? " with late ones: " : ": ", best.name, ", N = ", best.microbatches),
            made(best), predicted(program_of(best, of, list), of)};
  }
  schedule::plan_problem const& problem_of(schedule::plan_choice const& c) const {
    return problems_[c.microbatches == numbers[0] ? 0 : 1];
  }
  static bench::timed_program by_rule(schedule::plan_choice const& c, schedule::program p) {
    if (c.name == "two_bw") return timed(std::move(p), versions::double_buffered{});
    if (c.name == "pipedream") return timed(std::move(p), versions::stash{});
    return timed(std::move(p));
  }

  bench::outcome& out_;
  std::vector<std::vector<schedule::plan_item>> items_;
  std::vector<schedule::plan_problem> problems_;
  std::vector<contender<Net>> all_;
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 5);
    bench::outcome out("planner_bench", options);
    bench::need_two_cpus();
    comparison<translation>(out).measure(options.rounds);
    comparison<bench::resnet20>(out).measure(options.rounds);
    return out.finish();
  });
}
