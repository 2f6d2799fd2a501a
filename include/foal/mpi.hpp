// Opt-in umbrella of training in several processes: needs <mpi.h> and an MPI library (component foal::mpi).
#pragma once

#include <foal/executor/processes.hpp>
#include <foal/transport/mpi.hpp>
