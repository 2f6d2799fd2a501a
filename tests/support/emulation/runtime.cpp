#include "runtime.hpp"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cuda/cuda_runtime.h"
#include "flaws.hpp"
#include "memory.hpp"
#include "queues.hpp"

namespace foal::test::emulation {

namespace {

int devices = 1;
thread_local int current = 0;
thread_local cudaError_t last_error = cudaSuccess;
std::pair<std::string, cudaError_t> refused;
bool peers = true;

/// What a call gives, kept for cudaGetLastError().
cudaError_t given(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

bool refuses(char const* call, cudaError_t& error) {
  if (devices == 0) return error = given(cudaErrorInsufficientDriver), true;
  if (refused.first == call) {
    refused.first.clear();
    return error = given(refused.second), true;
  }
  if (sticky() != cudaSuccess) return error = given(sticky()), true;
  return false;
}

/// Of one caller at a time. Looking a name up takes longer than a small kernel.
std::string const& name_of(void const* kernel, char const* type) {
  static std::map<void const*, std::string> known;
  std::string& name = known[kernel];
  if (!name.empty()) return name;
  Dl_info info{};
  char const* mangled = dladdr(kernel, &info) != 0 && info.dli_sname != nullptr ? info.dli_sname : type;
  int status = 0;
  char* const readable = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  name = std::string(status == 0 ? readable : mangled).substr(0, 200);
  std::free(readable);
  return name;
}

bool is_pageable(void const* p) { return find(p).where == place::nowhere; }

/// Copies at the time of the op; both ends are checked then.
cudaError_t copy_now(void* to, void const* from, std::size_t bytes, int to_device, int from_device, bool to_host,
                     bool from_host) {
  bool const good = (to_host || check_range("the target of a copy", to, bytes, to_device)) &
                    (from_host || check_range("the source of a copy", from, bytes, from_device));
  if (!good) return cudaErrorIllegalAddress;
  std::memmove(to, from, bytes);
  return cudaSuccess;
}

}  // namespace

void set_devices(int count) { devices = count; }
void set_peers(bool can) { peers = can; }
void refuse_next(std::string call, cudaError_t error) { refused = {std::move(call), error}; }
void reset() {
  std::lock_guard<call_lock> const held(calls());
  fail(cudaSuccess);
  last_error = cudaSuccess;
}

cudaError_t launch(cudaLaunchConfig_t const& config, void const* kernel, char const* type, std::function<void()> body) {
  std::lock_guard<call_lock> const held(calls());
  cudaError_t bad;
  if (refuses("cudaLaunchKernelEx", bad)) return bad;
  auto const size = [](dim3 const& d) { return std::size_t{d.x} * d.y * d.z; };
  if (size(config.blockDim) == 0 || size(config.blockDim) > 1024 || size(config.gridDim) == 0 ||
      config.dynamicSmemBytes > 227 * 1024)
    return given(cudaErrorInvalidConfiguration);
  kernel_call call;
  call.shape = {{config.gridDim.x, config.gridDim.y, config.gridDim.z},
                {config.blockDim.x, config.blockDim.y, config.blockDim.z},
                config.dynamicSmemBytes};
  call.device = device_of(config.stream);
  if (call.device != current) report("a kernel is launched in a stream of another device than the current one");
  call.name = name_of(kernel, type);
  call.body = std::move(body);
  return given(enqueue(config.stream, [call] { return run(call) ? cudaSuccess : cudaErrorIllegalAddress; }));
}

}  // namespace foal::test::emulation

using namespace foal::test::emulation;
using lock = std::lock_guard<call_lock>;

cudaError_t cudaGetDeviceCount(int* count) {
  *count = devices;
  return devices == 0 ? given(cudaErrorInsufficientDriver) : cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= devices) return given(cudaErrorInvalidDevice);
  current = device;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = current;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device < 0 || device >= devices) return given(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = 1024;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = 48 * 1024;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = 4;
      break;
  }
  return cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  *can = peers && device != peer && device >= 0 && peer >= 0 && device < devices && peer < devices;
  return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
  if (peer < 0 || peer >= devices || peer == current) return given(cudaErrorInvalidDevice);
  if (reaches(current, peer)) return given(cudaErrorPeerAccessAlreadyEnabled);
  let_reach(current, peer);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  lock const held(calls());
  *p = nullptr;
  cudaError_t bad;
  if (refuses("cudaMalloc", bad)) return bad;
  if (captured_now()) return given(cudaErrorStreamCaptureUnsupported);
  if (bytes == 0) return cudaSuccess;
  *p = allocate(bytes, current, place::device);
  return *p == nullptr ? given(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaFree(void* p) {
  lock const held(calls());
  if (p == nullptr) return cudaSuccess;
  finish_all();
  if (release(p, place::device)) return given(sticky());
  report("cudaFree gets what is no block of a device: " + described(p));
  return given(cudaErrorInvalidValue);
}

cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned) {
  lock const held(calls());
  *p = nullptr;
  cudaError_t bad;
  if (refuses("cudaHostAlloc", bad)) return bad;
  if (bytes == 0) return cudaSuccess;
  *p = allocate(bytes, current, place::pinned);
  return *p == nullptr ? given(cudaErrorMemoryAllocation) : cudaSuccess;
}
cudaError_t cudaMallocHost(void** p, std::size_t bytes) { return cudaHostAlloc(p, bytes, cudaHostAllocDefault); }

cudaError_t cudaFreeHost(void* p) {
  lock const held(calls());
  if (p == nullptr) return cudaSuccess;
  finish_all();
  if (release(p, place::pinned)) return cudaSuccess;
  report("cudaFreeHost gets what is no block of pinned memory: " + described(p));
  return given(cudaErrorInvalidValue);
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, void const* p) {
  lock const held(calls());
  block const b = find(p);
  if (b.where == place::nowhere) return cudaErrorInvalidValue;
  attributes->device = b.device;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* all) {
  *all = std::size_t{8} << 30U;
  *free = *all - in_use(current);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, void const* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  lock const held(calls());
  cudaError_t bad;
  if (refuses("cudaMemcpyAsync", bad)) return bad;
  int const device = device_of(stream);
  bool const to_host = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyHostToHost;
  bool const from_host = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyHostToHost;
  if ((to_host && find(to).where == place::device) || (from_host && find(from).where == place::device))
    report("a copy between host and device is told the wrong way: " + described(to) + ", " + described(from));
  if (is_capturing(stream))
    return given(enqueue(stream, [=] { return copy_now(to, from, bytes, device, device, to_host, from_host); }));
  if (from_host && is_pageable(from)) {  // is copied to a staging buffer before the call returns
    auto const* const first = static_cast<std::byte const*>(from);
    auto const staged = std::make_shared<std::vector<std::byte>>(first, first + bytes);
    return given(enqueue(stream, [=] { return copy_now(to, staged->data(), bytes, device, device, to_host, true); }));
  }
  cudaError_t const put = enqueue(stream, [=] { return copy_now(to, from, bytes, device, device, to_host, from_host); });
  if (put == cudaSuccess && to_host && is_pageable(to)) return given(cudaStreamSynchronize(stream));
  return given(put);
}

cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, void const* from, int from_device, std::size_t bytes,
                                cudaStream_t stream) {
  lock const held(calls());
  cudaError_t bad;
  if (refuses("cudaMemcpyPeerAsync", bad)) return bad;
  return given(enqueue(stream, [=] { return copy_now(to, from, bytes, to_device, from_device, false, false); }));
}

cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream) {
  lock const held(calls());
  cudaError_t bad;
  if (refuses("cudaMemsetAsync", bad)) return bad;
  int const device = device_of(stream);
  return given(enqueue(stream, [=] {
    if (!check_range("what cudaMemsetAsync sets", p, bytes, device)) return cudaErrorIllegalAddress;
    std::memset(p, value, bytes);
    return cudaSuccess;
  }));
}

cudaError_t cudaMemset(void* p, int value, std::size_t bytes) { return cudaMemsetAsync(p, value, bytes, nullptr); }

cudaError_t cudaMemcpy(void* to, void const* from, std::size_t bytes, cudaMemcpyKind kind) {
  cudaError_t const bad = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return bad != cudaSuccess ? bad : given(cudaStreamSynchronize(nullptr));
}

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return last_error; }

char const* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorNoKernelImageForDevice:
      return "cudaErrorNoKernelImageForDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorPeerAccessAlreadyEnabled:
      return "cudaErrorPeerAccessAlreadyEnabled";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorStreamCaptureUnmatched:
      return "cudaErrorStreamCaptureUnmatched";
    case cudaErrorStreamCaptureUnjoined:
      return "cudaErrorStreamCaptureUnjoined";
  }
  return "an error without a name";
}
char const* cudaGetErrorString(cudaError_t) { return "of the emulation"; }
