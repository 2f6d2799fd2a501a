// What one of two processes throws ends both, with its sentence: mpirun -n 2 ./processes_end tick|watch|refused|norm.
// `metrics`: one of them writes the metrics, and none says that it waits.
#include <foal/mpi.hpp>

#include <foal/foal.hpp>

#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

namespace {

using namespace foal;

struct net : stages<input<16>, linear<24>, foal::tanh, linear<4>> {};

struct samples {
  long long minibatches_per_epoch() const { return 4; }
  void inputs(long long m, float* x, float*) const {
    for (int i = 0; i < 4 * 16; ++i) x[i] = static_cast<float>((m * 64 + i) * 7 % 23) * 0.1F - 1;
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < 4; ++i) t[i] = static_cast<std::int32_t>((m + i) % 4);
  }
};

template <class... Policies>
using trained = trainer<net, loss::cross_entropy, schedule::gpipe, optim::momentum, executor::processes, Policies...>;

template <class... Policies>
typename trained<Policies...>::config values() {
  typename trained<Policies...>::config c;
  c.microbatch_size = 4;
  c.microbatches = 3;
  c.lr.rate = 0.05;
  c.evaluation = false;
  return c;
}

void end(std::string const& how, executor::process_place here) {
  if (how == "norm") trained<clip::global_norm>{values<clip::global_norm>()};
  trained<> t(values());
  if (how == "refused" && here.number == 0) throw error("cannot go on, because process 0 refuses; leave it");
  executor::run_request request{.minibatches = 1000000};
  if (how == "tick")
    request.tick = [&](long long) {
      if (here.number == 0) throw error("the tick of process 0 has thrown");
    };
  if (how == "watch")
    request.watch.after_update = [](void*, executor::bound_stage const& b) {
      if (b.number == 0) throw error("who watches stage 0 has thrown");
    };
  t.run(samples{}, request);
}

void write_metrics(std::string const& path, executor::process_place here) {
  trained<> t(values());
  long long told = 0;
  executor::run_request hooks{.waits = [](std::string const& what, double) { std::printf("WAITS for %s\n", what.c_str()); },
                              .patience = 1};
  hooks.tick = [&](long long microbatches) { told = microbatches; };
  t.fit_batches(samples{}, {.epochs = 3, .quiet = true, .metrics = path, .hooks = hooks});
  MPI_Barrier(MPI_COMM_WORLD);
  int lines = 0;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) ++lines;
  std::printf("process %d: %lld microbatches, %d lines\n", here.number, told, lines);
}

}  // namespace

int main(int argc, char** argv) try {
  executor::mpi_session const session(argc, argv);
  executor::process_place const here = executor::processes::place();
  std::string const how = argc > 1 ? argv[1] : "";
  if (how == "metrics")
    write_metrics(argv[2], here);
  else
    end(how, here);
  return 0;
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
