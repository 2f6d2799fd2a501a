// Opt-in umbrella of training in several processes: needs <mpi.h> and an MPI library (component foal::mpi).
#pragma once

#include <foal/executor/launched_over.hpp>
#include <foal/executor/processes.hpp>
#include <foal/transport/mpi.hpp>

namespace foal::executor {

using transport::mpi_session;

/// The processes that mpirun has started.
using processes = processes_over<transport::mpi>;

/// launched_session session(argc, argv): an mpi_session where mpirun has started several.
using launched_session = launched_over<mpi_session, processes>;

}  // namespace foal::executor
