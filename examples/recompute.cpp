// PipeMare Recompute at the paper's 107 stages: what saved activations cost without and with it, counted, planned and seen,
// and what it does to accuracy.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <exception>
#include <mutex>
#include <thread>

#include <foal/executor/as_launched.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/report/rows.hpp>
#include <foal/report/statistics.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/trainer.hpp>

#include "digits/run.hpp"
#include "options/processes.hpp"
#include "options/results.hpp"
#include "recompute/saved.hpp"
#include "sweep/shrink.hpp"

namespace {

inline constexpr int stages = 107;

/// A residual tanh MLP 64-48x106-10. Branches are small, so that their sum is of the size of one activation.
struct deep107
    : foal::stages<foal::input<1, 8, 8>, foal::flatten, foal::linear<48>, foal::tanh,
                   foal::repeat<stages - 2, foal::residual<foal::linear<48>, foal::tanh, sweep::shrink<stages - 2>>>,
                   foal::linear<10>> {};
static_assert(foal::stage_count<deep107> == stages);

template <class Schedule>
using run = foal::trainer<deep107, foal::loss::cross_entropy, Schedule, foal::optim::momentum, foal::initialisation::he,
                          foal::lr::reschedule<foal::lr::step>, foal::delay::discrepancy_correction,
                          foal::warmup::synchronous, foal::executor::as_launched>;
using plain = run<foal::schedule::pipemare>;
using recomputed = run<foal::schedule::recomputed<foal::schedule::pipemare>>;

struct settings : digits::run {
  int jobs = 0, segment = 0;
};

/// T1's K is all asynchronous updates of the run.
template <class Trainer>
typename Trainer::config config_of(settings const& o, long long samples, int t3_epochs, std::uint64_t seed) {
  auto c = digits::config_of<Trainer>(o, samples, t3_epochs, seed);
  if constexpr (requires { c.schedule.segment; }) c.schedule.segment = o.segment;
  return c;
}

struct memory_result {
  recompute::saved_bytes saved;
  int held = 0;  ///< stage activations of a microbatch after a slot's backward
  foal::report::byte_facts bytes;

  /// Of several processes: each has looked at its own stages.
  void add_up() {
    recompute::saved_bytes& s = saved;
    std::vector<long long> all{s.counted, s.planned, s.peak, s.at_once, s.slots, s.overlaps};
    all.insert(all.end(), bytes.of.begin(), bytes.of.end());
    options::processes::add_up(all);
    s = {all[0], all[1], all[2], all[3], all[4], all[5]};
    std::copy(all.begin() + 6, all.end(), bytes.of.begin());
  }
};

/// Allocates a run, trains until every ring has been round more than once, and looks at its ops.
template <class Trainer>
memory_result measure_memory(settings const& o, foal::data::dataset const& data) {
  auto c = config_of<Trainer>(o, data.train.size(), 0, o.seed);
  c.evaluation = false;
  c.lr.base.rate = 1e-6;  // memory does not depend on it, and nothing can diverge
  Trainer t(c);
  foal::data::batches<foal::data::split> const batches(
      data.train, {o.microbatch_size, o.microbatches, o.seed, foal::data::ordering::shuffled});
  long long const minibatches = 6LL * stages / o.microbatches + 2;
  foal::report::trace trace(1, static_cast<std::size_t>(4 * stages * minibatches * o.microbatches));
  foal::executor::run_request request;
  request.minibatches = minibatches;
  request.traces = &trace;
  t.run(batches, request);
  foal::require(trace.dropped() == 0, "cannot measure what was saved, because ", trace.dropped(), " ops were not recorded");
  auto const spans = trace.spans();
  memory_result result{recompute::measure(t.tables(), t.engine(), spans), t.tables().phases.back().facts.held(),
                       t.facts().bytes};
  result.add_up();
  return result;
}

void print_memory(memory_result const& a, memory_result const& b, settings const& o) {
  foal::report::table t{{{"saved activations", foal::report::align::left}, {"without R"}, {"with R"}, {"ratio"}}};
  auto const add = [&](char const* what, long long x, long long y, bool bytes) {
    auto const text = [bytes](long long n) { return bytes ? foal::report::bytes(n) : foal::report::grouped(n); };
    t.add({what, text(x), text(y), x == 0 ? "" : foal::report::fixed(static_cast<double>(y) / static_cast<double>(x), 3)});
  };
  add("microbatches x stages, after a slot's backward", a.held, b.held, false);
  add("microbatches x stages, peaks of the stages", a.saved.slots, b.saved.slots, false);
  add("bytes, counted from the program", a.saved.counted, b.saved.counted, true);
  add("bytes, planned and allocated", a.saved.planned, b.saved.planned, true);
  add("bytes, seen alive: peaks of the stages", a.saved.peak, b.saved.peak, true);
  add(options::processes::count() == 1 ? "bytes, seen alive in one moment" : "bytes, seen alive in one moment of a process",
      a.saved.at_once, b.saved.at_once, true);
  std::printf("%s\n", t.text().c_str());
  std::printf("S^2 = %d, S^2 + S = %d, 2 S^1.5 = %.0f; segments of %d stages; counted == planned == seen: %s\n\n",
              stages * stages, stages * stages + stages, 2 * std::pow(stages, 1.5),
              o.segment > 0 ? o.segment : foal::schedule::recompute_group_length(stages),
              a.saved.agree() && b.saved.agree() ? "yes" : "NO");
  foal::report::table all{{{"memory", foal::report::align::left}, {"without R"}, {"with R"}, {"ratio"}}};
  t = std::move(all);
  auto const x = a.bytes.entries(), y = b.bytes.entries();
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i].second + y[i].second > 0) add(x[i].first, x[i].second, y[i].second, true);
  add("total", a.bytes.total(), b.bytes.total(), true);
  std::printf("%s\n", t.text().c_str());
}

/// One method: with or without T3, with or without R; accuracy of each seed.
struct method {
  char const* name;
  bool t3, again;
  std::vector<double> accuracy{};
  std::vector<long long> diverged{};  ///< update, -1: it did not
};

template <class Trainer>
void train(method& m, settings const& o, foal::data::dataset const& data, std::size_t i) {
  Trainer t(config_of<Trainer>(o, data.train.size(), m.t3 ? o.t3_epochs : 0, o.seed + i));
  auto const fit = t.fit(data.train, {.epochs = o.epochs, .evaluate = data.test, .quiet = true});
  m.diverged[i] = fit.diverged ? fit.diverged->update : -1;
  m.accuracy[i] = fit.diverged ? 1.0 / data.train.classes() : fit.accuracy();  // chance: there is no network to use
}

void train_all(std::vector<method>& methods, settings const& o, foal::data::dataset const& data) {
  auto const seeds = static_cast<std::size_t>(o.seeds);
  for (method& m : methods) m.accuracy.resize(seeds), m.diverged.resize(seeds);
  std::atomic<std::size_t> next{0};
  std::mutex printing;
  std::exception_ptr failed;
  auto const work = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < methods.size() * seeds;) {
      method& m = methods[i % methods.size()];
      std::size_t const seed = i / methods.size();
      try {
        m.again ? train<recomputed>(m, o, data, seed) : train<plain>(m, o, data, seed);
        std::lock_guard const lock(printing);
        std::printf("%-20s seed %llu: %.2f %%%s\n", m.name, static_cast<unsigned long long>(o.seed + seed),
                    100 * m.accuracy[seed],
                    m.diverged[seed] < 0 ? "" : foal::sentence(" (diverged at update ", m.diverged[seed], ")").c_str());
        std::fflush(stdout);
      } catch (...) {
        std::lock_guard const lock(printing);
        failed = std::current_exception();
        next = methods.size() * seeds;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int j = 0; j < o.jobs; ++j) threads.emplace_back(work);
  for (auto& t : threads) t.join();
  if (failed) std::rethrow_exception(failed);
}

void print_accuracy(std::vector<method> const& methods, settings const& o) {
  foal::report::table t{{{"method", foal::report::align::left},
                         {"accuracy %"},
                         {"sd"},
                         {"least"},
                         {"with R - without"},
                         {"95 % interval", foal::report::align::left}}};
  for (std::size_t i = 0; i < methods.size(); ++i) {
    auto const& a = methods[i].accuracy;
    std::string difference, interval;
    if (methods[i].again && o.seeds > 1) {
      auto const d = foal::report::paired_difference(a, methods[i - 1].accuracy);
      difference = foal::report::fixed(100 * d.mean, 2);
      interval = foal::report::fixed(100 * d.low(), 2) + " to " + foal::report::fixed(100 * d.high(), 2);
    }
    t.add({methods[i].name, foal::report::fixed(100 * foal::report::mean(a), 2),
           foal::report::fixed(100 * foal::report::standard_deviation(a), 2),
           foal::report::fixed(100 * *std::min_element(a.begin(), a.end()), 2), difference, interval});
  }
  std::printf("\n%s", t.text().c_str());
}

void write_rows(std::string const& path, memory_result const& a, memory_result const& b, std::vector<method> const& methods,
                settings const& o) {
  foal::report::rows rows;
  for (bool const again : {false, true}) {
    memory_result const& m = again ? b : a;
    auto& row = rows.add({{"row", "memory"},
                          {"recomputed", again},
                          {"stages", stages},
                          {"held", m.held},
                          {"slots", m.saved.slots},
                          {"saved_counted", m.saved.counted},
                          {"saved_planned", m.saved.planned},
                          {"saved_seen", m.saved.peak},
                          {"saved_at_once", m.saved.at_once}});
    for (auto const& [name, value] : m.bytes.entries()) row.set(std::string("bytes_") + name, value);
  }
  for (method const& m : methods)
    for (std::size_t i = 0; i < m.accuracy.size(); ++i)
      rows.add({{"row", "accuracy"},
                {"recomputed", m.again},
                {"method", m.name},
                {"t3_epochs", m.t3 ? o.t3_epochs : 0},
                {"seed", static_cast<long long>(o.seed + i)},
                {"accuracy", m.accuracy[i]},
                {"diverged_at", m.diverged[i]}});
  rows.write(path);
}

int show(settings o) {
  if (options::processes::count() > 1) o.jobs = 1;  // all of them do the same
  if (o.jobs == 0) o.jobs = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  foal::data::dataset const data = digits::load(o, deep107::description.input);
  std::printf("residual tanh MLP 64-48x106-10 of %d stages, N = %d microbatches of M = %d samples; %s\n\n", stages,
              o.microbatches, o.microbatch_size, data.name.c_str());
  memory_result const a = measure_memory<plain>(o, data), b = measure_memory<recomputed>(o, data);
  print_memory(a, b, o);
  recompute::require_agreement(a.saved, "without R");
  recompute::require_agreement(b.saved, "with R");

  std::vector<method> methods{
      {"T1+T2", false, false}, {"T1+T2 + R", false, true}, {"T1+T2+T3", true, false}, {"T1+T2+T3 + R", true, true}};
  if (o.t3_epochs == 0) methods.resize(2);
  if (o.seeds > 0) {
    std::printf("%d epochs, rate %g divided by 10 after epoch %d, momentum %g, T1 to the end, T3 for %d epochs\n", o.epochs,
                o.rate, o.drop_epoch, o.momentum, o.t3_epochs);
    std::fflush(stdout);
    train_all(methods, o, data);
    print_accuracy(methods, o);
  }
  if (!options::processes::first()) return 0;
  options::results written("recompute");
  written.write(o.json, [&](std::string const& path) { write_rows(path, a, b, methods, o); });
  return written.status();
}

}  // namespace

int main(int argc, char** argv) {
  settings o;
  try {
    options::processes const processes(argc, argv);
    options::arguments a("Saved activations and accuracy of PipeMare with 107 stages, without and with recomputation.");
    digits::add_options(a, o, 0);
    a.whole("--segment", o.segment, 0, stages, "stages in a segment; 0: the square root of 107");
    a.whole("--jobs", o.jobs, 1, 1024, "runs at the same time; by default one a core");
    return a.parse(argc, argv) ? show(o) : 0;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "recompute: %s\n", e.what());
    return 1;
  }
}
