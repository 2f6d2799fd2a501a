// Failures of the CUDA runtime as sentences that name the call, the status and what to do.
#pragma once

#include <cuda_runtime_api.h>

#include <foal/core/error.hpp>

namespace foal::device::cuda_ops {

/// Whether a status says that this machine has no GPU that CUDA can use: no driver (35) or no device (100).
inline bool means_no_gpu(cudaError_t status) { return status == cudaErrorInsufficientDriver || status == cudaErrorNoDevice; }

/// What to do about a status.
inline char const* remedy(cudaError_t status) {
  if (means_no_gpu(status)) return "run where a GPU and its driver are installed, or train on foal::device::host";
  if (status == cudaErrorMemoryAllocation) return "use a smaller microbatch, or a GPU with more memory";
  if (status == cudaErrorNoKernelImageForDevice) return "compile for this GPU with nvcc -arch";
  return "if an op before this one failed, CUDA_LAUNCH_BLOCKING=1 in the environment makes that op report it";
}

/// Throws foal::error unless the status is success. call: the call and what it was for, "cudaMalloc of weights".
template <class... Call>
void check(cudaError_t status, Call const&... call) {
  if (status != cudaSuccess)
    throw error(sentence("cannot do ", call..., ", because CUDA gave ", cudaGetErrorName(status), " (",
                         cudaGetErrorString(status), "); ", remedy(status)));
}

}  // namespace foal::device::cuda_ops
