// Messages between emulated GPUs of several processes, which are threads, over emulated NCCL.
#include <nccl.h>

#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/data/memory.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/nccl.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "../support/cuda_array.hpp"
#include "../support/emulation/flaws.hpp"
#include "../support/emulation/runtime.hpp"
#include "../support/rooms.hpp"

#if defined(MPI_VERSION)
#error "foal/nccl.hpp includes MPI, which the component nccl does not ask for"
#endif

namespace {

using namespace foal::test;
using foal::transport::nccl;
using foal::transport::nccl_limits;
using foal::transport::nccl_rank;
using foal::transport::nccl_way;

struct net : foal::stages<foal::input<6>, foal::linear<8>, foal::tanh, foal::linear<7>, foal::tanh, foal::linear<6>,
                          foal::tanh, foal::linear<3>> {};

template <class Schedule, class Executor, class... Policies>
using run_by = foal::trainer<net, foal::loss::cross_entropy, Schedule, foal::optim::momentum, foal::on<foal::device::cuda>,
                             Executor, Policies...>;

foal::data::memory<float, std::int32_t> table() {
  std::size_t const samples = 24;
  auto x = numbers<float>(samples * 6, 1);
  std::vector<std::int32_t> y(samples);
  for (std::size_t i = 0; i < samples; ++i) y[i] = x[6 * i] > x[6 * i + 1] ? 0 : x[6 * i + 2] > 0 ? 1 : 2;
  return {foal::features(6), x, y};
}

/// All weights are in the evaluations.
struct outcome {
  std::vector<double> losses, evaluations;
  bool operator==(outcome const&) const = default;
};

template <class Run>
outcome train() {
  auto const data = table();
  Run run({.microbatch_size = 2, .microbatches = 3, .seed = 3, .lr = {.rate = 0.1}, .evaluation_samples = 8});
  outcome out;
  auto const report = run.fit(data, {.epochs = 2, .evaluate = data, .quiet = true});
  out.losses = report.epoch_loss;
  for (auto const& e : report.evaluations) out.evaluations.push_back(e.loss);
  return out;
}

/// In so many processes, each of which must come to what one thread does.
template <class Schedule, class Transport, class... Policies>
void compare(int processes) {
  emulation::set_devices(2);
  outcome const one = train<run_by<Schedule, foal::executor::single_thread, Policies...>>();
  std::vector<outcome> all(static_cast<std::size_t>(processes));
  std::vector<std::string> thrown(all.size());
  CHECK(rooms::with_processes(processes, [&](int number) {
          auto const i = static_cast<std::size_t>(number);
          try {
            all[i] = train<run_by<Schedule, foal::executor::processes_over<Transport>, Policies...>>();
          } catch (std::exception const& e) {
            thrown[i] = e.what();
            rooms::end_all(e.what());
          }
        }) == 0);
  for (outcome const& of : all) CHECK(of == one);
}

}  // namespace

TEST_CASE("GPUs of several processes train over NCCL to the bits of one thread") {
  compare<foal::schedule::gpipe, nccl<rooms>>(2);
  compare<foal::schedule::pipemare, nccl<rooms>, foal::delay::discrepancy_correction>(3);
}

TEST_CASE("GPUs of several processes train over a transport of host memory to the bits of one thread") {
  compare<foal::schedule::pipemare, rooms, foal::delay::discrepancy_correction>(2);
}

TEST_CASE("a process that nobody else was started with trains on its GPU behind the door of TCP") {
  emulation::set_devices(1);
  using one = run_by<foal::schedule::pipemare, foal::executor::single_thread>;
  foal::executor::tcp_session const session;
  CHECK(train<run_by<foal::schedule::pipemare, foal::executor::gpu_processes<foal::transport::tcp>>>() == train<one>());
  foal::executor::launched_gpu_session<foal::transport::tcp> const none;
  CHECK(foal::executor::as_launched::place().count == 1);
}

/// Asks until it throws.
template <class F>
void ask(F const& f) {
  for (;;) f();
}

TEST_CASE("an end of NCCL that does not come, or takes nothing, is given up in time") {
  emulation::set_devices(2);
  nccl_way alone(nccl_way::make_id(), nccl_rank::sender(), 0, {.begin = 0.05});
  CHECK_FALSE(alone.settled());
  CHECK_THROWS_WITH(
      ask([&] { alone.settled(); }),
      Catch::Contains("cannot go on sending to another GPU, because for 0.05 s") && Catch::Contains("has not been there"));
  auto const id = nccl_way::make_id();
  nccl_way to(id, nccl_rank::sender(), 0, {.message = 0.05}), from(id, nccl_rank::receiver(), 1, {});
  while (!to.settled() || !from.settled()) {
  }
  with_workspace<foal::device::cuda> gpu;
  array_on<foal::device::cuda, float> sent(gpu.device, {1, 2, 3});
  gpu.device.synchronise();
  to.pass([&] { to.send(reinterpret_cast<std::byte*>(sent.data()), 12, 1); });
  CHECK_THROWS_WITH(ask([&] { to.through(); }), Catch::Contains("has not taken a message"));
}

TEST_CASE("a GPU whose process has given up is an error at the other end") {
  emulation::set_devices(2);
  auto const id = nccl_way::make_id();
  auto to = std::make_unique<nccl_way>(id, nccl_rank::sender(), 0, nccl_limits{});
  nccl_way from(id, nccl_rank::receiver(), 1, {});
  while (!to->settled() || !from.settled()) {
  }
  to.reset();
  CHECK_THROWS_WITH(from.settled(),
                    Catch::Contains("cannot do the receiving of a message, because NCCL gave remote process"));
}
