// What one of several processes throws, and where one diverges, comes out of all, and what all refuse each of them says:
// mpirun -n 2 ./processes_end CASE. `metrics`: one of them writes the metrics, and none says that it waits. `pause`: all
// pause where one wants it, and go on to the bits of one thread. `evaluates`: all evaluate together, and compare what they
// hear with one thread. `tied`: weights that the processes share have the bits of one thread, at a pause and at the end.
#include <foal/mpi.hpp>

#include <foal/foal.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/trainer/gathered.hpp>

#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

using namespace foal;

struct net : stages<input<16>, repeat<2, linear<24>, foal::tanh>, linear<4>> {};

struct samples {
  int epoch = 4;          ///< minibatches
  float darker = 1;       ///< of the last microbatch
  long long lacks = -1;   ///< a microbatch
  std::int32_t also = 0;  ///< what is added to the targets of the last microbatch

  long long minibatches_per_epoch() const { return epoch; }
  void inputs(long long m, float* x, float*) const {
    if (m == lacks) throw std::runtime_error("there is no microbatch 8");
    for (int i = 0; i < 4 * 16; ++i) x[i] = static_cast<float>((m * 64 + i) * 7 % 23) * 0.1F - (m == 11 ? darker : 1);
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < 4; ++i) t[i] = static_cast<std::int32_t>((m + i + (m == 11 ? also : 0)) % 4);
  }
};

template <class Net, class... Policies>
using trained_net = trainer<Net, loss::cross_entropy, schedule::gpipe, optim::momentum, executor::processes, Policies...>;
template <class... Policies>
using trained = trained_net<net, Policies...>;
using trained_alone = trainer<net, loss::cross_entropy, schedule::gpipe, optim::momentum, executor::single_thread>;

/// The weights of its first stage are those of its last one.
using shared = tied<struct both_ends, linear<16>>;
struct ring : stages<input<16>, shared, foal::tanh, repeat<2, linear<16>, foal::tanh>, shared, foal::tanh, linear<4>> {};
template <class Executor, class Schedule, class... Policies>
using ring_trainer = trainer<ring, loss::cross_entropy, Schedule, optim::momentum, Executor, Policies...>;

template <class Trainer>
typename Trainer::config values() {
  typename Trainer::config c;
  c.microbatch_size = 4;
  c.microbatches = 3;
  c.lr.rate = 0.05;
  c.evaluation = false;
  return c;
}

/// What one process does another way than process 0.
void train_otherwise(std::string const& how, executor::process_place here) {
  bool const last = here.number + 1 == here.count;
  auto c = values<trained<>>();
  if (how == "seed" && last) c.seed = 2;
  if (how == "rate" && last) c.lr.rate = 0.1;
  if (how == "diverges") c.lr.rate = 3e38F;
  if (how == "microbatches" && last) c.microbatches = 4;
  if (how == "made" && here.number == 1) c.microbatches = 0;
  c.diagnostics = {.every = 1, .fresh = how == "fresh"};
  c.pin = how == "pin";
  trained<> t(c);
  if (how == "refused" && here.number == 0) throw error("cannot go on, because process 0 refuses; leave it");
  if (how == "leaves" && last) return;
  executor::run_request request{.minibatches = how == "minibatches" && last ? 5 : 4};
  request.tick = [&](long long) {
    if (how == "tick" && here.number == 0) throw error("the tick of process 0 has thrown");
  };
  if (how == "watch")
    request.watch.after_update = [](void*, executor::bound_stage const& b) {
      if (b.number == 0) throw error("who watches stage 0 has thrown");
    };
  if (how == "disturb" && last)
    request.disturb.between = [](void*, int, long long ops) {
      if (ops == 3) throw error("who disturbs process 1 has thrown");
    };
  samples data;
  if (how == "throws") data.lacks = 8;  // which is not looked at before the run
  if (how == "size" && last) data.epoch = 5;
  if (how == "inputs" && last) data.darker = 0;
  if (how == "targets" && last) data.also = 1;
  executor::run_result const r = t.run(data, request);
  if (r.diverged) throw error(r.diverged->text());
}

/// What all refuse is thrown in each, which says so before one of them ends the others.
int refused(std::string const& how, executor::process_place here) try {
  train_otherwise(how, here);
  return 0;
} catch (error const& e) {
  for (char const* const one : {"refused", "made", "leaves"})
    if (how == one) throw;
  std::printf("process %d: %s\n", here.number, e.what());
  std::fflush(stdout);
  return 1;
}

/// 40 samples to evaluate, of which a process has the part that it reads.
struct held_back {
  data::part has = data::part::both;

  data::part loaded() const { return has; }
  long long size() const { return 40; }
  shape sample() const { return features(16); }
  int target_size() const { return 1; }
  template <class S>
  void write_sample(long long i, S* x) const {
    if (!data::has_inputs(has)) throw error("the inputs are not here");
    for (int e = 0; e < 16; ++e) x[e] = static_cast<S>((i * 16 + e) * 5 % 23) / 8 - 1;
  }
  void write_target(long long i, std::int32_t* t) const {
    if (!data::has_targets(has)) throw error("the targets are not here");
    *t = static_cast<std::int32_t>(i % 4);
  }
};

/// Pauses where the last process wants it, goes on, and evaluates; then once more, from the weights that there are. Gives
/// how often it has paused.
template <class Trainer>
int train_with_pauses(Trainer& t, executor::process_place here, std::vector<double>& heard) {
  int pauses = 0;
  for (int run = 0; run < 2; ++run) {
    executor::run_request request{.minibatches = 30};
    bool const last = here.number + 1 == here.count && here.count > 1;
    executor::run_result r;
    r.paused = true;
    for (int part = 0; r.paused; ++part) {
      request.pauses = [last, part, turns = 0]() mutable { return last && part < 3 && ++turns == 25; };
      r = part == 0 ? t.run(samples{}, request) : t.resume(samples{}, request);
      pauses += r.paused ? 1 : 0;
    }
    held_back const data{data::part_of(t.wants_inputs(), t.wants_targets())};
    evaluation_result const e = t.evaluate(data);
    heard.insert(heard.end(), {e.loss, e.accuracy, static_cast<double>(e.samples)});
  }
  return pauses;
}

/// In these processes and on one thread. Gives whether the bits are the same.
template <class Schedule, class... Policies>
bool train_tied(char const* name, executor::process_place here, long long warm) {
  std::vector<double> heard, heard_alone;
  auto const made = [&]<class Executor>(Executor) {
    auto c = values<ring_trainer<Executor, Schedule, Policies...>>();
    c.evaluation = true;
    if constexpr (requires { c.warmup.minibatches = warm; }) c.warmup.minibatches = warm;
    if constexpr (requires { c.clip.norm = 0.1; }) c.clip.norm = 0.1;
    if constexpr (requires { c.schedule.trainable_from = 1; }) c.schedule.trainable_from = stage_count<ring> - 1;
    return std::make_unique<ring_trainer<Executor, Schedule, Policies...>>(c);
  };
  auto const many = made(executor::processes{});
  auto const one = made(executor::single_thread{});
  int const pauses = train_with_pauses(*many, here, heard);
  train_with_pauses(*one, {}, heard_alone);
  bool same = heard == heard_alone;
  gathered const all(*many);
  for (auto const& b : many->engine().stages())
    for (std::size_t p = 0; p < b.table->parameters.size(); ++p)
      same = all.weights(b.number, p) == one->weights(b.number, p) && same;
  std::printf("process %d: %s, %d pauses: %s\n", here.number, name, pauses, same ? "tied to the same bits" : "OTHER BITS");
  return same;
}

bool train_tied(executor::process_place here) {
  bool same = train_tied<schedule::gpipe>("gpipe", here, 0);
  same = train_tied<schedule::one_f_one_b, clip::global_norm>("global norm", here, 0) && same;
  same = train_tied<schedule::pipemare, delay::discrepancy_correction, warmup::synchronous>("T2 T3", here, 7) && same;
  same = train_tied<schedule::async_1f1b, versions::stash>("stash", here, 0) && same;
  return train_tied<schedule::frozen<schedule::pipemare>>("frozen", here, 0) && same;
}

void pause_and_go_on(executor::process_place here) {
  trained<> t(values<trained<>>());
  trained_alone one(values<trained_alone>());
  executor::run_request request{.minibatches = 60, .pause = executor::run_place{0, 40}};
  executor::run_result r = t.run(samples{}, request);
  request.pause.reset();
  int pauses = 0;
  bool const last = here.number + 1 == here.count;
  for (; r.paused; r = t.resume(samples{}, request), ++pauses) {
    int turns = 0;
    request.pauses = [last, pauses, turns]() mutable { return last && pauses < 4 && ++turns == 30; };
  }
  one.run(samples{}, {.minibatches = 60});
  bool same = pauses > 0 && t.updates() == 60;
  for (auto const& b : t.engine().stages())
    for (std::size_t p = 0; b.worker >= 0 && p < b.table->parameters.size(); ++p)
      same = same && t.weights(b.number, p) == one.weights(b.number, p);
  std::printf("process %d: %s\n", here.number, same ? "has paused and gone on to the same bits" : "OTHER BITS");
}

void write_metrics(std::string const& path, executor::process_place here) {
  trained<> t(values<trained<>>());
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

/// All that evaluations of a run and after it give, and what its diagnostics say.
template <class Schedule, class Executor>
std::vector<double> all_evaluations(executor::process_place here) {
  using evaluated = trainer<net, loss::cross_entropy, Schedule, optim::averaged<optim::momentum>, Executor>;
  auto c = values<evaluated>();
  c.evaluation = true;
  c.evaluation_samples = 12;
  c.diagnostics = {.every = 2};
  evaluated t(c);
  held_back const data{data::part_of(t.wants_inputs(), t.wants_targets())};
  std::vector<double> all;
  auto const add = [&all](evaluation_result const& r) {
    for (double const x : {static_cast<double>(r.update), r.loss, r.accuracy, static_cast<double>(r.samples)})
      all.push_back(x);
  };
  add(t.evaluate(data));
  typename evaluated::fit_options options{.epochs = 9, .evaluate = data, .quiet = true};
  options.hooks.evaluated = [&](evaluation_result const& r) {
    add(r);
    for (executor::bound_stage const& b : t.engine().stages())
      if (b.worker >= 0 && t.updates() == r.update && t.weights(b.number, 0).empty()) all.push_back(b.number);
  };
  fit_report const report = t.fit_batches(samples{}, options);
  for (evaluation_result const& r : report.evaluations) add(r);
  for (auto const& d : report.diagnostics) all.insert(all.end(), {d.discrepancy, d.lag, d.update_norm});
  add(t.evaluate(data));
  add(t.evaluate_average(data));
  std::printf("process %d: %zu evaluations, the last of loss %g; %zu of %zu bytes of copies\n", here.number,
              report.evaluations.size(), report.evaluations.back().loss, t.engine().evaluation()->plan().bytes(),
              t.engine().memory().plan().bytes());
  return all;
}

template <class Schedule>
bool same_evaluations(executor::process_place here) {
  bool const same =
      all_evaluations<Schedule, executor::processes>(here) == all_evaluations<Schedule, executor::single_thread>(here);
  std::printf("process %d: %s\n", here.number, same ? "evaluations of one thread" : "OTHER BITS");
  return same;
}

}  // namespace

int main(int argc, char** argv) try {
  executor::mpi_session const session(argc, argv);
  executor::process_place const here = executor::processes::place();
  std::string const how = argc > 1 ? argv[1] : "";
  if (how == "pause")
    pause_and_go_on(here);
  else if (how == "tied")
    return train_tied(here) ? 0 : 1;
  else if (how == "evaluates")
    return same_evaluations<schedule::pipemare>(here) && same_evaluations<schedule::gpipe>(here) ? 0 : 1;
  else if (how == "metrics")
    write_metrics(argv[2], here);
  else
    return refused(how, here);
  return 0;
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
