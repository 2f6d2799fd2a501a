// No operation of the host allocates.
#include <foal/device/host.hpp>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <foal/layer/avg_pool.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/gelu.hpp>
#include <foal/layer/group_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/layer/max_pool.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/transformer.hpp>

#include "../support/layer_check.hpp"
#include "../support/sanitized.hpp"

namespace {

bool counting = false;
long long allocations = 0;

}  // namespace

// glibc's own names for what is replaced here. A sanitizer owns these functions, so there the test counts nothing.
#if !defined(FOAL_TEST_SANITIZED)
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t n) {
  if (counting) ++allocations;
  return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t size) {
  if (counting) ++allocations;
  return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t n) {
  if (counting) ++allocations;
  return __libc_realloc(p, n);
}
void* aligned_alloc(std::size_t alignment, std::size_t n) {
  if (counting) ++allocations;
  return __libc_memalign(alignment, n);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t n) {
  if (counting) ++allocations;
  *out = __libc_memalign(alignment, n);
  return *out == nullptr ? 12 : 0;
}
}
#endif

namespace {

using namespace foal;
using namespace foal::test;

/// Allocations of all of a layer's functions, in each phase, from arrays made before.
template <class Layer>
long long allocations_of(shape in, int samples) {
  layer_run<Layer, float> run(in, samples, 1);
  allocations = 0;
  for (phase const p : {phase::train, phase::recompute, phase::evaluate}) {
    run.phase = p;
    counting = true;
    run.forward();
    counting = false;
  }
  run.phase = phase::train;
  counting = true;
  run.forward();
  run.backward_input();
  run.backward_weight();
  counting = false;
  return allocations;
}

}  // namespace

TEST_CASE("the counter counts", "[device]") {
#if !defined(FOAL_TEST_SANITIZED)
  allocations = 0;
  counting = true;
  std::vector<int>* volatile v = new std::vector<int>(10);
  void* volatile block = device::host::allocate(64);
  counting = false;
  delete v;
  device::host::release(block);
  CHECK(allocations == 3);
#else
  SUCCEED();
#endif
}

TEST_CASE("no layer or loss allocates on the host", "[device]") {
  CHECK(allocations_of<linear<512>>(features(300), 8) == 0);
  CHECK(allocations_of<linear<10>>(features(513), 200) == 0);
  CHECK(allocations_of<conv<16, 3>>(image(16, 16, 16), 9) == 0);
  CHECK(allocations_of<conv<8, 1>>(image(16, 8, 8), 8) == 0);
  CHECK(allocations_of<max_pool<2>>(image(16, 8, 8), 8) == 0);
  CHECK(allocations_of<avg_pool<2>>(image(16, 8, 8), 8) == 0);
  CHECK(allocations_of<global_avg_pool>(image(16, 8, 8), 8) == 0);
  CHECK(allocations_of<flatten>(image(16, 8, 8), 8) == 0);
  CHECK(allocations_of<relu>(features(999), 8) == 0);
  CHECK(allocations_of<foal::tanh>(features(999), 8) == 0);
  CHECK(allocations_of<gelu>(features(999), 8) == 0);
  CHECK(allocations_of<dropout<10>>(features(999), 8) == 0);
  CHECK(allocations_of<batch_norm>(image(70, 8, 8), 8) == 0);
  CHECK(allocations_of<group_norm<7>>(image(70, 8, 8), 8) == 0);
  CHECK(allocations_of<layer_norm>(sequence(70, 8), 8) == 0);
  CHECK(allocations_of<linear<40>>(sequence(70, 8), 8) == 0);
  CHECK(allocations_of<logits<400>>(sequence(70, 8), 8) == 0);
  CHECK(allocations_of<embedding<400, 70>>(sequence(1, 8), 8) == 0);
  CHECK(allocations_of<sinusoidal_position>(sequence(70, 8), 8) == 0);
  CHECK(allocations_of<learned_position>(sequence(70, 8), 8) == 0);
  CHECK(allocations_of<attention<4>>(sequence(96, 80), 8) == 0);
  CHECK(allocations_of<attention<4, mask::causal>>(sequence(96, 80), 8) == 0);

  host_device host;
  context<device::host, float> ctx{host.device, features(10), features(10), 8};
  auto const x = random_numbers<float>(80, 1), t = random_numbers<float>(80, 2);
  std::vector<float> dx(80);
  std::vector<std::int32_t> const classes(8, 3);
  allocations = 0;
  counting = true;
  loss::cross_entropy{.label_smoothing = 0.1f}.apply(ctx, x.data(), classes.data(), 2, dx.data());
  loss::mean_squared_error{}.apply(ctx, x.data(), t.data(), 2, dx.data());
  host.device.sum_of_squares(80, x.data());
  host.device.all_finite(80, x.data());
  counting = false;
  CHECK(allocations == 0);
}
