// Schedules of sequences in several processes: mpirun -n 2 ./processes_sequences. A language model in segments (seq1f1b),
// and one whose vocabulary is in parts (vocabulary_1f1b), train and evaluate to the bits of one thread.
#include <foal/mpi.hpp>

#include <foal/data/window_source.hpp>
#include <foal/foal.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/schedule/rules/seq1f1b.hpp>
#include <foal/schedule/rules/vocabulary_1f1b.hpp>
#include <foal/trainer/gathered.hpp>
#include <foal/zoo/gpt.hpp>

#include <cstdio>
#include <exception>

namespace {

using namespace foal;

constexpr int words = 13, longest = 8;

constexpr zoo::gpt_size size_of(int parts) {
  return {.layers = 2,
          .width = 8,
          .heads = 2,
          .vocabulary = words,
          .longest = longest,
          .dropout_percent = 20,
          .vocabulary_parts = parts};
}
struct whole : zoo::gpt<size_of(1)> {};
struct in_parts : zoo::gpt<size_of(4)> {};

/// Windows of a text; the last one is shorter.
data::window_source windows(int tokens) {
  std::vector<std::int32_t> text;
  for (int i = 0; i < tokens; ++i) text.push_back(i * i % words);
  return {text, {.length = longest, .vocabulary = words}};
}

/// What a fit gives: its weights, in an order of their own, losses and evaluations.
template <class Net, class Schedule, class Executor>
std::vector<double> fitted(Schedule const& schedule, int workers) {
  using run = trainer<Net, zoo::loss_over<words, Net::size.vocabulary_parts>, Schedule, optim::adam, Executor>;
  typename run::config c;
  c.microbatch_size = 2, c.microbatches = 3, c.ranks = 4, c.workers = workers;
  c.lr.rate = 0.01;
  c.schedule = schedule;
  run t(c);
  data::window_source const text = windows(13 * longest + 7), held_back = windows(3 * longest + 7);
  auto const r = t.fit(text, {.epochs = 2, .evaluate = held_back, .quiet = true});
  std::vector<double> all = r.epoch_loss;
  for (auto const& e : r.evaluations) all.insert(all.end(), {e.loss, e.accuracy});
  gathered const weights(t);
  for (int s = 0; s < run::stages; ++s)
    for (std::size_t i = 0; i < t.tables().stages[static_cast<std::size_t>(s)].parameters.size(); ++i)
      for (auto const w : weights.weights(s, i)) all.push_back(static_cast<double>(w));
  return all;
}

template <class Net, class Schedule>
int differs(Schedule const& schedule, executor::process_place here, int workers) {
  auto const many = fitted<Net, Schedule, executor::processes>(schedule, workers),
             one = fitted<Net, Schedule, executor::single_thread>(schedule, 1);
  std::printf("%s, process %d of %d with %d workers: %zu numbers, %s\n", Schedule::name, here.number, here.count, workers,
              one.size(), many == one ? "the same bits" : "OTHER BITS");
  return many == one ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  executor::mpi_session const session(argc, argv);
  executor::process_place const here = executor::processes::place();
  int differ = 0;
  for (int const workers : {1, 2}) {
    if (here.count * workers > 4) continue;
    for (int const segments : {2, 4}) differ += differs<whole>(schedule::seq1f1b{.segments = segments}, here, workers);
    for (int const memory : {0, 2}) {
      schedule::vocabulary_1f1b const s{.parts = 4, .memory = memory};
      differ += differs<in_parts>(s, here, workers);
    }
  }
  return differ == 0 ? 0 : 1;
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
