// The same training in the processes that mpirun has started: components foal::nccl and foal::mpi.
#include <foal/mpi.hpp>
#include <foal/nccl.hpp>

#include "training.hpp"

int main(int argc, char** argv) {
  foal::executor::launched_gpu_session<foal::transport::mpi> const session(argc, argv);
  return learn_on_gpu();
}
