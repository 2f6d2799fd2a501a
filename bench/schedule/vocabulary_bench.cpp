// What a vocabulary in parts saves: GPT-2 small (12 layers, 50257 tokens, one tied matrix) on R ranks, windows of 1024
// tokens, microbatches of one, N = 2 R. vocabulary_bench [--json FILE] [--rounds N]
//
// Nothing runs: times are FLOPs (a backward twice its forward) by the replay, bytes are those that a run's plan lists, with
// Adam in float. 1F1B has the stages merged into R of them, as even in FLOPs as can be; vocabulary_1f1b R parts of the
// embedding, R of the output layer, and the rest as it comes.
#include <algorithm>
#include <numeric>

#include <foal/device/host.hpp>
#include <foal/lower/lower.hpp>
#include <foal/model/partition.hpp>
#include <foal/plan/run_plan.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/versions.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/vocabulary_1f1b.hpp>
#include <foal/zoo/gpt.hpp>

#include "../support/outcome.hpp"

namespace {

using namespace foal;

/// Of the rank that has most, and of a minibatch over what it takes where all ranks always work.
struct figures {
  double gibibytes = 0, time = 0;
};

template <class Net, class Loss, class Schedule>
figures figures_of(Schedule const& schedule, int ranks, int n) {
  Loss const loss;
  optim::adam const adam;
  lr::constant const rate;
  delay::none const none;
  versions::flush const versions;
  accumulate::each const each;
  warmup::none const warmup;
  clip::none const clip;
  initialisation::declared const initial;
  schedule::extent const e = schedule::extent_of(schedule, stage_count<Net>, ranks, n);
  table::run_tables const t = lower::lower<Net, device::host, float>(
      schedule, e, lower::by_role(loss, adam, rate, none, versions, each, warmup, clip, initial));
  table::run_values values{.microbatch_size = 1, .microbatches = n, .workers = ranks, .evaluation = false};
  std::vector<int> workers(static_cast<std::size_t>(ranks));
  std::iota(workers.begin(), workers.end(), 0);
  executor::run_plan const plan(t, values, workers);
  std::size_t most = 0;
  for (int w = 0; w < ranks; ++w) most = std::max(most, plan.memory().arena_bytes(w));

  std::vector<schedule::stage_times> times;
  double all = 0;
  for (table::stage_table const& s : t.stages) {
    double const f = static_cast<double>(s.flops);
    times.push_back({.forward = f, .backward = f, .weight = f, .together = 2 * f});
    all += 3 * f;
  }
  schedule::program p = t.phases.back().program;
  double const makespan = schedule::replay(p.view(), {.stages = times}).makespan;
  return {static_cast<double>(most) / (1 << 30), makespan / (all / ranks * n)};
}

template <int Ranks>
void compare(bench::outcome& out) {
  constexpr zoo::gpt_size size{}, in_parts{.vocabulary_parts = Ranks};
  using whole = zoo::gpt<size>;
  using parts = zoo::gpt<in_parts>;
  auto const flops = [](int first, int end) {
    double sum = 0;
    for (int s = first; s < end; ++s) sum += static_cast<double>(forward_flops<parts>(s));
    return sum / Ranks;
  };
  constexpr int last = stage_count<parts> - Ranks;
  double const blocks = flops(Ranks, last), output = flops(last, stage_count<parts>);
  constexpr int n = 2 * Ranks;
  figures const plain = figures_of<balanced<Ranks, whole>, loss::cross_entropy>(schedule::one_f_one_b{}, Ranks, n);
  auto const show = [&](std::string const& what, figures f) {
    out.add(sentence(what, ", R = ", Ranks, ": minibatch over even ranks"), {f.time, f.time, f.time}, "");
    out.add(sentence(what, ", R = ", Ranks, ": largest rank"), {f.gibibytes, f.gibibytes, f.gibibytes}, "GiB");
  };
  show("1F1B", plain);
  for (int const memory : {0, Ranks}) {
    schedule::vocabulary_1f1b const g{.parts = Ranks,
                                      .forward = blocks,
                                      .backward = 2 * blocks,
                                      .output_forward = output,
                                      .output_backward = 2 * output,
                                      .memory = memory};
    show(memory == 0 ? "vocabulary_1f1b" : "the same, .memory = R", figures_of<parts, zoo::gpt_loss<in_parts>>(g, Ranks, n));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 1);
    bench::outcome out("vocabulary_bench", options);
    compare<4>(out);
    compare<8>(out);
    compare<12>(out);
    return out.finish();
  });
}
