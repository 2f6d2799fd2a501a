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
#include <foal/trainer/gathered.hpp>

#include "../support/cuda_array.hpp"
#include "../support/emulation/runtime.hpp"
#include "../support/host_apart.hpp"
#include "../support/rooms.hpp"

namespace {

using namespace foal::test;
using foal::transport::nccl;

struct shared;
/// Three stages, of which the second borrows a layer of the first; each has elements for the parts of four replicas.
struct net : foal::stages<foal::input<6>, foal::linear<16>, foal::tanh, foal::tied<shared, foal::linear<16>>, foal::tanh,
                          foal::linear<16>, foal::tanh, foal::tied<shared, foal::linear<16>>, foal::tanh, foal::linear<7>> {
};
/// Its last stage has elements for three of them.
struct small : foal::stages<foal::input<6>, foal::linear<16>, foal::tanh, foal::linear<2>> {};

template <class Net, class Schedule, class Executor, class... Policies>
using run_of = foal::trainer<Net, foal::loss::cross_entropy, Schedule, foal::optim::momentum, foal::on<foal::device::cuda>,
                             Executor, Policies...>;
foal::data::memory<float, std::int32_t> table() {
  std::size_t const samples = 48;
  auto x = numbers<float>(samples * 6, 1);
  std::vector<std::int32_t> y(samples);
  for (std::size_t i = 0; i < samples; ++i) y[i] = x[6 * i] > x[6 * i + 1] ? 0 : 1;
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

using over_nccl = foal::executor::processes_over<nccl<rooms>>;

template <class Net, class Schedule, class... Policies>
void compare(int processes, int replicas) {
  INFO(processes << " processes, " << replicas << " replicas");
  emulation::set_devices(processes);
  auto const one = train<run_of<Net, Schedule, foal::executor::single_thread, Policies...>>(replicas);
  REQUIRE(one.size() == 3);
  check_each(processes, one, [replicas] { return train<run_of<Net, Schedule, over_nccl, Policies...>>(replicas); });
}

/// Gradients that every device computes to the same bits, whose sum has others in another order.
struct exact : foal::stages<foal::input<1>, foal::linear<64>> {};
struct apart {
  bool reversed = false;
  float factor(long long m) const {
    constexpr float of[] = {4096, 1, -4096, 0.125F};
    return of[reversed ? 3 - m % 4 : m % 4];
  }
  template <class S>
  void inputs(long long m, int, S* x) const {
    *x = static_cast<S>(factor(m));
  }
  template <class S>
  void targets(long long m, S* t) const {
    for (int i = 0; i < 64; ++i) t[i] = static_cast<S>(factor(m) * static_cast<float>(i + 1) * 0.3F);
  }
};

template <class Device, class Executor>
std::vector<float> one_update(apart const& data) {
  foal::trainer<exact, foal::loss::mean_squared_error, foal::schedule::gpipe, foal::optim::momentum, foal::on<Device>,
                Executor>
      run({.microbatch_size = 1, .microbatches = 4, .replicas = 4, .seed = 3, .lr = {.rate = 0.125}});
  run.run(data, {.minibatches = 1});
  foal::gathered const whole(run);
  std::vector<float> all = whole.weights(0, 0);
  std::vector<float> const biases = whole.weights(0, 1);
  all.insert(all.end(), biases.begin(), biases.end());
  return all;
}

/// A run that pauses again and again, before ops whose keys are so many apart, and what has become of it.
struct tokens {
  template <class S>
  void inputs(long long m, int, S* x) const {
    auto const all = numbers<float>(12, static_cast<unsigned>(m));
    for (int i = 0; i < 12; ++i) x[i] = static_cast<S>(all[static_cast<std::size_t>(i)]);
  }
  void targets(long long m, std::int32_t* t) const { t[0] = t[1] = static_cast<std::int32_t>(m % 7); }
};
template <class Executor, class... Policies>
std::vector<double> train_in_pieces(long long apart) {
  using run_type = run_of<net, foal::schedule::gpipe, Executor, Policies...>;
  run_type run({.microbatch_size = 2, .microbatches = 8, .replicas = 4, .seed = 3, .lr = {.rate = 0.1}});
  bool paused = false;
  long long key = 0, pauses = 0;
  do {
    foal::executor::run_request request{.minibatches = 4};
    if (apart > 0) request.pause = foal::executor::run_place{0, key += apart};
    paused = (paused ? run.resume(tokens{}, request) : run.run(tokens{}, request)).paused;
    pauses += paused ? 1 : 0;
  } while (paused);
  foal::require(apart == 0 || pauses > 3, "only ", pauses, " pauses");
  auto const data = table();
  return {run.fit(data, {.epochs = 1, .evaluate = data, .quiet = true}).evaluations.front().loss};
}

}  // namespace

TEST_CASE("replicas on GPUs of 2 and 4 processes train over NCCL to the bits of one thread") {
  // Of each kind of exchange each replica has a communicator a stage, and a kernel an update.
  constexpr int kinds = 2, updates = 9, stages = run_of<net, foal::schedule::gpipe, over_nccl>::stages;
  emulation::take_nccl_counts();
  for (int const replicas : {2, 4}) {
    compare<net, foal::schedule::gpipe>(replicas, replicas);
    emulation::nccl_counts const asked = emulation::take_nccl_counts();
    CHECK(asked.communicators == kinds * stages * replicas);
    CHECK(asked.kernels == kinds * stages * replicas * updates);
  }
  compare<net, foal::schedule::gpipe>(2, 4);  // two replicas on each: a message by itself
  CHECK(emulation::take_nccl_counts().kernels > kinds * stages * 4 * updates);
  compare<net, foal::schedule::gpipe>(4, 2);  // each replica over two
  compare<small, foal::schedule::gpipe>(4, 4);
}

TEST_CASE("replicas on GPUs that exchange otherwise train over NCCL to the bits of one thread") {
  compare<net, foal::schedule::pipemare, foal::delay::discrepancy_correction>(4, 4);
  compare<net, foal::schedule::gpipe, foal::replica::delayed>(4, 4);
  compare<net, foal::schedule::gpipe, foal::replica::sharded>(2, 2);
  compare<net, foal::schedule::pipemare, foal::replica::sharded, foal::delay::discrepancy_correction>(4, 4);
}

TEST_CASE("replicas on GPUs add up in the host's order, over NCCL too") {
  emulation::set_devices(4);
  auto const host = one_update<host_apart<float>, foal::executor::single_thread>({});
  CHECK(host != one_update<host_apart<float>, foal::executor::single_thread>({.reversed = true}));
  CHECK(one_update<foal::device::cuda, foal::executor::single_thread>({}) == host);
  check_each(4, host, [] { return one_update<foal::device::cuda, over_nccl>({}); });
}

TEST_CASE("replicas on GPUs pause within exchanges over NCCL, and go on to the bits of one thread") {
  emulation::set_devices(4);
  auto const one = train_in_pieces<foal::executor::single_thread>(0);
  for (long long const apart : {7, 31}) check_each(4, one, [apart] { return train_in_pieces<over_nccl>(apart); });
  check_each(4, train_in_pieces<foal::executor::single_thread, foal::replica::sharded>(0),
             [] { return train_in_pieces<over_nccl, foal::replica::sharded>(19); });
}

TEST_CASE("a GPU that does not come to an exchange is given up in time") {
  emulation::set_devices(2);
  foal::transport::nccl_way alone(foal::transport::nccl_way::make_id(), {0, 3, true}, 0, {.begin = 0.05});
  CHECK_THROWS_WITH(
      [&] {
        for (;;) alone.settled();
      }(),
      Catch::Contains("cannot go on exchanging with other GPUs, because for 0.05 s one of them has not been there"));
}
