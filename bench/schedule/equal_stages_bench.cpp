// Two workers that compute: how long a minibatch takes by five schedules, over what the replay of the program says with the
// costs of ops from a pass of its own on single threads. equal_stages_bench [--json FILE] [--rounds N]
//
// Beside other work: chrt -r 1 equal_stages_bench.
//
// Four stages of linear<512> on two ranks, microbatches of 64, N = 8, momentum. The pass runs the same program on the single
// thread and takes the median of each op of each stage (the first stage has no gradient of its input to compute, so its
// backward is shorter). Two such threads run side by side, each on a CPU of its own, as two workers do: what they share,
// caches and memory, is in the costs then. A round is such a pass and 20 minibatches behind it, of which the median counts:
// from an update of stage 0 to the next one.
#include <foal/report/trace.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/zb_v.hpp>

#include <cstdio>
#include <latch>
#include <map>
#include <optional>
#include <thread>

#include "../support/outcome.hpp"
#include "../support/timed_run.hpp"

namespace {

using namespace foal;

constexpr int width = 512, depth = 4, samples = 64, microbatches = 8, pass_minibatches = 20, steps_of_a_round = 20;
struct net : stages<input<width>, repeat<depth, linear<width>>> {};

/// Made beforehand, so that to read them takes little of the first stage's time.
class noise {
 public:
  void inputs(long long, float* x, float*) const { std::copy(values_.begin(), values_.end(), x); }
  void targets(long long, float* t) const { std::copy(values_.begin(), values_.end(), t); }

 private:
  std::vector<float> values_ = [] {
    std::vector<float> all(static_cast<std::size_t>(samples) * width);
    for (std::size_t i = 0; i < all.size(); ++i)
      all[i] = random_unit({1, purpose::user, 0, 0}, static_cast<std::uint32_t>(i));
    return all;
  }();
};

/// A run of the program, by one worker or by one a rank.
class training {
 public:
  training(bench::timed_program const& of, bool alone) : tables_(bench::tables_of<net, device::host>(of)) {
    int const n = of.program.size().microbatches;
    times_ = microbatches / n;
    updates_ = times_ * bench::updates_of(of.program);
    workers_ = alone ? 1 : tables_.ranks;
    std::vector<int> workers;
    for (int r = 0; r < tables_.ranks; ++r) workers.push_back(alone ? 0 : r);
    engine_.emplace(tables_, table::run_values{samples, n, workers_, 1, false, 64, !alone},
                    alone ? executor::driver_of<executor::single_thread>() : executor::driver_of<executor::threads>(),
                    workers);
  }

  /// Milliseconds of the minibatches but for the first. trace: null, or a buffer per worker.
  std::vector<double> run(int minibatches, report::trace* trace) {
    executor::run_request request;
    request.minibatches = static_cast<long long>(minibatches) * times_;
    request.source = executor::source_of<float, float>(data_);
    bench::update_times seen;
    seen.at.reserve(static_cast<std::size_t>(minibatches * updates_));
    request.watch = seen.watch();
    request.traces = trace;
    engine_->run(request, 0);
    return bench::windows(seen.at, updates_);
  }

 private:
  table::run_tables tables_;
  noise data_;
  int times_ = 1, updates_ = 1, workers_ = 1;
  std::optional<executor::engine> engine_;
};

/// Of each stage, in milliseconds, from two single threads side by side.
std::vector<schedule::stage_times> costs_of(training& first, training& second) {
  constexpr std::size_t most_ops = depth * (3 * microbatches + microbatches) * pass_minibatches;
  report::trace trace(1, most_ops);
  std::latch start(2);
  auto const pass = [&](training& t, int cpu, report::trace* to) {
    executor::pin_to_cpu(cpu);
    start.arrive_and_wait();
    t.run(pass_minibatches, to);
  };
  std::thread one([&] { pass(first, 0, &trace); }), other([&] { pass(second, 1, nullptr); });
  one.join();
  other.join();
  std::map<std::pair<std::string, int>, std::vector<double>> found;
  for (report::span const& s : trace.spans())
    found[{s.kind, s.stage}].push_back(static_cast<double>(s.end_ns - s.begin_ns) * 1e-6);
  auto const median = [&](char const* kind, int stage) {
    auto const at = found.find({kind, stage});
    return at == found.end() ? 0.0 : bench::quantile(at->second, 0.5);
  };
  std::vector<schedule::stage_times> costs;
  for (int s = 0; s < depth; ++s)
    costs.push_back({.forward = median("F", s),
                     .backward = median("B", s),
                     .weight = median("W", s),
                     .together = median("BW", s),
                     .update = median("U", s)});
  return costs;
}

template <class Schedule, class Rule = schedule::own_versions>
void measure(bench::outcome& out, std::string const& name, int rounds) {
  Schedule const g{};
  bench::timed_program p{schedule::generate(g, schedule::extent_of(g, depth, 2, microbatches)), {}};
  p.reads = schedule::reads_of(Rule{}, schedule::versions(p.program.view()));
  training first(p, true), second(p, true), both(p, false);
  std::vector<double> is, says;
  for (int round = -1; round < rounds; ++round) {
    std::vector<schedule::stage_times> const costs = costs_of(first, second);
    std::vector<double> const steps = both.run(steps_of_a_round + 1, nullptr);
    if (round < 0) continue;  // the first time everything is slower
    is.push_back(bench::quantile(steps, 0.5));
    says.push_back(bench::quantile(
        bench::predicted(p.program, {.side_by_side = false, .stages = costs}, microbatches, steps_of_a_round + 1), 0.5));
  }
  out.add("a minibatch by the replay, " + name, bench::spread_of(says), "ms");
  out.at_most("time over the replay's, " + name, bench::ratio_of(is, says), "", 1.05);
  out.at_least("no less, " + name, bench::ratio_of(is, says), "", 0.95);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 9);
    bench::outcome out("equal_stages_bench", options);
    bench::need_two_cpus();
    measure<schedule::gpipe>(out, "gpipe", options.rounds);
    measure<schedule::one_f_one_b>(out, "one_f_one_b", options.rounds);
    measure<schedule::interleaved>(out, "interleaved", options.rounds);
    measure<schedule::zb_v>(out, "zb_v", options.rounds);
    measure<schedule::async_1f1b, versions::double_buffered>(out, "two_bw", options.rounds);
    return out.finish();
  });
}
