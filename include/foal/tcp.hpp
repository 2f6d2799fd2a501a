// Opt-in umbrella of training in several processes without a library: sockets of the machine alone (Linux).
#pragma once

#include <foal/executor/launched_over.hpp>
#include <foal/executor/processes.hpp>
#include <foal/transport/tcp.hpp>

namespace foal::executor {

using transport::tcp_session;

/// The processes that a launcher has started, or the user: torchrun, srun, or a shell that sets FOAL_RANK, FOAL_SIZE and
/// FOAL_ADDRESS.
using tcp_processes = processes_over<transport::tcp>;

/// A tcp_session where several were started.
using launched_tcp_session = launched_over<tcp_session, tcp_processes>;

}  // namespace foal::executor
