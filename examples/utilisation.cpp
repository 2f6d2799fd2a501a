// How fast 107 workers train by each schedule: measured on real threads whose ops wait 3 ms (F) and 6 ms (B), beside the
// model.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>

#include <foal/device/timed.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/report/rows.hpp>
#include <foal/report/statistics.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include "options/arguments.hpp"
#include "options/results.hpp"
#include "utilisation/resnet50_sizes.hpp"

namespace {

constexpr int P = utilisation::stages;

struct settings {
  std::vector<int> microbatches{8, 16};
  std::vector<std::string> schedules;
  foal::device::timed::times times{};
  double seconds = 1.5;
  int epochs = 35;
  std::vector<int> warmup{0, 3, 10};
  bool equal_memory = true;
  std::string json;

  double slot_ms() const { return times.forward_ms + times.backward_ms; }
};

struct result {
  std::string method;
  int microbatches = 0;
  double rate = 0, mean_rate = 0;  ///< microbatches a second: at the median minibatch, and over all of them; measured
  double modelled = 0;             ///< the same from the schedule's clock
  long long saved = 0;             ///< microbatches kept from F to B, summed over stages, at the peak
};

/// No op reads samples here.
struct no_samples {
  void inputs(long long, float*, float*) const {}
  void targets(long long, float*) const {}
};

/// When stage 0 finished its updates, in seconds.
struct update_times {
  std::vector<double> at;
  foal::executor::observer watch() {
    return {this,
            [](void* self, foal::executor::bound_stage const& b) {
              if (b.number != 0) return;
              auto const now = std::chrono::steady_clock::now().time_since_epoch();
              static_cast<update_times*>(self)->at[static_cast<std::size_t>(b.updates - 1)] =
                  std::chrono::duration<double>(now).count();
            },
            nullptr};
  }
};

/// How much longer than asked for ops lasted, in milliseconds.
std::vector<double> lateness(foal::report::trace const& trace, settings const& o) {
  std::vector<double> late;
  for (auto const& s : trace.spans()) {
    std::string const kind = s.kind;
    double const asked = kind == "F" ? o.times.forward_ms : kind == "BW" ? o.times.backward_ms : 0;
    if (asked > 0) late.push_back(static_cast<double>(s.end_ns - s.begin_ns) * 1e-6 - asked);
  }
  return late;
}

template <class Schedule, class... Policies>
result measure(char const* method, int n, settings const& o, std::vector<double>* late = nullptr) {
  using trainer = foal::trainer<utilisation::resnet50, foal::loss::mean_squared_error, Schedule, foal::optim::momentum,
                                foal::on<foal::device::timed>, Policies...>;
  result r{.method = method, .microbatches = n};
  trainer t({.microbatch_size = 1, .microbatches = n, .workers = P, .device = o.times});
  auto const& phase = t.tables().phases.back();
  for (auto const& s : phase.facts.stage) r.saved += s.saved_peak;

  foal::schedule::program program = phase.program;
  r.modelled = 1e3 / o.slot_ms() *
               foal::schedule::steady_utilisation(
                   program.view(),
                   {.forward = o.times.forward_ms, .backward = o.times.backward_ms, .weight = 0, .side_by_side = false});

  // The window begins when stage 0 has made its first update, so the pipeline is full, and ends when no more forwards enter.
  int const window = std::max(3, static_cast<int>(std::ceil(o.seconds * r.modelled / n)));
  int const drain = (phase.facts.stage[0].delay + n - 1) / n;
  foal::executor::run_request request;
  request.minibatches = 1 + window + drain;
  update_times updates{std::vector<double>(static_cast<std::size_t>(request.minibatches), 0)};
  request.watch = updates.watch();
  foal::report::trace trace(P, late != nullptr ? static_cast<std::size_t>(2 * n + 1) * updates.at.size() : 0);
  if (late != nullptr) request.traces = &trace;
  t.run(no_samples{}, request);
  if (late != nullptr) *late = lateness(trace, o);

  std::vector<double> each;
  for (std::size_t k = 1; k <= static_cast<std::size_t>(window); ++k) each.push_back(updates.at[k] - updates.at[k - 1]);
  r.rate = n / foal::report::median(each);
  r.mean_rate = n / foal::report::mean(each);
  std::fprintf(stderr, "%-28s N = %-4d %7.2f microbatches/s (model %7.2f)\n", method, n, r.rate, r.modelled);
  return r;
}

result measure_named(std::string const& name, int n, settings const& o) {
  using namespace foal::schedule;
  if (name == sequential::name) return measure<sequential>("sequential", n, o);
  if (name == gpipe::name) return measure<gpipe>("gpipe", n, o);
  if (name == one_f_one_b::name) return measure<one_f_one_b>("one_f_one_b", n, o);
  if (name == async_1f1b::name) return measure<async_1f1b>("async_1f1b", n, o);
  if (name == pipemare::name) return measure<pipemare, foal::delay::discrepancy_correction>("pipemare", n, o);
  throw foal::error(foal::sentence("cannot measure the schedule '", name,
                                   "', because there is none of that name; use "
                                   "sequential, gpipe, one_f_one_b, async_1f1b or pipemare"));
}

/// Saved activations of PipeMare with recomputation in segments of `length` stages: the first stage of a segment keeps its
/// inputs for its whole delay 2(P-s)-1, each stage of a segment of L what passes between its recomputation and its B,
/// together L^2.
long long recomputed(int length) {
  long long sum = 0;
  for (int s = 0; s < P; s += length) {
    long long const stages = std::min(length, P - s);
    sum += 2 * (P - s) - 1 + stages * stages;
  }
  return sum;
}

/// N / (N + P - 1): the busy part of a synchronous pipeline.
double synchronous(double n) { return n / (n + P - 1); }

struct measured {
  std::vector<result> all;
  result const& of(std::string const& method, int n) const {
    for (auto const& r : all)
      if (r.method == method && r.microbatches == n) return r;
    throw foal::error(foal::sentence("cannot find ", method, " with N = ", n));
  }
};

foal::report::rows rows_of(measured const& m, settings const& o) {
  foal::report::rows rows;
  for (auto const& r : m.all) {
    bool const base = std::count(o.microbatches.begin(), o.microbatches.end(), r.microbatches) > 0;
    int const n = base ? r.microbatches : o.microbatches.front();
    result const &gpipe = m.of("gpipe", n), &pipemare = m.of("pipemare", n);
    rows.add({{"method", r.method},
              {"ranks", P},
              {"microbatches", r.microbatches},
              {"rate", r.rate},
              {"ratio_to_gpipe", r.rate / gpipe.rate},
              {"modelled_ratio", r.modelled / gpipe.modelled},
              {"mean_rate", r.mean_rate},
              {"modelled_rate", r.modelled},
              {"pipemare_ratio", pipemare.rate / r.rate},
              {"modelled_pipemare_ratio", pipemare.modelled / r.modelled},
              {"saved_activations", r.saved},
              {"gpipe_microbatches", n}});
  }
  return rows;
}

void print(foal::report::rows const& rows) {
  using foal::report::fixed;
  foal::report::table t{{{"method", foal::report::align::left},
                         {"N"},
                         {"microbatches/s"},
                         {"(model)"},
                         {"to GPipe"},
                         {"(model)"},
                         {"PipeMare to it"},
                         {"(model)"},
                         {"saved"}}};
  for (auto const& r : rows.all()) {
    auto const number = [&](char const* name) { return fixed(r.get(name).number(), 2); };
    t.add({r.get("method").text(), r.get("microbatches").text(), number("rate"), number("modelled_rate"),
           number("ratio_to_gpipe") + "x", number("modelled_ratio") + "x", number("pipemare_ratio") + "x",
           number("modelled_pipemare_ratio") + "x",
           foal::report::grouped(static_cast<long long>(r.get("saved_activations").number()))});
  }
  std::printf("%s\n", t.text().c_str());
}

/// Times in units of an asynchronous epoch: the warm-up's m synchronous epochs last m/u, the n others n.
void print_time_to_target(measured const& m, settings const& o) {
  using foal::report::fixed;
  foal::report::table t{{{"N"}, {"u"}, {"(model)"}, {"m"}, {"n"}, {"m/u + n"}, {"GPipe: (m + n)/u"}, {"faster"}, {"busy"}}};
  auto const add = [&](std::string const& label, double u, double model) {
    for (int const warm : o.warmup) {
      if (warm > o.epochs) continue;
      double const time = warm / u + o.epochs - warm;
      t.add({label, fixed(u, 3), fixed(model, 3), std::to_string(warm), std::to_string(o.epochs - warm), fixed(time, 1),
             fixed(o.epochs / u, 1), fixed(o.epochs / u / time, 2) + "x", fixed(100 * o.epochs / time, 0) + " %"});
    }
  };
  for (int const n : o.microbatches)
    add(std::to_string(n), m.of("one_f_one_b", n).rate / m.of("pipemare", n).rate, synchronous(n));
  add("paper", 0.3, 0.3);
  std::printf(
      "Time to target with T3, m/u + n, in units of an asynchronous epoch (modelled from u, which is measured but for the\n"
      "paper's 0.3), if %d epochs reach the target either way. The warm-up runs 1F1B, which is as fast as GPipe.\n\n%s\n",
      o.epochs, t.text().c_str());
}

void explain_equal_memory(measured const& m, settings const& o) {
  long long const cap = m.of("pipemare", o.microbatches.front()).saved;
  auto const line = [](char const* what, double n) {
    std::printf("  %-66s N = %5.1f  u = %.3f  %6.2fx\n", what, n, synchronous(n), 1 / synchronous(n));
  };
  std::printf(
      "Equal activation memory (modelled: u = N/(N+P-1), PipeMare is 1/u times as fast). A unit is what one stage\n"
      "keeps of one microbatch. GPipe saves N P, PipeMare P^2 + P = %lld whatever N is: with few microbatches GPipe\n"
      "saves less, so its N may grow until it saves as much. That N is also its minibatch, which PipeMare does not\n"
      "have to enlarge.\n\n",
      cap);
  line("as many activations as PipeMare: N = P + 1", static_cast<double>(cap / P));
  line(foal::sentence("as many as PipeMare with recomputation, segments of 10: ", recomputed(10)).c_str(),
       static_cast<double>(recomputed(10)) / P);
  line("the paper's u = 0.3 for GPipe is that of", 0.3 * (P - 1) / 0.7);
  line("the paper's 4.3x is that of (4 times N = 8)", (P - 1) / 3.3);
  std::printf(
      "\n  The paper's appendix derives 0.3 and is not reproduced here; its N lies between the two that foal's own count\n"
      "  gives.\n\n");
}

void explain_best_synchronous(measured const& m) {
  long long const cap = m.of("pipemare", m.all.front().microbatches).saved;
  long long const most = static_cast<long long>(P) * (P + 1) / 2;
  std::printf(
      "Best synchronous schedule under PipeMare's activation memory (modelled): 1F1B saves at most P (P+1)/2 = %lld of\n"
      "%lld for any N, so memory does not limit it; the minibatch does. At equal N every synchronous schedule of foal has\n"
      "GPipe's u. A minibatch of 128 samples, which the paper cuts into 8 microbatches, can at most be cut into 128:\n"
      "u = %.3f, PipeMare %.2fx, if a microbatch of one sample takes a sixteenth of the time of one of 16 "
      "(best_synchronous\n"
      "in the table, where its ops wait as long as all others). For u = 0.9 N = %d microbatches are needed.\n\n",
      most, cap, synchronous(128), 1 / synchronous(128), 9 * (P - 1));
}

int run(settings const& o) {
  using namespace foal::schedule;
  measured m;
  std::vector<double> late;
  for (int const n : o.microbatches) {
    m.all.push_back(measure<gpipe>("gpipe", n, o));
    m.all.push_back(measure<one_f_one_b>("one_f_one_b", n, o));
    m.all.push_back(measure<async_1f1b, foal::versions::stash>("pipedream", n, o));
    m.all.push_back(
        measure<pipemare, foal::delay::discrepancy_correction>("pipemare", n, o, late.empty() ? &late : nullptr));
    m.all.push_back(measure<async_1f1b, foal::delay::discrepancy_correction>("async_1f1b", n, o));
    for (auto const& name : o.schedules) {
      bool const there =
          std::any_of(m.all.begin(), m.all.end(), [&](result const& r) { return r.method == name && r.microbatches == n; });
      if (!there) m.all.push_back(measure_named(name, n, o));
    }
  }
  if (o.equal_memory) {
    long long const cap = m.of("pipemare", o.microbatches.front()).saved;
    m.all.push_back(measure<gpipe>("gpipe_equal_memory", static_cast<int>(cap / P), o));
    m.all.push_back(measure<gpipe>("gpipe_equal_recomputed", static_cast<int>(recomputed(10) / P), o));
    m.all.push_back(measure<gpipe>("gpipe_paper_0.3", 45, o));
    m.all.push_back(measure<gpipe>("gpipe_paper_4.3x", 32, o));
    m.all.push_back(measure<one_f_one_b>("best_synchronous", 128, o));
  }
  auto const rows = rows_of(m, o);
  std::printf(
      "%d stages (ResNet-50's sizes), one rank and one thread each; F waits %g ms, B %g ms, one op at a time. A slot of\n"
      "pipemare, a forward and a backward side by side in the paper, lasts F + B = %g ms here. Measured with "
      "device::timed:\n"
      "rates at the median minibatch of a full pipeline, fill and drain left out. Of %zu ops half lasted at most %.2f ms\n"
      "longer than asked for, nine of ten at most %.2f ms. Modelled: (model), from the schedule's clock; saved, at the "
      "peak.\n"
      "pipedream is async_1f1b with stashed versions. Ratios of other N are to GPipe and PipeMare with N = %d.\n\n",
      P, o.times.forward_ms, o.times.backward_ms, o.slot_ms(), late.size(), foal::report::median(late),
      foal::report::quantile(late, 0.9), o.microbatches.front());
  if (foal::report::quantile(late, 0.9) > 0.1 * o.times.forward_ms)
    std::puts(
        "warning: ops ended late, because other programs keep the cores busy; measured rates are too low. Run this alone,\n"
        "or ahead of the others: chrt -r 1 utilisation ...\n");
  print(rows);
  if (o.equal_memory) {
    explain_equal_memory(m, o);
    explain_best_synchronous(m);
  }
  print_time_to_target(m, o);
  options::results written("utilisation");
  written.write(o.json, [&](std::string const& path) { rows.write(path); });
  return written.status();
}

}  // namespace

int main(int argc, char** argv) {
  settings o;
  try {
    options::arguments a("Utilisation of 107 workers by schedule, measured with device::timed, beside the model.");
    a.whole("--microbatches", o.microbatches, 1, 4096, "N, one or more");
    a.choice("--schedule", o.schedules, {"sequential", "gpipe", "one_f_one_b", "async_1f1b", "pipemare"}, "more schedules");
    a.number("--forward-ms", o.times.forward_ms, {0.1, 1000}, "how long F waits");
    a.number("--backward-ms", o.times.backward_ms, {0.1, 1000}, "how long B waits");
    a.number("--seconds", o.seconds, {0, 3600, true}, "of each measurement, at least three minibatches");
    a.whole("--epochs", o.epochs, 1, options::most, "m + n");
    a.whole("--t3-epochs", o.warmup, 0, options::most, "synchronous epochs of T3, m, one or more");
    options::arguments::hidden(a.whole("--warmup-epochs", o.warmup, 0, options::most, ""));
    a.flag("!--no-equal-memory", o.equal_memory, "leave out GPipe at other N");
    a.output("--json", o.json, "write the table as an array of rows to this file");
    return a.parse(argc, argv) ? run(o) : 0;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "utilisation: %s\n", e.what());
    return 1;
  }
}
