// Opt-in umbrella of training on GPUs of several processes: needs <nccl.h>, <mpi.h> and the CUDA toolkit (component
// foal::nccl).
#pragma once

#include <foal/cuda.hpp>
#include <foal/mpi.hpp>
#include <foal/transport/nccl.hpp>

namespace foal::executor {

/// The processes that mpirun has started, each with a GPU: MPI finds them, NCCL carries what lies in GPU memory.
using gpu_processes = processes_over<transport::nccl<transport::mpi>>;

}  // namespace foal::executor
