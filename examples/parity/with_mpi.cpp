// parity in several processes, where foal::mpi is there.
#include <foal/mpi.hpp>

#include "executor.hpp"

parity::processes parity::processes_of_mpi(int& argc, char**& argv) {
  using foal::executor::processes;
  auto session = std::make_shared<foal::executor::mpi_session>(argc, argv);
  return {processes::place, processes::agree, processes::drive,
          [](std::string const& mine) { return foal::transport::mpi().exchange(mine); }, std::move(session)};
}
