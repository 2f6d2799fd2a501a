// Two processes against two threads, on ResNet-20. mpirun -n 2 --bind-to none mpi_two_workers_bench [--json FILE] [--rounds
// N]
//
// Both sides train ResNet-20 by asynchronous 1F1B in two stages of equal work, microbatches of 8, minibatches of 64: one
// process with a thread for each stage, or two processes. While the former is at work the second process sleeps.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/mpi.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/trainer.hpp>

#include <chrono>
#include <thread>

#include "../support/outcome.hpp"
#include "../support/resnet20.hpp"

namespace {

using namespace foal;

constexpr int microbatch = 8, minibatch = bench::few_images::count, minibatches = 6;

template <class Executor>
using run = trainer<bench::resnet20, loss::cross_entropy, schedule::async_1f1b, optim::momentum, Executor>;

template <class Trainer>
typename Trainer::config values(int workers) {
  typename Trainer::config c;
  c.microbatch_size = microbatch;
  c.microbatches = minibatch / microbatch;
  c.workers = workers;
  c.ranks = 2;
  c.lr.rate = 1e-3F;
  c.evaluation = false;
  c.pin = workers > 1;
  return c;
}

/// Waits for the other process, and leaves the core to it.
void meet() {
  MPI_Request request;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  for (int met = 0; met == 0;) {
    MPI_Test(&request, &met, MPI_STATUS_IGNORE);
    if (met == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    transport::mpi_session const session(argc, argv);
    transport::process_place const here = transport::mpi::place();
    require(here.count == 2, "cannot compare two processes with two threads in ", here.count,
            " processes; start two: mpirun -n 2");
    if (here.number != 0) require(std::freopen("/dev/null", "w", stdout) != nullptr, "cannot be quiet");
    bench::options const options(argc, argv, 9);
    bench::outcome out("mpi_two_workers_bench", options);
    bench::few_images const data(microbatch);
    run<executor::threads> threads(values<run<executor::threads>>(2));
    run<executor::processes> processes(values<run<executor::processes>>(1));
    auto const rate = [&](auto& t) { return minibatches * minibatch / t.run(data, {.minibatches = minibatches}).seconds; };
    auto const rates = bench::take_turns(
        options.rounds,
        [&] {
          double const r = here.number == 0 ? rate(threads) : 1;
          meet();
          return r;
        },
        [&] {
          executor::pinned const on(here.number);
          double const r = rate(processes);
          meet();
          return r;
        });
    out.add("two threads", bench::spread_of(rates[0]), "samples/s");
    out.add("two processes", bench::spread_of(rates[1]), "samples/s");
    out.at_least("two processes over two threads", bench::ratio_of(rates[1], rates[0]), "", 0.95);
    return here.number == 0 ? out.finish() : 0;
  });
}
