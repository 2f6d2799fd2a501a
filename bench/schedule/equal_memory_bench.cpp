// At equal memory: the best synchronous schedule of the catalogue beside PipeMare and PipeDream-2BW, in samples a second on
// real threads whose ops wait (device::timed), a worker a rank. equal_memory_bench [--json FILE] [--rounds N]
//
// Beside other work: chrt -r 1 equal_memory_bench.
//
// The rule. F : B : W = 10 : 12 : 8, the costs of the zero-bubble paper; messages cost nothing. A rank's memory is counted
// in units as the planner plans it: for every stage that it hosts the versions of its weights and the microbatches for which
// it has room, in parts of the layers of a rank; so a version of a rank's weights counts as much as a microbatch of its
// activations. What all keep (optimizer, one gradient) is left out. The budget is the fullest rank's of PipeMare, then that
// of 2BW. A microbatch is one sample, and a minibatch has at most 128; each schedule has as many as its budget allows. With
// recomputation memory is counted in other things, so schedules that have it are left out; bpipe, whose moves take time that
// no device here counts, too. v_search takes too long for many ranks. A rank has two chunks at most; the best schedule of
// one is measured as well, for where a rank has one layer there are no chunks. seq1f1b stands apart, in 2 or 4 segments (ops
// of more would be shorter than a millisecond, and workers wake up some hundredths of one too late): it is for causal models
// of sequences alone, and here a segment of k takes a k-th of the time and of the memory of its sequence, as none with
// attention does.
#include <cstdio>
#include <optional>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/cost/idle.hpp>

#include "../../examples/schedules/catalogue.hpp"
#include "../support/outcome.hpp"
#include "../support/timed_run.hpp"

namespace {

using namespace foal;

constexpr int largest_minibatch = 128;

struct candidate {
  std::string name;
  bench::timed_program run;
  int microbatches = 0;
  double memory = 0;  ///< of the fullest rank
  double rate = 0;    ///< samples a second, modelled, in the long run
};

/// A rank's memory in versions of its weights and microbatches of its activations.
double memory_of(schedule::program program, schedule::version_reads const& reads) {
  schedule::program_view const v = program.view();
  schedule::analysis const facts = schedule::analyse(v);
  std::vector<int> const host = schedule::ranks_of(v);
  std::vector<double> of(static_cast<std::size_t>(v.size.ranks), 0);
  for (std::size_t u = 0; u < host.size(); ++u) {
    int const versions = 1 + reads.kept[static_cast<std::size_t>(schedule::stage_of(v.size, static_cast<int>(u)))].copies;
    of[static_cast<std::size_t>(host[u])] += versions + static_cast<double>(facts.stage[u].saved_peak) / v.size.segments;
  }
  return *std::max_element(of.begin(), of.end()) * v.size.ranks / v.size.stages;
}

/// How long ops last, where those of a rank for a microbatch are so many.
device::timed::times times_of(int ranks, double parts) {
  double const unit_ms = (ranks > 16 ? 1 : 0.5) / parts;
  return {.forward_ms = 10 * unit_ms, .backward_ms = 12 * unit_ms, .weight_ms = 8 * unit_ms, .update_ms = 0};
}

candidate made(std::string name, schedule::program program, schedule::version_reads reads) {
  candidate c{std::move(name), {std::move(program), std::move(reads)}, 0, 0, 0};
  schedule::extent const e = c.run.program.size();
  c.run.times = times_of(e.ranks, static_cast<double>(e.stages) / e.ranks * e.segments);
  c.microbatches = e.microbatches;
  c.memory = memory_of(c.run.program, c.run.reads);
  return c;
}

void model(candidate& c) {
  schedule::program p = c.run.program;
  c.rate = 1e3 * c.microbatches / schedule::steady_of(p.view(), c.run.costs()).minibatch;
}

/// The schedule with so many microbatches, if there is such a thing.
std::optional<candidate> with(schedules::entry const& e, int ranks, int n, double budget) {
  try {
    schedules::question q{.ranks = ranks, .microbatches = n};
    q.cost = {.forward = 10, .backward = 12, .weight = 8};
    schedule::program p;
    if (e.name == "zb_auto") {
      schedule::zb_auto const s{.forward = 10, .backward = 12, .weight = 8, .memory = static_cast<int>(budget) - 1};
      p = schedule::generate(s, schedule::extent_of(s, ranks, ranks, n));
    } else {
      p = e.build(q);
    }
    schedule::version_reads reads = e.reads(p.view());
    return made(e.name, std::move(p), std::move(reads));
  } catch (error const&) {
    return {};
  }
}

/// With as many microbatches as the budget allows.
std::optional<candidate> largest(schedules::entry const& e, int ranks, double budget) {
  int fits = 0, least = 1, most = largest_minibatch;
  std::optional<candidate> best;
  for (int n = most; least <= most; n = (least + most) / 2) {
    std::optional<candidate> c = with(e, ranks, n, budget);
    if (c && c->memory <= budget) {
      fits = n, least = n + 1, best = std::move(c);
    } else {
      most = n - 1;
    }
  }
  if (fits > 0) model(*best);
  return best;
}

/// The best block on a V that the budget has room for, with each chunk's own room.
std::optional<candidate> searched(int ranks, double budget) {
  for (int memory = static_cast<int>(2 * (budget - 1)); memory >= static_cast<int>(2 * (budget - 1)) - 2; --memory) {
    try {
      schedule::v_search const s{.memory = memory, .forward = 10, .backward = 12, .weight = 8};
      schedule::program p = schedule::generate(s, schedule::extent_of(s, 2 * ranks, ranks, largest_minibatch));
      schedule::version_reads reads = schedules::reads_by<schedule::own_versions>(p.view());
      candidate c = made("v_search", std::move(p), std::move(reads));
      if (c.memory > budget) continue;
      model(c);
      return c;
    } catch (error const&) {
    }
  }
  return {};
}

bool recomputes(candidate const& c) {
  schedule::program p = c.run.program;
  return schedule::recomputes(p.view());
}

/// Seq1F1B with the number of segments that is the fastest of those that fit.
std::optional<candidate> in_segments(int ranks, double budget) {
  std::optional<candidate> best;
  for (int const segments : {2, 4}) {
    schedule::seq1f1b const s{.segments = segments};
    schedule::program p = schedule::generate(s, schedule::extent_of(s, ranks, ranks, largest_minibatch));
    schedule::version_reads reads = schedules::reads_by<schedule::own_versions>(p.view());
    candidate c = made(sentence("seq1f1b, ", segments, " segments"), std::move(p), std::move(reads));
    if (c.memory > budget) continue;
    model(c);
    if (!best || c.rate > best->rate) best = std::move(c);
  }
  return best;
}

/// All other synchronous ones, the fastest first.
std::vector<candidate> synchronous(int ranks, double budget) {
  std::vector<candidate> all;
  for (schedules::entry const& e : schedules::catalogue()) {
    if (!e.compared || e.modelled || e.name == "seq1f1b") continue;
    std::optional<candidate> c = largest(e, ranks, budget);
    if (c && !c->run.program.asynchronous() && !recomputes(*c)) all.push_back(std::move(*c));
  }
  if (ranks <= 8)
    if (std::optional<candidate> c = searched(ranks, budget)) all.push_back(std::move(*c));
  std::stable_sort(all.begin(), all.end(), [](candidate const& a, candidate const& b) { return a.rate > b.rate; });
  return all;
}

template <int... Stages>
bench::timed_result run(candidate const& c, int rounds) {
  bench::timed_result r;
  bool const one = ((c.run.program.size().stages == Stages &&
                     (r = bench::run_timed<bench::small_stages<Stages>>(c.run, c.microbatches, rounds + 1), true)) ||
                    ...);
  require(one, "cannot run ", c.run.program.size().stages, " stages; add them to the list");
  return r;
}

class comparison {
 public:
  comparison(bench::outcome& out, int ranks, int rounds) : out_(out), ranks_(ranks), rounds_(rounds) {}

  /// Measures it; samples a second.
  double measure(candidate const& c, std::string const& label) {
    bench::timed_result const r = run<8, 16, 32, 107, 214>(c, rounds_);
    std::vector<double> rates;
    for (double const ms : r.measured) rates.push_back(1e3 * c.microbatches / ms);
    out_.add(sentence("R = ", ranks_, ", ", label, ": ", c.name, ", N = ", c.microbatches, ", memory ", c.memory),
             bench::spread_of(rates), "samples/s");
    out_.add(sentence("modelled, R = ", ranks_, ", ", label, ": ", c.name), {c.rate, c.rate, c.rate}, "samples/s");
    return bench::spread_of(rates).median;
  }
  void compare() {
    auto const all = schedules::catalogue();
    auto const named = [&](char const* name) {
      auto const e = std::find_if(all.begin(), all.end(), [&](schedules::entry const& one) { return one.name == name; });
      std::optional<candidate> c = with(*e, ranks_, largest_minibatch, 0);
      require(c.has_value(), "cannot have the schedule ", name, " on ", ranks_, " ranks");
      model(*c);
      return *c;
    };
    for (char const* name : {"pipemare", "two_bw"}) {
      candidate const base = named(name);
      double const rate = measure(base, "itself");
      std::vector<candidate> const others = synchronous(ranks_, base.memory);
      std::string const label = sentence("in the memory of ", name);
      for (std::size_t i = 0; i < others.size(); ++i)
        std::printf("    %s, R = %d: %zu. %s, N = %d, memory %g, modelled %.4g samples/s\n", label.c_str(), ranks_, i + 1,
                    others[i].name.c_str(), others[i].microbatches, others[i].memory, others[i].rate);
      require(!others.empty(), "cannot compare with ", name, " on ", ranks_, " ranks, because nothing is as small");
      auto const whole = std::find_if(others.begin(), others.end(), [](candidate const& c) {
        return c.run.program.size().stages == c.run.program.size().ranks;
      });
      double const best = measure(others.front(), label) / rate;
      out_.add(sentence("R = ", ranks_, ", the best synchronous one over ", name), {best, best, best}, "");
      if (whole != others.end() && whole != others.begin()) {
        double const undivided = measure(*whole, label) / rate;
        out_.add(sentence("R = ", ranks_, ", the best of one chunk a rank over ", name), {undivided, undivided, undivided},
                 "");
      }
      for (candidate const& c : others)
        if (c.name == "gpipe" || c.name == "one_f_one_b") measure(c, label);
      if (std::optional<candidate> const c = in_segments(ranks_, base.memory)) {
        double const of_segments = measure(*c, label) / rate;
        out_.add(sentence("R = ", ranks_, ", in segments over ", name), {of_segments, of_segments, of_segments}, "");
      }
    }
  }

 private:
  bench::outcome& out_;
  int ranks_, rounds_;
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 2);
    bench::outcome out("equal_memory_bench", options);
    for (int const ranks : {8, 16, 107}) comparison(out, ranks, options.rounds).compare();
    return out.finish();
  });
}
