// The same training in the processes that torchrun, srun or a shell has started: component foal::nccl alone.
#include <foal/nccl.hpp>

#include "training.hpp"

#if defined(MPI_VERSION)
#error "foal/nccl.hpp includes MPI, which the component nccl does not ask for"
#endif

int main() {
  foal::executor::launched_gpu_session<foal::transport::tcp> const session;
  return learn_on_gpu();
}
