// Trains for a second or two with checkpoints, and writes the weights, and to WEIGHTS.best those of the least loss: trains
// DIRECTORY WEIGHTS [UPDATES BETWEEN CHECKPOINTS] [WORKERS] [UPDATES BETWEEN COPIES IN MEMORY] [THRESHOLD: it ends with the
// first loss that is not less by that share], in as many processes as a launcher starts. Killed at any moment and started
// again it writes the same files. In WEIGHTS.updates stands how far it came: see `reached`. For kill.sh.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <foal/checkpoint.hpp>
#include <foal/checkpoint/keep_best.hpp>
#include <foal/checkpoint/safetensors.hpp>
#include <foal/data/handwritten.hpp>
#include <foal/executor/as_launched.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>
#include <foal/trainer/early_stopping.hpp>
#include <foal/trainer/gathered.hpp>

#include "examples/options/processes.hpp"

namespace {

/// Two numbers in a file that all processes of a job map, and that outlives them: the first update that some stage has begun
/// since the job was started, and the last; counted from 1, 0 where there is none.
class reached {
 public:
  explicit reached(std::string const& path) {
    int const handle = ::open(path.c_str(), O_RDWR | O_CREAT, 0666);
    foal::require(handle >= 0 && ::ftruncate(handle, 2 * sizeof(std::int64_t)) == 0, "cannot write ", path,
                  "; name a file in a directory that may be written to");
    void* const at = ::mmap(nullptr, 2 * sizeof(std::int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, handle, 0);
    ::close(handle);
    foal::require(at != MAP_FAILED, "cannot map ", path, "; name a file of a disk");
    numbers_ = static_cast<std::int64_t*>(at);
  }
  void update(std::int64_t number) {
    std::atomic_ref<std::int64_t> first(numbers_[0]), last(numbers_[1]);
    for (auto had = first.load(); (had == 0 || number < had) && !first.compare_exchange_weak(had, number);) {
    }
    for (auto had = last.load(); number > had && !last.compare_exchange_weak(had, number);) {
    }
  }

 private:
  std::int64_t* numbers_ = nullptr;
};
reached* told = nullptr;

/// Tells of each update that a stage asks a rate for.
struct watched : foal::lr::step {
  double at(foal::lr::moment m) const {
    if (told != nullptr) told->update(m.update + 1);
    return foal::lr::step::at(m);
  }
};

struct net : foal::stages<foal::input<1, 8, 8>, foal::flatten, foal::linear<48>, foal::batch_norm, foal::tanh,
                          foal::dropout<10>, foal::linear<48>, foal::tanh, foal::linear<10>> {};
using run =
    foal::trainer<net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::adam, foal::executor::as_launched,
                  foal::delay::discrepancy_correction, foal::lr::reschedule<watched>, foal::warmup::synchronous>;

int train(std::string const& directory, std::string const& weights, long long every, int workers, long long in_memory,
          foal::early_stopping stop) {
  foal::interruption const until;
  reached so_far(weights + ".updates");
  told = &so_far;
  foal::data::dataset const data = foal::data::handwritten({.seed = 1});
  run::config c;
  c.microbatch_size = 8;
  c.microbatches = 2;
  c.workers = workers;
  c.lr = {.base = {{.rate = 1e-3, .every = 1 << 20}}, .steps = 400};
  c.warmup.minibatches = 150;
  run t(c);
  foal::checkpoints const saves{
      .directory = directory, .every_updates = every, .keep = 2, .resume = true, .memory_every = in_memory, .until = &until};
  foal::fit_report const r =
      t.fit(data.train, {.epochs = 5,
                         .evaluate = data.test,
                         .quiet = true,
                         .checkpoint = saves,
                         .hooks = {.evaluated = foal::checkpoint::keep_best(t, weights + ".best", stop)}});
  for (std::string const& note : r.notes) std::printf("%s\n", note.c_str());
  if (r.interrupted != 0) return 128 + r.interrupted;
  foal::predictor<net> all({.microbatch_size = 1});
  all.take(foal::gathered(t));
  if (!options::processes::first()) return 0;
  foal::checkpoint::write_safetensors(weights, all);
  std::printf("%.17g\n", r.evaluations.back().loss);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    options::processes const processes(argc, argv);
    foal::require(argc >= 3, "cannot begin, because there are ", argc - 1, " arguments where 2 to 6 are expected; name a ",
                  "directory for checkpoints and a file for weights");
    return train(argv[1], argv[2], argc > 3 ? std::atoll(argv[3]) : 50, argc > 4 ? std::atoi(argv[4]) : 2,
                 argc > 5 ? std::atoll(argv[5]) : 0,
                 argc > 6 ? foal::early_stopping{.patience = 0, .threshold = std::atof(argv[6])} : foal::early_stopping{});
  } catch (std::exception const& e) {
    std::fprintf(stderr, "trains: %s\n", e.what());
    return 1;
  }
}
