// How the emulated machine is: set by tests.
#pragma once

#include <string>

#include "cuda/cuda_runtime_api.h"

namespace foal::test::emulation {

/// How many GPUs the machine has, 1 at the start; 0: none, as without a driver.
void set_devices(int count);
/// Whether GPUs can reach each other's memory, as they can at the start; what they have reached before they still reach.
void set_peers(bool can);
/// The next call of this name gives the error instead of doing anything.
void refuse_next(std::string call, cudaError_t error);
/// What NCCL has been asked for since the last call: communicators of a rank, and kernels, of which a group on a stream is
/// one.
struct nccl_counts {
  long long communicators = 0, kernels = 0;
};
nccl_counts take_nccl_counts();
/// Takes back the failure of a kernel, which on a GPU ends the process's use of it.
void reset();

}  // namespace foal::test::emulation
