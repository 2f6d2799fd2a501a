// Four processes behind slow links: what each schedule trains in a second, beside what the replay of its program says.
// mpirun -n 4 mpi_slow_links_bench [--json FILE] [--rounds N]
//
// Beside other work: mpirun -n 4 --bind-to none chrt -r 1 mpi_slow_links_bench, for a process that wakes up late measures
// the machine.
//
// Ops wait instead of computing (device::timed), F 3 ms and BW 6 ms, so that two cores are enough for four processes; all
// else is a run: programs, workers, rings, messages of 256 bytes over MPI, which transport::delayed holds back. A figure is
// the time from one update of the first stage to one some minibatches later, fill and drain left out, over that of the
// replay, where every message takes as long as the link.
#include <foal/device/timed.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/mpi.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>
#include <foal/transport/delayed.hpp>

#include <cstdio>
#include <vector>

#include "../support/outcome.hpp"

namespace {

using namespace foal;
using links = transport::delayed<transport::mpi>;

constexpr int stages_here = 4, microbatches = 8;
constexpr std::size_t first = 6,
                      last = 14;  // updates of stage 0; the most that a schedule has in flight is before the first
constexpr device::timed::times times{.forward_ms = 3, .backward_ms = 6, .weight_ms = 0, .update_ms = 0};

struct net : stages<input<64>, repeat<stages_here, linear<64>>> {};

/// No op reads samples here.
struct no_samples {
  void inputs(long long, float*, float*) const {}
  void targets(long long, float*) const {}
};

/// When stage 0 finished its updates, in seconds; where it is.
struct update_times {
  std::vector<double> at = std::vector<double>(last + 8);
  executor::observer watch() {
    return {this, [](void* self, executor::bound_stage const& b) {
              if (b.number == 0)
                static_cast<update_times*>(self)->at[static_cast<std::size_t>(b.updates)] = bench::now_seconds();
            }};
  }
};

/// Milliseconds from the one update to the other, by the replay.
double predicted(schedule::program program, double latency_ms) {
  schedule::timing const t = schedule::replay(program.view(),
                                              {.forward = times.forward_ms,
                                               .backward = times.backward_ms,
                                               .weight = 0,
                                               .message = latency_ms,
                                               .side_by_side = false},
                                              static_cast<int>(last) + 4);
  std::vector<double> ends{0};
  for (schedule::event const& e : t.events[0])
    if (e.what.kind == schedule::op_kind::U && e.what.stage == 0) ends.push_back(e.end);
  return ends[last] - ends[first];
}

template <class Schedule>
void measure(bench::outcome& out, int rounds, double latency_ms) {
  using run =
      trainer<net, loss::mean_squared_error, Schedule, optim::momentum, on<device::timed>, executor::processes_over<links>>;
  typename run::config c;
  c.microbatch_size = 1;
  c.microbatches = microbatches;
  c.device = times;
  std::vector<double> ratios, rates;
  for (int round = 0; round < rounds; ++round) {
    links::link().latency = latency_ms / 1e3;
    run t(c);
    update_times updates;
    t.run(no_samples{}, {.minibatches = static_cast<long long>(last) + 4, .watch = updates.watch()});
    double const ms = (updates.at[last] - updates.at[first]) * 1e3;
    ratios.push_back(ms / predicted(t.tables().phases.back().program, latency_ms));
    rates.push_back((last - first) * microbatches * 1e3 / ms);
  }
  std::string const what = sentence(Schedule::name, ", ", latency_ms, " ms");
  out.add(what, bench::spread_of(rates), "microb./s");
  out.at_most("time over the predicted, " + what, bench::spread_of(ratios), "", 1.1);
  out.at_least("no less, " + what, bench::spread_of(ratios), "", 0.9);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    transport::mpi_session const session(argc, argv);
    transport::process_place const here = transport::mpi::place();
    require(here.count == stages_here, "cannot measure with ", here.count, " processes; start four: mpirun -n 4");
    if (here.number != 0) require(std::freopen("/dev/null", "w", stdout) != nullptr, "cannot be quiet");
    bench::options const options(argc, argv, 5);
    bench::outcome out("mpi_slow_links_bench", options);
    for (double const latency_ms : {0.0, 1.0, 10.0}) {
      measure<schedule::gpipe>(out, options.rounds, latency_ms);
      measure<schedule::one_f_one_b>(out, options.rounds, latency_ms);
      measure<schedule::async_1f1b>(out, options.rounds, latency_ms);
      measure<schedule::pipemare>(out, options.rounds, latency_ms);
    }
    return here.number == 0 ? out.finish() : 0;
  });
}
