// The same training in several processes: mpirun -n 4 ./processes. Every process trains the stages that it hosts, then all
// of them on one thread, and compares the weights of all: the bits are the same.
#include <foal/mpi.hpp>

#include <foal/foal.hpp>
#include <foal/policy/replica/local.hpp>
#include <foal/policy/replica/sharded.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/trainer/gathered.hpp>

#include <cstdio>
#include <exception>

namespace {

using namespace foal;

struct net : stages<input<16>, repeat<3, linear<24>, foal::tanh>, linear<4>> {};

struct samples {
  void inputs(long long m, float* x, float*) const {
    for (int i = 0; i < 4 * 16; ++i) x[i] = static_cast<float>((m * 64 + i) * 7 % 23) * 0.1F - 1;
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < 4; ++i) t[i] = static_cast<std::int32_t>((m + i) % 4);
  }
};

/// Trains with some policies in these processes, and alone. Gives the stages of this process whose weights differ.
template <class Schedule, class... Policies>
int differences(char const* name, executor::process_place here, auto&&... set) {
  auto const train = [&]<class Executor>(Executor) {
    using trained = trainer<net, loss::cross_entropy, Schedule, optim::momentum, Executor, Policies...>;
    typename trained::config c;
    c.microbatch_size = 4;
    c.microbatches = 3;
    c.lr = {};
    c.evaluation = false;
    (set(c), ...);
    auto t = std::make_unique<trained>(c);
    t->run(samples{}, {.minibatches = 40});
    return t;
  };
  auto const many = train(executor::processes{});
  auto const one = train(executor::single_thread{});
  int hosted = 0, differ = 0;
  gathered const all(*many);
  for (auto const& b : many->engine().stages()) {
    hosted += b.worker >= 0 ? 1 : 0;
    for (std::size_t p = 0; b.replica == 0 && p < b.table->parameters.size(); ++p)
      differ += all.weights(b.number, p) == one->weights(b.number, p) ? 0 : 1;
  }
  std::printf("%-12s process %d of %d: %d units, %zu of %zu bytes, %s\n", name, here.number, here.count, hosted,
              many->engine().memory().allocated_bytes(), one->engine().memory().allocated_bytes(),
              differ == 0 ? "the same bits" : "OTHER BITS");
  return differ;
}

}  // namespace

int main(int argc, char** argv) try {
  executor::mpi_session const session(argc, argv);
  executor::process_place const here = executor::processes::place();
  using t1 = lr::reschedule<lr::constant>;
  auto const rate = [](auto& c) { c.lr.rate = 0.05; };
  auto const all = [](auto& c) {
    c.lr = {.base = {.rate = 0.05}, .steps = 20};
    c.warmup.minibatches = 10;
  };
  int differ = differences<schedule::gpipe>("gpipe", here, rate);
  differ += differences<schedule::one_f_one_b>("1f1b", here, rate);
  differ +=
      differences<schedule::one_f_one_b, clip::global_norm>("global norm", here, rate, [](auto& c) { c.clip.norm = 0.1; });
  differ += differences<schedule::async_1f1b, versions::stash>("pipedream", here, rate);
  differ += differences<schedule::pipemare>("pipemare", here, rate);
  differ +=
      differences<schedule::pipemare, t1, delay::discrepancy_correction, warmup::synchronous>("T1 + T2 + T3", here, all);
  auto const beside = [](auto& c) { c.microbatches = 4, c.replicas = 2; };
  differ += differences<schedule::one_f_one_b>("2 replicas", here, rate, beside);
  differ += differences<schedule::pipemare, t1, delay::discrepancy_correction, warmup::synchronous>("2 with T1-T3", here,
                                                                                                    all, beside);
  differ += differences<schedule::one_f_one_b, replica::sharded>("2 sharded", here, rate, beside);
  differ += differences<schedule::one_f_one_b, replica::local>("2 local", here, rate, beside);
  return differ == 0 ? 0 : 1;
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
