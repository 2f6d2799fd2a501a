// What weights, gradients, optimizer and old versions cost: the paper's formula beside the arenas that runs really allocate.
#include <cstdio>
#include <exception>
#include <limits>

#include <foal/device/timed.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/report/rows.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "options/arguments.hpp"
#include "options/results.hpp"
#include "utilisation/resnet50_sizes.hpp"

namespace {

using utilisation::stages;

template <class Net, class Schedule, class... Policies>
using run = foal::trainer<Net, foal::loss::mean_squared_error, Schedule, foal::optim::momentum,
                          foal::on<foal::device::timed>, Policies...>;

/// No op reads samples here.
struct no_samples {
  void inputs(long long, float*, float*) const {}
  void targets(long long, float*) const {}
};

struct arena {
  double ratio = 0;  ///< weights, gradients, momentum, delta and old versions over 3 W
  double forms = 0;  ///< room for extrapolated weights over 3 W
  std::size_t bytes = 0;
};

/// Allocates a run, trains two minibatches in it (each op lasts no time), and reads its plan.
template <class Trainer>
arena measure(int microbatches, int workers) {
  Trainer t({.microbatch_size = 1,
             .microbatches = microbatches,
             .workers = workers,
             .device = {.forward_ms = 0, .backward_ms = 0}});
  foal::executor::run_request request;
  request.minibatches = 2;
  t.run(no_samples{}, request);
  auto const& memory = t.engine().memory();
  foal::require(memory.allocated_bytes() == memory.plan().bytes(), "cannot trust the plan of ", memory.plan().bytes(),
                " bytes, because ", memory.allocated_bytes(), " were allocated; this is a fault of foal, report it");
  auto const bytes = [&](foal::category c) { return static_cast<double>(memory.plan().bytes(c)); };
  using foal::category;
  double const three = 3 * bytes(category::weights);
  return {(bytes(category::weights) + bytes(category::gradients) + bytes(category::optimizer) + bytes(category::delta) +
           bytes(category::stash)) /
              three,
          bytes(category::forms) / three, memory.allocated_bytes()};
}

/// The paper's count of PipeDream: a stage's weights (2(P-i)+1)/N times, i from 1, for the versions in flight, the live one
/// among them; with gradients and momentum over 3 W (table 1 of Yang et al. 2021).
double pipedream_formula(std::array<int, stages> const& sizes, int microbatches) {
  double sum = 0;
  for (int s = 0; s < stages; ++s)
    sum += static_cast<double>(sizes[static_cast<std::size_t>(s)]) * (2 * (stages - s) - 1) / microbatches;
  return (sum / static_cast<double>(utilisation::total(sizes)) + 2) / 3;
}

template <class Schedule, class Versions>
void add(foal::report::rows& rows, char const* method, char const* sizes, int microbatches, double paper, arena const& all,
         arena const& read, double forms_on_one) {
  rows.add({{"method", method},
            {"schedule", Schedule::name},
            {"versions", Versions::name},
            {"stages", stages},
            {"sizes", sizes},
            {"microbatches", microbatches},
            {"paper_ratio", paper},
            {"arena_ratio", all.ratio},
            {"arena_ratio_stage0_unread", read.ratio},
            {"forms_ratio", all.forms},
            {"forms_ratio_one_worker", forms_on_one},
            {"arena_bytes", all.bytes}});
}

/// AllRead: the net with stage 0's weights read in backward; Net: as foal plans it.
template <class AllRead, class Net>
void add_methods(foal::report::rows& rows, char const* sizes, std::array<int, stages> const& size, int n, int workers) {
  using namespace foal;
  auto const each = [&]<class Schedule, class Versions, class... Rest>(char const* method, double paper) {
    add<Schedule, Versions>(rows, method, sizes, n, paper, measure<run<AllRead, Schedule, Versions, Rest...>>(n, workers),
                            measure<run<Net, Schedule, Versions, Rest...>>(n, workers),
                            measure<run<AllRead, Schedule, Versions, Rest...>>(n, 1).forms);
  };
  double const stash = pipedream_formula(size, n);
  each.template operator()<schedule::gpipe, versions::flush>("gpipe", 1);
  each.template operator()<schedule::one_f_one_b, versions::flush>("one_f_one_b", 1);
  each.template operator()<schedule::pipemare, versions::stash>("pipedream", stash);
  each.template operator()<schedule::async_1f1b, versions::stash>("pipedream", stash);
  each.template operator()<schedule::pipemare, versions::live, delay::discrepancy_correction>("pipemare", 4.0 / 3);
  each.template operator()<schedule::async_1f1b, versions::live, delay::discrepancy_correction>("pipemare", 4.0 / 3);
}

void print(foal::report::rows const& rows) {
  using foal::report::fixed;
  foal::report::table t{{{"method", foal::report::align::left},
                         {"schedule", foal::report::align::left},
                         {"versions", foal::report::align::left},
                         {"sizes", foal::report::align::left},
                         {"N"},
                         {"paper (modelled)"},
                         {"arena (measured)"},
                         {"stage 0 unread"},
                         {"+ forms"},
                         {"arena bytes"}}};
  for (auto const& r : rows.all()) {
    auto const ratio = [&](char const* name) { return fixed(r.get(name).number(), 2) + "x"; };
    t.add({r.get("method").text(), r.get("schedule").text(), r.get("versions").text(), r.get("sizes").text(),
           r.get("microbatches").text(), ratio("paper_ratio"), ratio("arena_ratio"), ratio("arena_ratio_stage0_unread"),
           ratio("forms_ratio"), foal::report::bytes(static_cast<long long>(r.get("arena_bytes").number()))});
  }
  std::printf("%s\n", t.text().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<int> microbatches{8, 16};
  int workers = stages;
  std::string json;
  try {
    options::arguments a("Memory of weights, gradients, momentum and old weight versions over 3 W, for 107 stages.");
    a.whole("--microbatches", microbatches, 1, 4096, "N, one or more");
    a.whole("--workers", workers, 1, stages, "threads that hold the stages");
    a.output("--json", json, "write the table as an array of rows to this file");
    if (!a.parse(argc, argv)) return 0;
    foal::report::rows rows;
    for (int const n : microbatches) {
      using namespace utilisation;
      add_methods<resnet50_all_read, resnet50>(rows, "resnet50", resnet50_sizes(), n, workers);
      add_methods<equal_all_read, equal>(rows, "equal", equal_sizes(), n, workers);
    }
    std::printf(
        "%d stages on %d workers, SGD with momentum, float. Weights, gradients, momentum, T2's delta and old versions\n"
        "over 3 W (W: the weights once).\n\n",
        stages, workers);
    print(rows);
    std::puts(
        "paper    modelled: the paper's formula. PipeDream keeps (2(P-i)+1)/N versions of stage i, a fraction; PipeMare "
        "adds\n"
        "         T2's delta, one more W. The formula knows the paper's schedule alone, so async_1f1b shows the same "
        "value.\n"
        "arena    measured: read from the plan of a run that was allocated and trained two minibatches. A version is kept\n"
        "         whole or not at all: ceil(d/N) old ones of a stage with delay d beside the live one.\n"
        "stage 0  what foal allocates when nothing below stage 0 wants a gradient: B does not read its weights then, so no\n"
        "unread   old version and no delta of them is kept. The formula counts every stage alike; so does the column "
        "before,\n"
        "         where stage 0 has a small layer with weights below it.\n"
        "forms    PipeMare's room for the weights that B reads, extrapolated: of the largest stage of each worker. With a\n"
        "         worker per stage that is one more W, on one worker that of the largest stage alone (in the JSON rows).");
    options::results written("memory");
    written.write(json, [&](std::string const& path) { rows.write(path); });
    return written.status();
  } catch (std::exception const& e) {
    std::fprintf(stderr, "memory: %s\n", e.what());
    return 1;
  }
}
