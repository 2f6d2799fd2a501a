// foal's side of the comparison with torch.distributed.pipelining: foal_side NET SCHEDULE [FOLDER]
//
// Trains the MLP or ResNet-20 on two ranks, minibatches of 64 in microbatches of 8, when it is told to (support/turns.hpp):
// started alone on two threads, by mpirun -n 2 in two processes, whose first one is told. With a folder it writes there
// first what the other side needs.
#include <foal/mpi.hpp>

#include <chrono>
#include <thread>

#include "../support/outcome.hpp"
#include "../support/turns.hpp"
#include "../versus_pytorch/files.hpp"
#include "sides.hpp"

namespace {

using namespace bench::versus;

/// The first process's number, in both; who waits leaves its core to others.
int told(int number) {
  MPI_Request request;
  MPI_Ibcast(&number, 1, MPI_INT, 0, MPI_COMM_WORLD, &request);
  for (int done = 0;;) {
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done != 0) return number;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    foal::executor::launched_session const session(argc, argv);
    auto const here = foal::executor::as_launched::place();
    foal::require(here.count <= 2, "cannot train two ranks in ", here.count, " processes; start one, or two");
    foal::require(
        argc == 3 || argc == 4, "cannot start with ", argc - 1,
        " arguments; give mlp or resnet20, a schedule, and a folder where there is none of the other side's files");
    bool const images = std::string(argv[1]) == "resnet20";
    foal::require(images || std::string(argv[1]) == "mlp", "cannot train ", argv[1],
                  ", because it is neither mlp nor resnet20; give one of them");
    workload const w{.name = argv[1],
                     .minibatch = 64,
                     .microbatch = 8,
                     .compared = 4,
                     .timed = images ? 4 : 40,
                     .describe = images ? describe_resnet20 : describe_mlp};
    network net = w.describe();
    batches const data(w.minibatch, net.sample(), net.classes);
    if (argc == 4 && here.number == 0) write(folder(argv[3]), w, net, data);
    net.steps.clear();
    auto const side = images ? pipelined_resnet20(argv[2], w, data) : pipelined_mlp(argv[2], w, data);
    if (here.count == 1) {
      std::puts(bench::machine().c_str());
      bench::take_turns_with_others([&](int minibatches) { return side->train(minibatches); });
      return 0;
    }
    foal::executor::pinned const on(here.number);
    if (here.number == 1) {
      while (int const minibatches = told(0)) side->train(minibatches);
      return 0;
    }
    std::puts(bench::machine().c_str());
    bench::take_turns_with_others([&](int minibatches) { return side->train(told(minibatches)); });
    told(0);
    return 0;
  });
}
