// Opt-in umbrella of training in several processes without a library: sockets of the machine alone (Linux).
#pragma once

#include <optional>

#include <foal/executor/as_launched.hpp>
#include <foal/executor/processes.hpp>
#include <foal/transport/tcp.hpp>

namespace foal::executor {

using transport::tcp_session;

/// The processes that a launcher has started, or the user: torchrun, srun, or a shell that sets FOAL_RANK, FOAL_SIZE and
/// FOAL_ADDRESS.
using tcp_processes = processes_over<transport::tcp>;

/// For a program whose trainers have executor::as_launched: a tcp_session where several processes were started, and else
/// nothing. To be made at the top of main(), before trainers.
class launched_tcp_session {
 public:
  launched_tcp_session() {
    auto const launched = transport::launched_by();
    if (!launched || launched->place.count == 1) return;
    session_.emplace();
    as_launched::join<tcp_processes>();
  }

 private:
  std::optional<tcp_session> session_;
};

}  // namespace foal::executor
