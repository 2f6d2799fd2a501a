// Trains in several processes for minutes, until it is ended: mpirun -n N lasts DIRECTORY STALL_SECONDS [PROCESS]. Each
// process writes its number among the system's processes to DIRECTORY/<its own>.pid when it has trained for a moment; the
// one with the number PROCESS does not come back from an op after that. For ranks.sh.
#include <foal/mpi.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <foal/core/atomic_file.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

namespace {

using namespace foal;

struct net : stages<input<16>, repeat<7, linear<16>, foal::tanh>, linear<4>> {};
using run = trainer<net, loss::cross_entropy, schedule::pipemare, executor::processes>;

struct samples {
  long long minibatches_per_epoch() const { return 1; }
  void inputs(long long m, float* x, float*) const {
    for (int i = 0; i < 4 * 16; ++i) x[i] = static_cast<float>((m * 64 + i) * 7 % 23) * 0.1F - 1;
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < 4; ++i) t[i] = static_cast<std::int32_t>((m + i) % 4);
  }
};

/// Told of every update of a stage that is hosted here.
struct witness {
  std::string directory, file;
  bool stays = false, written = false;
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();

  static void updated(void* self, executor::bound_stage const&) {
    auto& w = *static_cast<witness*>(self);
    auto const since = std::chrono::steady_clock::now() - w.begin;
    if (!w.written && since > std::chrono::milliseconds(200)) {
      std::string const number = report::shortest(getpid()) + "\n";
      atomic_file out(w.file);
      out.write(number.data(), number.size());
      out.commit();
      w.written = true;
    }
    if (w.stays && w.written && w.all_have_begun())
      while (true) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  bool all_have_begun() const {
    for (int p = 0; p < executor::processes::place().count; ++p)
      if (access(sentence(directory, "/", p, ".pid").c_str(), F_OK) != 0) return false;
    return true;
  }
};

}  // namespace

int main(int argc, char** argv) try {
  executor::mpi_session const session(argc, argv);
  int const here = executor::processes::place().number;
  require(argc >= 3, "cannot begin, because there are ", argc - 1,
          " arguments where 2 or 3 are expected; name a directory, ", "and after how many seconds a run stands still");
  run::config c;
  c.microbatch_size = 4;
  c.microbatches = 2;
  c.lr.rate = 1e-3F;
  c.evaluation = false;
  run t(c);
  witness seen{
      .directory = argv[1], .file = sentence(argv[1], "/", here, ".pid"), .stays = argc > 3 && std::atoi(argv[3]) == here};
  executor::run_request request{.minibatches = 500'000'000};
  request.stall_seconds = std::atof(argv[2]);
  request.watch = {&seen, &witness::updated};
  t.run(samples{}, request);
  return 0;
} catch (std::exception const& e) {
  std::fprintf(stderr, "lasts: %s\n", e.what());
  return 1;
}
