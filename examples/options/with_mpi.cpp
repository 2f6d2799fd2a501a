// Several processes, where foal::mpi is there.
#include <foal/mpi.hpp>

#include "processes.hpp"

std::shared_ptr<void> options::begin_processes(int& argc, char**& argv) {
  return std::make_shared<foal::executor::launched_session>(argc, argv);
}
