// Speed-up of a pipeline of two workers over one. pipeline_bench [--json FILE] [--rounds N]
//
// An MLP of 16 layers of 512, in two stages of equal work, trains by asynchronous 1F1B in microbatches of 8. On a perfect
// machine two workers are as fast as two independent copies of the one-worker run side by side, times the busy share that
// the schedule allows. So beside the speed-up two numbers are measured or computed in the same run: s, the joint rate of two
// such copies over the rate of one alone (below 2 where caches, memory or turbo are shared), and the schedule's busy share
// with op costs in proportion to FLOPs, fill and drain included. Replicas of the pipeline, whose gradients are summed every
// minibatch, are the other way to use two workers: the same minibatches, on 2 and on 4 of them.
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/trainer.hpp>
#include <latch>
#include <thread>

#include "../support/outcome.hpp"

namespace {

constexpr int width = 512, depth = 16, microbatch_size = 8, microbatches = 8, minibatches = 8;

struct mlp
    : foal::stages<foal::input<width>, foal::repeat<depth - 1, foal::linear<width>, foal::relu>, foal::linear<width>> {};
using run = foal::trainer<foal::balanced<2, mlp>, foal::loss::cross_entropy, foal::schedule::async_1f1b>;

struct samples {
  void inputs(long long m, float* x, float*) const {
    foal::random_key const key{1, foal::purpose::user, 0, static_cast<std::uint64_t>(m % 64)};
    for (int i = 0; i < microbatch_size * width; ++i) x[i] = foal::random_unit(key, static_cast<std::uint32_t>(i));
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < microbatch_size; ++i) t[i] = static_cast<std::int32_t>((m * microbatch_size + i) % width);
  }
};

run::config settings(int workers, int replicas = 1) {
  return {.microbatch_size = microbatch_size,
          .microbatches = microbatches,
          .workers = workers,
          .replicas = replicas,
          .lr = {.rate = 1e-4},
          .evaluation = false,
          .pin = workers > 1};
}

/// Samples per second of one training of `minibatches` minibatches.
double rate(run& t) {
  foal::executor::run_request request;
  request.minibatches = minibatches;
  return minibatches * microbatches * microbatch_size / t.run(samples{}, request).seconds;
}

/// The same in a thread bound to a CPU; workers inherit the binding.
double rate_on(run& t, int cpu, std::latch& start) {
  double r = 0;
  std::thread([&] {
    foal::executor::pin_to_cpu(cpu);
    start.arrive_and_wait();
    r = rate(t);
  }).join();
  return r;
}

/// Busy share of two workers. Stage 0 needs no gradient for its first layer's input: of three products a layer, one less.
double busy_share() {
  foal::schedule::program program = foal::schedule::generate(foal::schedule::async_1f1b{}, {2, 2, microbatches});
  double const products = 3.0 * depth / 2;
  double const factor[] = {(products - 1) / products, 1};
  return foal::schedule::replay(program.view(), {.stage_factor = factor}, minibatches).utilisation;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 11);
    bench::outcome out("pipeline_bench", options);
    bench::need_two_cpus();
    run first(settings(1)), second(settings(1)), both(settings(2)), two(settings(2, 2)), four(settings(2, 4));
    auto const alone = [](run& t, int cpu) {
      std::latch start(1);
      return rate_on(t, cpu, start);
    };
    auto const rates = bench::take_turns(
        options.rounds, [&] { return (alone(first, 0) + alone(second, 1)) / 2; },
        [&] {
          std::latch start(2);
          double other = 0;
          std::thread side([&] { other = rate_on(second, 1, start); });
          double const own = rate_on(first, 0, start);
          side.join();
          return own + other;
        },
        [&] { return rate(both); }, [&] { return rate(two); }, [&] { return rate(four); });
    double const ideal = busy_share();
    std::vector<double> wanted;
    for (double const joint : rates[1]) wanted.push_back(ideal * joint);
    out.add("one worker", bench::spread_of(rates[0]), "samples/s");
    out.add("two independent copies", bench::spread_of(rates[1]), "samples/s");
    out.add("two workers", bench::spread_of(rates[2]), "samples/s");
    out.add("two replicas on two workers", bench::spread_of(rates[3]), "samples/s");
    out.add("four replicas on two workers", bench::spread_of(rates[4]), "samples/s");
    out.add("speed-up of two workers", bench::ratio_of(rates[2], rates[0]), "");
    out.add("speed-up of two replicas", bench::ratio_of(rates[3], rates[0]), "");
    out.add("s, two copies over one", bench::ratio_of(rates[1], rates[0]), "");
    out.add("busy share of the schedule", {ideal, ideal, ideal}, "");
    out.at_least("speed-up / (busy share x s)", bench::ratio_of(rates[2], wanted), "", 0.93);
    return out.finish();
  });
}
