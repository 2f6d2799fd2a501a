// Two workers against one thread, on ResNet-20. two_workers_bench [--json FILE] [--rounds N]
//
// One side trains ResNet-20 by asynchronous 1F1B in two stages of equal work, microbatches of 8, a thread each; the other
// takes the same minibatch of 64 whole, on one thread: what a user without a pipeline would do. Beside the speed-up stand
// its two parts: microbatches of 8 against whole minibatches on one thread, and s, the joint rate of two independent copies
// of that over the rate of one alone (below 2 where caches, memory or turbo are shared), which no pipeline can exceed.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>
#include <latch>
#include <thread>

#include "../support/outcome.hpp"
#include "../support/resnet20.hpp"

namespace {

constexpr int minibatch = bench::few_images::count, minibatches = 6;

template <class Schedule>
using run = foal::trainer<bench::resnet20, foal::loss::cross_entropy, Schedule, foal::optim::momentum>;
using alone = run<foal::schedule::sequential>;
using pipeline = run<foal::schedule::async_1f1b>;

template <class Trainer>
struct side {
  bench::few_images data;
  Trainer trainer;

  side(int microbatch_size, int workers)
      : data(microbatch_size),
        trainer({.microbatch_size = microbatch_size,
                 .microbatches = minibatch / microbatch_size,
                 .workers = workers,
                 .ranks = workers,
                 .lr = {.rate = 1e-3},
                 .evaluation = false,
                 .pin = workers > 1}) {}

  /// Samples per second of one training of `minibatches` minibatches.
  double rate() {
    foal::executor::run_request request;
    request.minibatches = minibatches;
    return minibatches * minibatch / trainer.run(data, request).seconds;
  }

  /// The same in a thread bound to a CPU; a worker inherits the binding.
  double rate_on(int cpu, std::latch& start) {
    double r = 0;
    std::thread([&] {
      foal::executor::pin_to_cpu(cpu);
      start.arrive_and_wait();
      r = rate();
    }).join();
    return r;
  }
  double rate_alone() {
    std::latch start(1);
    return rate_on(0, start);
  }
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 9);
    bench::outcome out("two_workers_bench", options);
    bench::need_two_cpus();
    side<alone> whole(minibatch, 1), copy(minibatch, 1), thin(8, 1);
    side<pipeline> both(8, 2);
    auto const rates = bench::take_turns(
        options.rounds, [&] { return whole.rate_alone(); },
        [&] {
          std::latch start(2);
          double other = 0;
          std::thread second([&] { other = copy.rate_on(1, start); });
          double const first = whole.rate_on(0, start);
          second.join();
          return first + other;
        },
        [&] { return thin.rate_alone(); }, [&] { return both.rate(); });
    out.add("one thread, whole minibatches of 64", bench::spread_of(rates[0]), "samples/s");
    out.add("one thread, microbatches of 8", bench::spread_of(rates[2]), "samples/s");
    out.add("two workers, microbatches of 8", bench::spread_of(rates[3]), "samples/s");
    out.add("microbatches of 8 over whole minibatches", bench::ratio_of(rates[2], rates[0]), "");
    out.add("s, two copies over one", bench::ratio_of(rates[1], rates[0]), "");
    out.at_least("two workers over one thread", bench::ratio_of(rates[3], rates[0]), "", 1.6);
    return out.finish();
  });
}
