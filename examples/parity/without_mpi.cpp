// parity where foal::mpi is absent.
#include <foal/core/error.hpp>

#include "executor.hpp"

parity::processes parity::processes_of_mpi(int&, char**&) {
  throw foal::error(
      "cannot use --executor processes, because this program was built without foal::mpi; install libopenmpi-dev or "
      "libmpich-dev, and build it again");
}
