// One process, where foal::mpi is absent.
#include <foal/transport/launcher.hpp>

#include "processes.hpp"

std::shared_ptr<void> options::begin_processes(int&, char**&) {
  auto const launched = foal::transport::launched_by();
  if (launched && launched->place.count > 1)
    throw foal::error(foal::sentence("cannot train as ", launched->text(),
                                     ", because this program was built without foal::mpi; install libopenmpi-dev or "
                                     "libmpich-dev and build it again, or start it alone"));
  return {};
}
