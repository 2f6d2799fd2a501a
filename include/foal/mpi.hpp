// Opt-in umbrella of training in several processes: needs <mpi.h> and an MPI library (component foal::mpi).
#pragma once

#include <foal/executor/processes.hpp>
#include <foal/transport/mpi.hpp>

namespace foal::executor {

using transport::mpi_session;

/// The processes that mpirun has started.
using processes = processes_over<transport::mpi>;

}  // namespace foal::executor
