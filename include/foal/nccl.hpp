// Opt-in umbrella of GPUs of several processes: needs <nccl.h> and the CUDA toolkit (component foal::nccl), but neither nvcc
// nor MPI. What trains on them has foal/cuda.hpp.
#pragma once

#include <foal/tcp.hpp>
#include <foal/transport/nccl.hpp>

namespace foal::executor {

/// Processes, each with a GPU, between which NCCL carries what lies in GPU memory. Control finds them and carries the rest:
/// transport::tcp, where torchrun, srun or a shell has started them, and which needs no library; or transport::mpi, under
/// mpirun, with foal/mpi.hpp beside this header (component foal::mpi).
template <class Control>
using gpu_processes = processes_over<transport::nccl<Control>>;

/// For a program whose trainers have executor::as_launched: Control's session where several processes were started, each
/// with a GPU. launched_gpu_session<transport::tcp> session, launched_gpu_session<transport::mpi> session(argc, argv).
template <class Control>
using launched_gpu_session = launched_over<typename Control::session, gpu_processes<Control>>;

}  // namespace foal::executor
