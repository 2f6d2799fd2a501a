// Training steps: foal against libtorch's eager mode. versus_libtorch_bench [--json FILE] [--rounds N] [--workload PART]
// [--threads 1|2] [--memory-format contiguous|channels_last]
//
// Both start from the same weights and see the same batches; momentum 0.9; a minibatch in microbatches adds their gradients
// up. The losses of the first minibatches must agree to 1e-4 of themselves. Every round trains some minibatches with one,
// then with the other, and measures the rate of register-only multiply-adds between them: a fraction is flops of counted
// products (convolutions and linear layers; forward, input gradient, weight gradient) over that rate, round by round. Rounds
// are shared out over three processes, because where a process's memory lies changes all its rounds by a tenth.
// Peak memory is the rise of resident memory in a process of its own for each side, over some minibatches.
//
// The program versus_libtorch_onednn_bench is this one with foal's products and convolutions computed by oneDNN.
//
// With --threads 2 foal trains with async_1f1b on two workers, with microbatches of 8, and libtorch has two threads for the
// whole batch; losses are then not compared, because the methods differ.
//
// libtorch's products are the installed BLAS's: for its best install libopenblas0 (with the reference BLAS it is several
// times slower, and the figures say nothing). OpenBLAS is told neither to use threads of its own nor to take this processor
// for another one: both are environment variables, read when it is loaded, so the program starts itself again.
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <foal/executor/drive.hpp>
#include <string_view>

#include "support/fma.hpp"
#include "support/outcome.hpp"
#include "versus_libtorch/child.hpp"
#include "versus_libtorch/sides.hpp"

extern "C" void sgemm_();

namespace {

using namespace bench::versus;

struct options {
  std::string json, workload, format = "contiguous";
  int rounds = 9, threads = 1;

  options(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      std::string const key = argv[i];
      auto const value = [&] {
        foal::require(i + 1 < argc, "cannot read the argument ", key, ", because its value is missing; write it behind");
        return std::string(argv[++i]);
      };
      if (key == "--json")
        json = value();
      else if (key == "--rounds")
        rounds = std::atoi(value().c_str());
      else if (key == "--workload")
        workload = value();
      else if (key == "--threads")
        threads = std::atoi(value().c_str());
      else if (key == "--memory-format")
        format = value();
      else
        throw foal::error(foal::sentence("cannot read the argument ", key,
                                         ", because it is none of --json FILE, --rounds N, --workload PART, --threads N and "
                                         "--memory-format NAME; leave it out"));
    }
    foal::require(rounds >= 1, "cannot measure ", rounds, " rounds; give --rounds of at least 1");
    foal::require(threads == 1 || threads == 2, "cannot measure with ", threads, " threads; give --threads 1 or 2");
    foal::require(format == "contiguous" || format == "channels_last", "cannot use the memory format ", format,
                  "; give --memory-format contiguous or channels_last");
  }
};

/// The file that libtorch's products come from.
std::string blas() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&sgemm_), &info) == 0 || info.dli_fname == nullptr) return "unknown BLAS";
  return std::filesystem::canonical(info.dli_fname).string();
}

void require_equal_losses(workload const& w, side& ours, side& theirs) {
  std::vector<double> const a = ours.train(w.compared), b = theirs.train(w.compared);
  for (std::size_t k = 0; k < a.size(); ++k)
    foal::require(std::abs(a[k] - b[k]) <= 1e-4 * std::abs(b[k]), "cannot compare foal with libtorch on ", w.name,
                  ", because in minibatch ", k, " their losses are ", a[k], " and ", b[k],
                  ", further apart than 1e-4 of them; look for what differs before measuring");
}

std::unique_ptr<side> libtorch(workload const& w, options const& o, network const& net, batches const& data) {
  if (w.of_texts) return make_eager_transformer(w);
  return make_eager(net, data, w.rate, o.threads == 1 ? w.microbatch : w.minibatch, o.format == "channels_last");
}

/// Of each round.
struct rounds_of {
  std::vector<double> ours, fma, theirs;  ///< seconds of a minibatch; multiply-adds a second; seconds
  double step_flops = 0;
};

/// One process: for each round seconds of a minibatch for foal, the rate of multiply-adds, and seconds for libtorch; then
/// the flops of a minibatch.
std::vector<double> measure(workload const& w, options const& o, int rounds) {
  set_eager_threads(o.threads);
  if (o.threads == 1) foal::executor::pin_to_cpu(0);
  network const net = w.describe();
  batches const data(w.minibatch, net.sample(), net.classes);
  auto const ours = w.ours(w, data, o.threads);
  auto const theirs = libtorch(w, o, net, data);
  if (o.threads == 1) require_equal_losses(w, *ours, *theirs);
  // One thread each: processor time, which other programs disturb less. Two threads: the time that passes, and more
  // minibatches, because a run fills the pipeline and drains it.
  int const timed = o.threads == 1 ? w.timed : 8 * w.timed;
  auto const minibatch_seconds = [&](side& which) {
    auto const run = [&] { which.train(timed); };
    return (o.threads == 1 ? bench::cpu_seconds_of(run) : bench::seconds_of(run)) / timed;
  };
  auto const measures = bench::take_turns(
      rounds, [&] { return minibatch_seconds(*ours); }, [] { return bench::fma_rate(); },
      [&] { return minibatch_seconds(*theirs); });
  std::vector<double> flat;
  for (auto const& m : measures) flat.insert(flat.end(), m.begin(), m.end());
  flat.push_back(net.step_flops(w.minibatch));
  return flat;
}

rounds_of measure_in_processes(workload const& w, options const& o) {
  rounds_of all;
  int const processes = std::min(3, o.rounds);
  for (int p = 0; p < processes; ++p) {
    int const rounds = (o.rounds + p) / processes;
    std::vector<double> const flat = in_child([&] { return measure(w, o, rounds); });
    auto at = flat.begin();
    for (auto* const to : {&all.ours, &all.fma, &all.theirs}) {
      to->insert(to->end(), at, at + rounds);
      at += rounds;
    }
    all.step_flops = *at;
  }
  return all;
}

double peak(workload const& w, options const& o, bool ours) {
  return in_child([&] {
           network const net = w.describe();
           batches const data(w.minibatch, net.sample(), net.classes);
           set_eager_threads(o.threads);
           return std::vector<double>{peak_mib([&] {
             auto const side = ours ? w.ours(w, data, o.threads) : libtorch(w, o, net, data);
             side->train(4);
           })};
         })
      .front();
}

/// Gives whether the bounds hold.
bool compare(workload const& w, options const& o, bool judge, foal::report::rows& rows) {
  rounds_of const r = measure_in_processes(w, o);
  std::vector<double> rate;
  for (double const s : r.ours) rate.push_back(r.step_flops / s);
  bench::spread const a = bench::spread_of(r.ours), b = bench::spread_of(r.theirs),
                      ratio = bench::ratio_of(r.theirs, r.ours), fraction = bench::ratio_of(rate, r.fma),
                      peak_rate = bench::spread_of(r.fma);
  double const our_peak = peak(w, o, true), their_peak = peak(w, o, false);

  bool const ratio_holds = !judge || ratio.median >= w.wanted_ratio, memory_holds = !judge || our_peak < their_peak,
             fraction_holds = !judge || fraction.median >= w.wanted_fraction;
  std::printf("%-28s foal %8.2f ms  libtorch %8.2f ms  ratio %.2f (%.2f .. %.2f)", w.name.c_str(), 1e3 * a.median,
              1e3 * b.median, ratio.median, ratio.low, ratio.high);
  if (judge && w.wanted_ratio > 0) std::printf(" wanted %.1f: %s", w.wanted_ratio, ratio_holds ? "yes" : "NO");
  std::printf("\n%-28s fraction of multiply-adds %.3f (%.3f .. %.3f) of %.0f GFLOP/s", "", fraction.median, fraction.low,
              fraction.high, 1e-9 * peak_rate.median);
  if (judge && w.wanted_fraction > 0) std::printf(" wanted %.2f: %s", w.wanted_fraction, fraction_holds ? "yes" : "NO");
  std::printf("\n%-28s peak memory: foal %.0f MiB, libtorch %.0f MiB: %s\n", "", our_peak, their_peak,
              our_peak < their_peak ? "less" : "NOT less");
  std::fflush(stdout);

  foal::report::row row{{"workload", w.name}, {"threads", o.threads}, {"backend", backend_name}};
  row.set("ours_ms", 1e3 * a.median).set("ours_ms_low", 1e3 * a.low).set("ours_ms_high", 1e3 * a.high);
  row.set("theirs_ms", 1e3 * b.median).set("theirs_ms_low", 1e3 * b.low).set("theirs_ms_high", 1e3 * b.high);
  row.set("ratio", ratio.median).set("ratio_low", ratio.low).set("ratio_high", ratio.high);
  row.set("fma_fraction", fraction.median).set("ours_rss", our_peak).set("theirs_rss", their_peak);
  row.set("rounds", o.rounds).set("machine", bench::machine());
  rows.add(std::move(row));
  return ratio_holds && memory_holds && fraction_holds;
}

}  // namespace

int main(int argc, char** argv) {
  char const* const threads = std::getenv("OPENBLAS_NUM_THREADS");
  if (std::getenv("OPENBLAS_CORETYPE") != nullptr || threads == nullptr || std::string_view(threads) != "1") {
    unsetenv("OPENBLAS_CORETYPE");
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    execv("/proc/self/exe", argv);
  }
  return bench::run_benchmark([&] {
    options const o(argc, argv);
    std::printf("versus_libtorch_bench on %s\n%s, products by %s, memory format %s, %d thread%s; foal on %s\n",
                bench::machine().c_str(), eager_version().c_str(), blas().c_str(), o.format.c_str(), o.threads,
                o.threads > 1 ? "s" : "", backend_name);
    // Debian's reference BLAS: against it anything wins.
    bool const reference = blas().find("/blas/libblas.so") != std::string::npos;
    if (reference) std::printf("no bound is judged, because this is the reference BLAS; install libopenblas0\n");
    bool const judge = !reference && o.threads == 1;
    foal::report::rows rows;
    bool holds = true, found = false;
    for (workload const& w : {mlp_thin(), mlp_whole(), resnet20_thick(), resnet20_thin(), resnet50_thin(), transformer(),
                              transformer_padded()}) {
      if (w.name.find(o.workload) == std::string::npos) continue;
      found = true;
      if (!compare(w, o, judge, rows)) holds = false;
    }
    foal::require(found, "cannot measure --workload ", o.workload,
                  ", because no workload's name contains it; see the names "
                  "without that option");
    if (!o.json.empty()) rows.write(o.json);
    return holds ? 0 : 1;
  });
}
