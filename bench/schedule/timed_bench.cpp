// Every schedule of the catalogue on real threads whose ops wait 5 ms (F, B and W of a chunk, device::timed), a worker a
// rank, N = 2 R: how long a minibatch takes, over what the replay of the program says.
// timed_bench [--json FILE] [--rounds N]
//
// Beside other work: chrt -r 1 timed_bench, for a worker that wakes up late measures the machine.
//
// A round is a minibatch: from an update of stage 0 to the one N microbatches later; the first one is left out. Minibatches
// of a synchronous schedule overlap where its program lets them, in the replay too.
//
// Then zero bubble's claim: how much faster than 1F1B with the costs of its paper, F : B : W = 10 : 12 : 8, those of a chunk
// half as long where a rank has two; measured and modelled.
#include <cstdio>

#include "../../examples/schedules/catalogue.hpp"
#include "../support/outcome.hpp"
#include "../support/timed_run.hpp"

namespace {

using namespace foal;

bench::timed_program timed(schedules::entry const& e, schedules::question const& q, device::timed::times const& times) {
  bench::timed_program p{e.build(q), {}, times};
  p.reads = e.reads(p.program.view());
  return p;
}

bench::timed_result run(bench::timed_program const& p, int microbatches, int minibatches) {
  switch (p.program.size().stages) {
    case 8:
      return bench::run_timed<bench::small_stages<8>>(p, microbatches, minibatches);
    case 16:
      return bench::run_timed<bench::small_stages<16>>(p, microbatches, minibatches);
    case 32:
      return bench::run_timed<bench::small_stages<32>>(p, microbatches, minibatches);
    default:
      throw error(sentence("cannot run ", p.program.size().stages, " stages; use 8, 16 or 32"));
  }
}

/// All of the catalogue.
void follow(bench::outcome& out, int ranks, int rounds) {
  constexpr double unit_ms = 5;
  schedules::question const q{.ranks = ranks, .microbatches = 2 * ranks};
  for (schedules::entry const& e : schedules::catalogue()) {
    if (!e.compared) continue;
    std::string const what = sentence(e.name, ", R = ", ranks);
    try {
      bench::timed_program const p =
          timed(e, q, {.forward_ms = unit_ms, .backward_ms = unit_ms, .weight_ms = unit_ms, .update_ms = 0});
      bench::timed_result const r = run(p, q.microbatches, rounds + 1);
      out.add("a minibatch by the replay, " + what, bench::spread_of(r.predicted), "ms");
      out.at_most("time over the replay's, " + what, r.ratio(), "", 1.03);
      out.at_least("no less, " + what, r.ratio(), "", 0.97);
    } catch (error const& refused) {
      std::printf("  %s: %s\n", what.c_str(), refused.what());
    }
  }
}

schedules::entry const& named(std::vector<schedules::entry> const& all, std::string const& name) {
  for (schedules::entry const& e : all)
    if (e.name == name) return e;
  throw error(sentence("cannot find the schedule ", name));
}

/// In percent.
void gains(bench::outcome& out, int ranks, int rounds) {
  auto const all = schedules::catalogue();
  schedules::question const q{.ranks = ranks, .microbatches = 2 * ranks};
  auto const result_of = [&](char const* name) {
    schedules::entry const& e = named(all, name);
    double const unit_ms = 0.8 / e.chunks;
    return run(timed(e, q, {.forward_ms = 10 * unit_ms, .backward_ms = 12 * unit_ms, .weight_ms = 8 * unit_ms}),
               q.microbatches, rounds + 1);
  };
  bench::timed_result const base = result_of("one_f_one_b");
  for (char const* name : {"zb_h1", "zb_h2", "zb_v"}) {
    bench::timed_result const r = result_of(name);
    auto const gain = [](std::vector<double> const& slow, std::vector<double> const& fast) {
      return 100 * (bench::spread_of(slow).median / bench::spread_of(fast).median - 1);
    };
    double const is = gain(base.measured, r.measured), says = gain(base.predicted, r.predicted);
    std::string const what = sentence(name, ", R = ", ranks);
    out.add("faster than 1F1B, " + what, {is, is, is}, "%");
    out.add("by the replay, " + what, {says, says, says}, "%");
    double const off = is > says ? is - says : says - is;
    out.at_most("apart, " + what, {off, off, off}, "points", 2);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 3);
    bench::outcome out("timed_bench", options);
    for (int const ranks : {8, 16}) follow(out, ranks, options.rounds);
    for (int const ranks : {8, 16}) gains(out, ranks, options.rounds);
    return out.finish();
  });
}
