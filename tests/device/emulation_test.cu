// The emulation of CUDA finds what it is there to find, and does what a GPU does where all is well.
#include <cublas_v2.h>
#include <catch2/catch.hpp>

#include <set>
#include <string>
#include <vector>

#include "../support/emulation/flaws.hpp"
#include "../support/emulation/memory.hpp"
#include "../support/emulation/runtime.hpp"

namespace {

namespace emulation = foal::test::emulation;
using Catch::Matchers::Contains;

/// Memory of the device as long as a case lasts.
template <class T>
struct array {
  T* data = nullptr;
  explicit array(std::size_t n) { REQUIRE(cudaMalloc(reinterpret_cast<void**>(&data), n * sizeof(T)) == cudaSuccess); }
  array(array const&) = delete;
  ~array() { cudaFree(data); }
};

struct stream {
  cudaStream_t handle = nullptr;
  stream() { cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking); }
  stream(stream const&) = delete;
  ~stream() { cudaStreamDestroy(handle); }
};

struct event {
  cudaEvent_t handle = nullptr;
  event() { cudaEventCreateWithFlags(&handle, cudaEventDisableTiming); }
  event(event const&) = delete;
  ~event() { cudaEventDestroy(handle); }
};

template <class... Ps, class... As>
cudaError_t start(cudaStream_t s, unsigned blocks, unsigned threads, void (*kernel)(Ps...), As... args) {
  cudaLaunchConfig_t config{};
  config.gridDim.x = blocks;
  config.blockDim.x = threads;
  config.stream = s;
  return cudaLaunchKernelEx(&config, kernel, args...);
}

template <class T>
std::vector<T> values(T const* p, std::size_t n) {
  std::vector<T> out(n);
  cudaMemcpy(out.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost);
  return out;
}

/// The one flaw since the last call; fails where there are none or several.
std::string flaw() {
  auto const all = emulation::take_flaws();
  for (auto const& each : all) UNSCOPED_INFO(each);
  CHECK(all.size() == 1);
  return all.empty() ? "" : all.front();
}
std::string first_flaw() {
  auto const all = emulation::take_flaws();
  CHECK_FALSE(all.empty());
  return all.empty() ? "" : all.front();
}

}  // namespace

// Of names that reports can give.
namespace emulated_kernels {

__global__ void neighbour_without_barrier(int* out) {
  __shared__ int lane[64];
  lane[threadIdx.x] = static_cast<int>(threadIdx.x);
  out[threadIdx.x] = lane[(threadIdx.x + 1) % blockDim.x];
}
__global__ void neighbour(int* out) {
  __shared__ int lane[64];
  lane[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = lane[(threadIdx.x + 1) % blockDim.x];
}
__global__ void all_write_one(int* out) { *out = static_cast<int>(blockIdx.x); }
__global__ void all_add_to_one(int* out) { atomicAdd(out, 1); }
__global__ void own_bytes(unsigned char* out) { out[threadIdx.x] = static_cast<unsigned char>(threadIdx.x); }
__global__ void write_behind(int* out, int n) { out[static_cast<int>(threadIdx.x) + n] = 1; }
__global__ void read_there(int const* in, int* out) { *out = *in; }
__global__ void some_at_a_barrier(int* out) {
  if (threadIdx.x < 3) __syncthreads();
  out[threadIdx.x] = 1;
}
__global__ void apart_for_ever(int* out) {
  if (threadIdx.x < 32)
    __syncwarp(0xffffffffU);
  else
    __syncthreads();
  if (threadIdx.x == 0) __syncwarp(3);
  out[threadIdx.x] = 1;
}
__global__ void lanes(int* out) {
  int const own = static_cast<int>(threadIdx.x);
  int const down = __shfl_down_sync(0xffffffffU, own, 4), up = __shfl_up_sync(0xffffffffU, own, 4);
  int const turned = __shfl_xor_sync(0xffffffffU, own, 5), from = __shfl_sync(0xffffffffU, own, 7);
  unsigned const odd = __ballot_sync(0xffffffffU, own % 2);
  int* const at = out + 5 * own;
  at[0] = down, at[1] = up, at[2] = turned, at[3] = from, at[4] = static_cast<int>(odd);
}
__global__ void add(int* out, int value) { *out += value; }
__global__ void twice(int* out) { *out *= 2; }

}  // namespace emulated_kernels

using namespace emulated_kernels;

TEST_CASE("two threads that touch a word with no barrier between are a race", "[cuda]") {
  array<int> out(64);
  start(nullptr, 1, 64, neighbour, out.data);
  cudaDeviceSynchronize();
  CHECK(emulation::take_flaws().empty());
  CHECK(values(out.data, 2) == std::vector<int>{1, 2});
  start(nullptr, 1, 64, neighbour_without_barrier, out.data);
  cudaDeviceSynchronize();
  CHECK_THAT(first_flaw(),
             Contains("a race: thread ") && Contains("neighbour_without_barrier") && Contains("with no barrier between"));
}

TEST_CASE("blocks that write one word are a race, unless by atomics, and neighbouring bytes are none", "[cuda]") {
  array<int> out(1);
  cudaMemsetAsync(out.data, 0, 4, nullptr);
  start(nullptr, 2, 1, all_write_one, out.data);
  cudaDeviceSynchronize();
  CHECK_THAT(flaw(), Contains("a race: thread 0 of block ") && Contains(" wrote and thread 0 of block "));
  cudaMemsetAsync(out.data, 0, 4, nullptr);
  start(nullptr, 5, 70, all_add_to_one, out.data);
  CHECK(values(out.data, 1).front() == 350);
  array<unsigned char> bytes(33);
  start(nullptr, 1, 33, own_bytes, bytes.data);
  CHECK(values(bytes.data, 33).back() == 32);
  CHECK(emulation::take_flaws().empty());
}

TEST_CASE("addresses that are no memory of the device stop a kernel, and all calls fail from then on", "[cuda]") {
  array<int> out(4);
  start(nullptr, 1, 4, write_behind, out.data, 1);
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  CHECK_THAT(flaw(), Contains("of emulated_kernels::write_behind(int*, int) writes 4 bytes that its device does not have"));
  int* more = nullptr;
  CHECK(cudaMalloc(reinterpret_cast<void**>(&more), 4) == cudaErrorIllegalAddress);
  emulation::reset();

  int on_host = 3;
  start(nullptr, 1, 1, read_there, &on_host, out.data);
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  CHECK_THAT(flaw(), Contains("which the host has"));
  emulation::reset();

  int* gone = nullptr;
  cudaMalloc(reinterpret_cast<void**>(&gone), 4);
  cudaFree(gone);
  start(nullptr, 1, 1, read_there, gone, out.data);
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  CHECK_THAT(flaw(), Contains("in no block that is live"));
  emulation::reset();

  emulation::set_devices(2);
  cudaSetDevice(1);
  {
    array<int> elsewhere(1);
    cudaSetDevice(0);
    start(nullptr, 1, 1, read_there, elsewhere.data, out.data);
    CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
    CHECK_THAT(flaw(), Contains("of a block of 4 bytes of device 1"));
    emulation::reset();
  }
}

TEST_CASE("the host does not touch memory of a device", "[cuda]") {
  array<int> out(4);
  out.data[2] = 1;
  CHECK_THAT(flaw(), Contains("the host writes memory of a device itself") && Contains("byte 8 of a block of 16 bytes"));
}

TEST_CASE("barriers that not all threads reach are found", "[cuda]") {
  array<int> out(64);
  start(nullptr, 1, 8, some_at_a_barrier, out.data);
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
  CHECK_THAT(flaw(), Contains("a barrier of the block is reached by some of its threads alone: 5 have ended"));
  start(nullptr, 1, 64, apart_for_ever, out.data);
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  CHECK_THAT(first_flaw(), Contains("the threads of a block wait for each other for ever"));
  emulation::reset();
}

TEST_CASE("lanes of a warp exchange what they have", "[cuda]") {
  array<int> out(5 * 64);
  start(nullptr, 1, 64, lanes, out.data);
  auto const v = values(out.data, 5 * 64);
  for (int t = 0; t < 64; ++t) {
    int const first = t / 32 * 32, lane = t % 32;
    int const* const at = &v[static_cast<std::size_t>(5 * t)];
    CHECK(at[0] == (lane + 4 < 32 ? t + 4 : t));
    CHECK(at[1] == (lane >= 4 ? t - 4 : t));
    CHECK(at[2] == first + (lane ^ 5));
    CHECK(at[3] == first + 7);
    CHECK(static_cast<unsigned>(at[4]) == 0xaaaaaaaaU);
  }
}

TEST_CASE("memory that nobody has written is NaN", "[cuda]") {
  array<float> out(2);
  for (float const value : values(out.data, 2)) CHECK(std::isnan(value));
}

TEST_CASE("ops of two streams come in any order, unless an event says which", "[cuda]") {
  std::set<int> any, ordered;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    emulation::seed(seed);
    for (bool const with_event : {false, true}) {
      array<int> out(1);
      cudaMemset(out.data, 0, 4);
      cudaDeviceSynchronize();  // the streams do not wait for the null stream
      stream a, b;
      event done;
      start(a.handle, 1, 1, add, out.data, 3);
      cudaEventRecord(done.handle, a.handle);
      if (with_event) cudaStreamWaitEvent(b.handle, done.handle);
      start(b.handle, 1, 1, twice, out.data);
      cudaStreamSynchronize(b.handle);
      cudaStreamSynchronize(a.handle);
      (with_event ? ordered : any).insert(values(out.data, 1).front());
    }
  }
  CHECK(any == std::set<int>{3, 6});
  CHECK(ordered == std::set<int>{6});
}

TEST_CASE("a copy from pinned memory reads it when its turn comes, one from other memory at once", "[cuda]") {
  array<int> out(2);
  stream s;
  int pageable = 1;
  int* pinned = nullptr;
  cudaMallocHost(reinterpret_cast<void**>(&pinned), sizeof(int));
  *pinned = 1;
  cudaMemcpyAsync(out.data, &pageable, 4, cudaMemcpyHostToDevice, s.handle);
  cudaMemcpyAsync(out.data + 1, pinned, 4, cudaMemcpyHostToDevice, s.handle);
  pageable = *pinned = 2;
  cudaStreamSynchronize(s.handle);
  CHECK(values(out.data, 2) == std::vector<int>{1, 2});
  cudaFreeHost(pinned);
}

TEST_CASE("a captured graph does what was captured, each time it is launched", "[cuda]") {
  array<int> out(1);
  cudaMemset(out.data, 0, 4);
  stream a, b;
  event forked, joined;
  cudaStreamBeginCapture(a.handle, cudaStreamCaptureModeThreadLocal);
  start(a.handle, 1, 1, add, out.data, 3);
  cudaEventRecord(forked.handle, a.handle);
  cudaStreamWaitEvent(b.handle, forked.handle);
  start(b.handle, 1, 1, twice, out.data);
  cudaEventRecord(joined.handle, b.handle);
  cudaStreamWaitEvent(a.handle, joined.handle);
  start(a.handle, 1, 1, add, out.data, 1);
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamEndCapture(a.handle, &graph) == cudaSuccess);
  cudaGraphExec_t exec = nullptr;
  REQUIRE(cudaGraphInstantiate(&exec, graph) == cudaSuccess);
  CHECK(values(out.data, 1).front() == 0);  // nothing was done
  cudaGraphLaunch(exec, a.handle);
  cudaGraphLaunch(exec, a.handle);
  cudaStreamSynchronize(a.handle);
  CHECK(values(out.data, 1).front() == ((0 + 3) * 2 + 1 + 3) * 2 + 1);
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
}

TEST_CASE("a capture with what no graph can hold is refused", "[cuda]") {
  array<int> out(1);
  stream a, b;
  event forked;
  cudaGraph_t graph = nullptr;
  cudaStreamBeginCapture(a.handle, cudaStreamCaptureModeThreadLocal);
  CHECK(cudaStreamSynchronize(a.handle) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(a.handle, &graph) == cudaErrorStreamCaptureInvalidated);

  cudaStreamBeginCapture(a.handle, cudaStreamCaptureModeThreadLocal);
  void* more = nullptr;
  CHECK(cudaMalloc(&more, 4) == cudaErrorStreamCaptureUnsupported);
  start(a.handle, 1, 1, add, out.data, 3);
  cudaEventRecord(forked.handle, a.handle);
  cudaStreamWaitEvent(b.handle, forked.handle);
  start(b.handle, 1, 1, twice, out.data);
  CHECK(cudaStreamEndCapture(a.handle, &graph) == cudaErrorStreamCaptureUnjoined);
}

TEST_CASE("products of cuBLAS are column-major, check their matrices and want a workspace", "[cuda]") {
  array<float> a(6), b(3), c(2);
  std::vector<float> const at{1, 2, 3, 4, 5, 6}, bt{1, 10, 100};
  cudaMemcpy(a.data, at.data(), 24, cudaMemcpyHostToDevice);
  cudaMemcpy(b.data, bt.data(), 12, cudaMemcpyHostToDevice);
  array<std::byte> workspace(1024);
  cublasHandle_t handle = nullptr;
  REQUIRE(cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS);
  float const one = 1, zero = 0;
  auto const product = [&](int ldc) {
    return cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 1, 3, &one, a.data, 2, b.data, 3, &zero, c.data, ldc);
  };
  CHECK(product(2) == CUBLAS_STATUS_SUCCESS);
  CHECK_THAT(flaw(), Contains("has no workspace of the caller's"));
  CHECK(cublasSetWorkspace(handle, workspace.data + 4, 512) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(cublasSetWorkspace(handle, workspace.data, 1024) == CUBLAS_STATUS_SUCCESS);
  CHECK(product(1) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(product(2) == CUBLAS_STATUS_SUCCESS);
  CHECK(values(c.data, 2) == std::vector<float>{1 + 30 + 500, 2 + 40 + 600});
  CHECK(cublasSgemm(handle, CUBLAS_OP_T, CUBLAS_OP_N, 3, 1, 3, &one, a.data, 3, b.data, 3, &zero, c.data, 3) ==
        CUBLAS_STATUS_SUCCESS);
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  CHECK(emulation::take_flaws().size() == 2);  // the first factor and the result are too long
  emulation::reset();
  cublasDestroy(handle);
}

TEST_CASE("a machine without a GPU, and calls that are refused", "[cuda]") {
  int count = -1;
  emulation::set_devices(0);
  CHECK(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver);
  emulation::set_devices(1);
  void* p = nullptr;
  emulation::refuse_next("cudaMalloc", cudaErrorMemoryAllocation);
  CHECK(cudaMalloc(&p, 4) == cudaErrorMemoryAllocation);
  CHECK(cudaMalloc(&p, 4) == cudaSuccess);
  cudaFree(p);
  CHECK(cudaFree(&count) == cudaErrorInvalidValue);
  CHECK_THAT(flaw(), Contains("cudaFree gets what is no block of a device"));
}
