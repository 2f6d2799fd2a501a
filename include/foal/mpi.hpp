// Opt-in umbrella of training in several processes: needs <mpi.h> and an MPI library (component foal::mpi).
#pragma once

#include <optional>

#include <foal/executor/as_launched.hpp>
#include <foal/executor/processes.hpp>
#include <foal/transport/mpi.hpp>

namespace foal::executor {

using transport::mpi_session;

/// The processes that mpirun has started.
using processes = processes_over<transport::mpi>;

/// For a program whose trainers have executor::as_launched: an mpi_session where a launcher has started several processes,
/// and else nothing, so that a program started by hand asks nothing of MPI. To be made at the top of main(), before
/// trainers.
class launched_session {
 public:
  launched_session(int& argc, char**& argv) {
    auto const launched = transport::launched_by();
    if (!launched || launched->place.count == 1) return;
    session_.emplace(argc, argv);
    as_launched::join<processes>();
  }

 private:
  std::optional<mpi_session> session_;
};

}  // namespace foal::executor
