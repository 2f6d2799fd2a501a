// The update of weights in one pass against separate passes, and against a copy. update_bench [--json FILE] [--rounds N]
//
// Float, momentum and AdamW, each alone and with T2's delta: what they use (w, g, states, delta) is read and written once by
// the pass that a trainer runs; the check that every U makes first reads g once more. Bytes are counted as the program names
// them: 24 and 32 an element for momentum, 32 and 40 for AdamW, 4 for the check, 8 for a copy. Momentum with T2 stands
// against the same in four passes, too, as libraries of array operations do it. At sizes that lie in the second cache, in
// the third and in none. The arrays lie one behind the other, as a run's do, and not a power of two apart: at such distances
// caches hold fewer of them.
#include <foal/core/random.hpp>
#include <foal/device/host.hpp>
#include <foal/executor/drive.hpp>
#include <foal/lower/policies.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/momentum.hpp>

#include "../support/host_arrays.hpp"
#include "../support/outcome.hpp"
#include "../support/update_passes.hpp"

namespace {

using device = foal::device::host;

struct arrays : bench::host_arrays {
  enum name { w, g, first, second, delta, change, count };

  explicit arrays(std::size_t elements) : host_arrays(elements, count) {
    for (int i = 0; i < count; ++i) std::fill_n(at(i), n, 0.125F);
  }

  /// GB/s of a pass over so many bytes an element. Momentum decays otherwise: a gradient keeps every number from zero.
  template <class Pass>
  double rate(double bytes, Pass pass) {
    std::size_t const repeats = std::max<std::size_t>(1, (std::size_t{1} << 22U) / n);
    double seconds = 0;
    for (std::size_t i = 0; i < repeats; ++i) {
      std::fill_n(at(g), n, 0.2F);
      seconds += bench::seconds_of(pass);
    }
    return static_cast<double>(n * repeats) * bytes / seconds * 1e-9;
  }
  double copy_rate() {
    return rate(8, [&] { host.map(n, copied{}, static_cast<float const*>(at(first)), at(change)); });
  }

  struct copied {
    void operator()(float const& from, float& to) const { to = from; }
  };
};

template <class Optimizer, class Delay>
struct update {
  Optimizer optimizer{};
  Delay policy{};
  foal::table::policy_functions functions = foal::lower::policies_of<device, float, Optimizer, Delay>();
  foal::table::update_call call{};

  explicit update(arrays& of) {
    call.device = &of.host;
    call.optimizer = &optimizer;
    call.delay = &policy;
    call.n = of.n;
    call.w = of.at(arrays::w);
    call.g = of.at(arrays::g);
    call.states[0] = of.at(arrays::first);
    if (Optimizer::states > 1) call.states[1] = of.at(arrays::second);
    call.compensate = Delay::states > 0;
    if (Delay::states > 0) call.delay_states[0] = of.at(arrays::delta);
    call.divide = 8;
    call.rate = 1e-3;
    call.update = 1000;
    call.moment = {2, 0, 2, 0, 0};
  }
  static constexpr double bytes = 8 * (2 + Optimizer::states + Delay::states);
  void operator()() { functions.optimizer[0].update(call); }
};

template <class Optimizer, class Delay>
void measure(bench::outcome& out, std::string const& size, std::string const& what, arrays& of, int rounds) {
  update<Optimizer, Delay> step(of);
  double seen = 0;
  auto const rates = bench::take_turns(
      rounds, [&] { return of.rate(step.bytes, step); }, [&] { return of.copy_rate(); },
      [&] {
        return of.rate(step.bytes + 4, [&] {
          seen += of.host.magnitude_bound(of.n, static_cast<float const*>(of.at(arrays::g)));
          step();
        });
      });
  foal::require(seen > 0, "cannot measure the check, because it has found no gradient; give it one");
  out.add(size + what + ": one pass", bench::spread_of(rates[0]), "GB/s");
  out.add(size + what + ": one pass / copy", bench::ratio_of(rates[0], rates[1]), "");
  out.add(size + what + ": check and pass / copy", bench::ratio_of(rates[2], rates[1]), "");
}

void measure_all(bench::outcome& out, std::size_t n, int rounds) {
  using foal::delay::discrepancy_correction, foal::delay::none;
  arrays of(n);
  std::string const size = std::to_string(n / 1000) + "k elements, ";
  out.add(size + "copy", bench::spread_of(bench::take_turns(rounds, [&] { return of.copy_rate(); })[0]), "GB/s");
  measure<foal::optim::momentum, none>(out, size, "momentum", of, rounds);
  measure<foal::optim::momentum, discrepancy_correction>(out, size, "momentum, T2", of, rounds);
  measure<foal::optim::adamw, none>(out, size, "AdamW", of, rounds);
  measure<foal::optim::adamw, discrepancy_correction>(out, size, "AdamW, T2", of, rounds);

  update<foal::optim::momentum, discrepancy_correction> step(of);
  auto const rates = bench::take_turns(
      rounds, [&] { return of.rate(step.bytes, step); },
      [&] {
        return of.rate(step.bytes, [&] {
          float *const g = of.at(arrays::g), *const v = of.at(arrays::first), *const change = of.at(arrays::change);
          of.host.map(n, bench::passes::scale{8}, static_cast<float const*>(g), g);
          of.host.map(n, bench::passes::accumulate{0.9F}, v, static_cast<float const*>(g));
          of.host.map(n, bench::passes::descend{1e-3F}, of.at(arrays::w), static_cast<float const*>(v), change);
          of.host.map(n, bench::passes::average{0.4F}, static_cast<float const*>(change), of.at(arrays::delta), g);
        });
      });
  out.add(size + "momentum, T2: one pass / four passes", bench::ratio_of(rates[0], rates[1]), "");
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 15);
    bench::outcome out("update_bench", options);
    foal::executor::pin_to_cpu(0);
    for (std::size_t const n : {12'000U, 1'100'000U, 30'000'000U}) measure_all(out, n, options.rounds);
    return out.finish();
  });
}
