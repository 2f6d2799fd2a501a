// Replicas on emulated GPUs of several processes, which are threads, add up over emulated NCCL in the order of their
// numbers.
#include <foal/nccl.hpp>

#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/data/memory.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/replica/delayed.hpp>
#include <foal/policy/replica/sharded.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <mutex>

#include "../support/cuda_array.hpp"
#include "../support/emulation/runtime.hpp"
#include "../support/rooms.hpp"

namespace {

using namespace foal::test;
using foal::transport::nccl;

struct shared;
/// Two stages, of which the second borrows a layer of the first; each has as many elements as four parts of 16.
struct net : foal::stages<foal::input<6>, foal::linear<8>, foal::tanh, foal::tied<shared, foal::linear<8>>, foal::tanh,
                          foal::linear<8>, foal::tanh, foal::tied<shared, foal::linear<8>>, foal::linear<3>> {};

template <class Schedule, class Executor, class... Policies>
using run_by = foal::trainer<net, foal::loss::cross_entropy, Schedule, foal::optim::momentum, foal::on<foal::device::cuda>,
                             Executor, Policies...>;

foal::data::memory<float, std::int32_t> table() {
  std::size_t const samples = 48;
  auto x = numbers<float>(samples * 6, 1);
  std::vector<std::int32_t> y(samples);
  for (std::size_t i = 0; i < samples; ++i) y[i] = x[6 * i] > x[6 * i + 1] ? 0 : x[6 * i + 2] > 0 ? 1 : 2;
  return {foal::features(6), x, y};
}

/// Losses of replicas, of which no process has all, are left out; all weights are in the evaluations.
template <class Run>
std::vector<double> train(int replicas) {
  auto const data = table();
  Run run({.microbatch_size = 2,
           .microbatches = 8,
           .replicas = replicas,
           .seed = 3,
           .lr = {.rate = 0.1},
           .evaluation_samples = 8});
  std::vector<double> out;
  for (auto const& e : run.fit(data, {.epochs = 3, .evaluate = data, .quiet = true}).evaluations) out.push_back(e.loss);
  return out;
}

/// body() in so many processes, each of which must come to the same as the first argument.
template <class Of, class Body>
void check_each(int processes, Of const& one, Body const& body) {
  std::vector<Of> all(static_cast<std::size_t>(processes));
  CHECK(rooms::with_processes(processes, [&](int number) {
          try {
            all[static_cast<std::size_t>(number)] = body();
          } catch (std::exception const& e) {
            rooms::end_all(e.what());
          }
        }) == 0);
  for (Of const& of : all) CHECK(of == one);
}

template <class Schedule, class... Policies>
void compare(int processes, int replicas) {
  INFO(processes << " processes, " << replicas << " replicas");
  emulation::set_devices(processes);
  auto const one = train<run_by<Schedule, foal::executor::single_thread, Policies...>>(replicas);
  REQUIRE(one.size() == 3);
  check_each(processes, one, [replicas] {
    return train<run_by<Schedule, foal::executor::processes_over<nccl<rooms>>, Policies...>>(replicas);
  });
}

}  // namespace

TEST_CASE("replicas on GPUs of 2 and 4 processes train over NCCL to the bits of one thread") {
  compare<foal::schedule::gpipe>(2, 2);
  compare<foal::schedule::gpipe>(4, 4);
  compare<foal::schedule::gpipe>(4, 2);  // each replica over two
  compare<foal::schedule::gpipe>(2, 4);  // two replicas on each
}

TEST_CASE("replicas on GPUs that exchange otherwise train over NCCL to the bits of one thread") {
  compare<foal::schedule::pipemare, foal::delay::discrepancy_correction>(4, 4);
  compare<foal::schedule::gpipe, foal::replica::delayed>(4, 4);
  compare<foal::schedule::gpipe, foal::replica::sharded>(2, 2);
  compare<foal::schedule::pipemare, foal::replica::sharded, foal::delay::discrepancy_correction>(4, 4);
}
