// What a kernel sees, and how one is started, as the emulation has them.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <typeinfo>
#include <utility>

#include "../grid.hpp"
#include "cuda_runtime_api.h"

#define __shared__ static

using std::isfinite;
using std::isinf;
using std::isnan;

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

inline void __syncthreads() { foal::test::emulation::block_barrier(foal::test::emulation::vote::none, 0); }
inline int __syncthreads_or(int value) {
  return foal::test::emulation::block_barrier(foal::test::emulation::vote::any, value);
}
inline int __syncthreads_and(int value) {
  return foal::test::emulation::block_barrier(foal::test::emulation::vote::all, value);
}
inline int __syncthreads_count(int value) {
  return foal::test::emulation::block_barrier(foal::test::emulation::vote::count, value);
}
inline void __syncwarp(unsigned lanes = 0xffffffffU) { foal::test::emulation::warp_vote(lanes, false); }
inline unsigned __ballot_sync(unsigned lanes, int value) { return foal::test::emulation::warp_vote(lanes, value != 0); }
inline int __any_sync(unsigned lanes, int value) { return __ballot_sync(lanes, value) != 0; }
inline int __all_sync(unsigned lanes, int value) { return __ballot_sync(lanes, value) == lanes; }

namespace foal::test::emulation {

inline int lane() { return static_cast<int>((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32); }
template <class T>
T shuffled(unsigned lanes, T value, int from) {
  static_assert(sizeof(T) <= 8);
  T out;
  warp_exchange(lanes, from, &value, &out, sizeof(T));
  return out;
}

}  // namespace foal::test::emulation

// Where the lane that is asked for lies outside of the part of `width` lanes, a thread gets its own value.
template <class T>
T __shfl_sync(unsigned lanes, T value, int from, int width = 32) {
  int const own = foal::test::emulation::lane();
  return foal::test::emulation::shuffled(lanes, value, own / width * width + from % width);
}
template <class T>
T __shfl_down_sync(unsigned lanes, T value, unsigned by, int width = 32) {
  int const own = foal::test::emulation::lane(), to = own % width + static_cast<int>(by);
  return foal::test::emulation::shuffled(lanes, value, to < width ? own + static_cast<int>(by) : own);
}
template <class T>
T __shfl_up_sync(unsigned lanes, T value, unsigned by, int width = 32) {
  int const own = foal::test::emulation::lane(), to = own % width - static_cast<int>(by);
  return foal::test::emulation::shuffled(lanes, value, to >= 0 ? own - static_cast<int>(by) : own);
}
template <class T>
T __shfl_xor_sync(unsigned lanes, T value, int mask, int width = 32) {
  int const own = foal::test::emulation::lane(), other = own ^ mask;
  return foal::test::emulation::shuffled(lanes, value, other / width == own / width ? other : own);
}

namespace foal::test::emulation {

/// What an atomic does to a word, in turn with all others: kernels run one at a time.
template <class T, class F>
T atomically(T* p, F next) {
  T before;
  begin_atomic(p, &before, sizeof(T));
  T const after = next(before);
  end_atomic(p, &after, sizeof(T));
  return before;
}

}  // namespace foal::test::emulation

template <class T>
T atomicAdd(T* p, T value) {
  return foal::test::emulation::atomically(p, [value](T x) { return static_cast<T>(x + value); });
}
template <class T>
T atomicOr(T* p, T value) {
  return foal::test::emulation::atomically(p, [value](T x) { return static_cast<T>(x | value); });
}
template <class T>
T atomicMax(T* p, T value) {
  return foal::test::emulation::atomically(p, [value](T x) { return x < value ? value : x; });
}
template <class T>
T atomicExch(T* p, T value) {
  return foal::test::emulation::atomically(p, [value](T) { return value; });
}
template <class T>
T atomicCAS(T* p, T expected, T value) {
  return foal::test::emulation::atomically(p, [expected, value](T x) { return x == expected ? value : x; });
}
inline void __threadfence() {}

struct cudaLaunchAttribute;
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};

namespace foal::test::emulation {

/// Enqueues a kernel, which `body` calls; `kernel` is its address, `type` the name of its type, for a name in reports.
cudaError_t launch(cudaLaunchConfig_t const& config, void const* kernel, char const* type, std::function<void()> body);

}  // namespace foal::test::emulation

/// The arguments are copied now, as a launch does.
template <class... Parameters, class... Args>
cudaError_t cudaLaunchKernelEx(cudaLaunchConfig_t const* config, void (*kernel)(Parameters...), Args&&... args) {
  std::tuple<std::decay_t<Parameters>...> const kept(static_cast<Parameters>(args)...);
  auto body = [kernel, kept] {
    auto const own = kept;  // on the thread's own stack
    auto* const function = kernel;
    foal::test::emulation::set_in_kernel(true);
    std::apply(function, own);
    foal::test::emulation::set_in_kernel(false);
  };
  return foal::test::emulation::launch(*config, reinterpret_cast<void const*>(kernel), typeid(kernel).name(), body);
}
