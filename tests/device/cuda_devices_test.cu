// Several GPUs of one process, on the emulation: which one a call is of, and that they reach each other's memory.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/data/memory.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <thread>

#include "../support/cuda_array.hpp"
#include "../support/emulation/memory.hpp"
#include "../support/emulation/runtime.hpp"

namespace {

using namespace foal::test;
using Catch::Matchers::Contains;
using foal::device::cuda;

struct add_one {
  FOAL_HOST_DEVICE void operator()(float const& x, float& y) const { y = x + 1; }
};

/// An object of a GPU with its workspace and an array there.
struct on_one {
  void* workspace;
  cuda device;
  float* data;
  explicit on_one(int ordinal)
      : workspace(cuda::allocate(cuda::workspace_bytes, ordinal)),
        device(workspace, cuda::workspace_bytes, ordinal),
        data(static_cast<float*>(cuda::allocate(100 * sizeof(float), ordinal))) {}
  on_one(on_one const&) = delete;
  ~on_one() {
    cuda::release(data);
    cuda::release(workspace);
  }
};

struct net : foal::stages<foal::input<6>, foal::linear<8>, foal::tanh, foal::linear<7>, foal::tanh, foal::linear<1>> {};
using run_on_cuda = foal::trainer<net, foal::loss::mean_squared_error, foal::schedule::pipemare, foal::on<cuda>>;

std::vector<float> train(int workers, std::vector<int> ordinals = {}) {
  foal::data::memory<float, float> const data{foal::features(6), numbers<float>(48 * 6, 1), numbers<float>(48, 2)};
  run_on_cuda::config config{.microbatch_size = 4, .microbatches = 2, .workers = workers};
  config.ordinals = std::move(ordinals);
  run_on_cuda t(config);
  REQUIRE_FALSE(t.fit(data, {.epochs = 2, .evaluate = data, .quiet = true}).diverged);
  return t.all_weights();
}

}  // namespace

TEST_CASE("objects of two GPUs work from any thread, and read what the other has", "[cuda]") {
  emulation::set_devices(3);
  CHECK(cuda::count() == 3);
  on_one a(0), b(2);
  CHECK(emulation::find(b.data).device == 2);
  std::vector<float> const values(100, 3.0f);
  std::vector<float> out(100);
  std::thread([&] {  // its GPU is number 0 until a call says otherwise
    b.device.copy_in(b.data, values.data(), 400);
    cuda::event there;
    b.device.record(there);
    a.device.wait(there);
    a.device.map(100, add_one{}, static_cast<float const*>(b.data), a.data);
    a.device.record(there);  // of the other GPU now
    b.device.wait(there);
    b.device.product_nn(1, 1, 100, static_cast<float const*>(a.data), static_cast<float const*>(a.data), b.data, false);
    b.device.copy(a.data, b.data, 4);
    b.device.record(there);
    a.device.wait(there);
    a.device.copy_out(out.data(), a.data, 400);
  })
      .join();
  CHECK(out[0] == 1600.0f);
  CHECK(out[1] == 4.0f);
}

TEST_CASE("workers on several GPUs train to the bits of one", "[cuda]") {
  auto const one = train(1);
  emulation::set_devices(3);
  CHECK(train(3) == one);
  CHECK(train(2, {1, 2, 2}) == one);
  CHECK(emulation::in_use(1) == 0);
}

TEST_CASE("GPUs that do not reach each other, or are not there, are refused in a sentence", "[cuda]") {
  emulation::set_devices(8);
  cuda::release(cuda::allocate(4, 0));
  emulation::set_peers(false);
  CHECK_THROWS_WITH(cuda::allocate(4, 7), Contains("cannot train on GPUs 7 and 0 of one process, because neither PCI nor "
                                                   "NVLink lets GPU 7 reach the memory of GPU 0; choose others by "
                                                   ".ordinals or CUDA_VISIBLE_DEVICES, or use one"));
  emulation::set_peers(true);
  cuda::release(cuda::allocate(4, 7));
  emulation::set_devices(1);
  CHECK_THROWS_WITH(cuda::allocate(4, 5), Contains("cannot do cudaSetDevice of GPU 5, because CUDA gave "
                                                   "cudaErrorInvalidDevice"));
  emulation::set_devices(0);
  CHECK_THROWS_WITH(cuda::count(), Contains("cannot do cudaGetDeviceCount, because CUDA gave cudaErrorInsufficientDriver") &&
                                       Contains("or train on foal::device::host"));
}
