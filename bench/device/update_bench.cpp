// The update of weights in one pass against separate passes. update_bench [--json FILE] [--rounds N]
//
// Momentum with T2's delta, float: w, g, v and delta are read and written once (32 bytes an element) by the pass that a
// trainer runs; against the same in four passes, as libraries of array operations do it; against the copy-scale-add of the
// triad (a = b
// + s c, 12 bytes an element). Bytes are counted as the program names them. At sizes that fit the second cache and that fit
// none.
#include <foal/core/random.hpp>
#include <foal/device/host.hpp>
#include <foal/executor/drive.hpp>
#include <foal/lower/policies.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>

#include "../support/outcome.hpp"
#include "../support/update_passes.hpp"

namespace {

using device = foal::device::host;

/// n aligned floats: small numbers, never denormal.
struct array {
  float* data;
  explicit array(std::size_t n, float start) : data(static_cast<float*>(device::allocate(n * sizeof(float)))) {
    std::fill_n(data, n, start);
  }
  array(array const&) = delete;
  ~array() { device::release(data); }
};

struct triad {
  float s;
  void operator()(float const& b, float const& c, float& a) const { a = b + s * c; }
};

void measure(bench::outcome& out, std::size_t n, int rounds) {
  void* const workspace = device::allocate(device::workspace_bytes);
  device host(workspace);
  array w(n, 0.5F), g(n, 0.0F), v(n, 0.25F), delta(n, 0.125F), change(n, 0.0F);
  foal::optim::momentum const optimizer;
  foal::delay::discrepancy_correction const policy;
  foal::table::policy_functions const functions =
      foal::lower::policies_of<device, float, foal::optim::momentum, foal::delay::discrepancy_correction>();
  foal::table::update_call call;
  call.device = &host;
  call.optimizer = &optimizer;
  call.delay = &policy;
  call.n = n;
  call.w = w.data;
  call.g = g.data;
  call.states[0] = v.data;
  call.delay_states[0] = delta.data;
  call.compensate = true;
  call.divide = 8;
  call.rate = 1e-3;
  call.moment = {2, 0, 2, 0, 0};
  // The velocity decays otherwise: a gradient keeps every number away from zero.
  auto const refill = [&] { std::fill_n(g.data, n, 0.2F); };

  std::size_t const repeats = std::max<std::size_t>(1, (std::size_t{1} << 22U) / n);
  auto const bandwidth = [&](double bytes, auto pass) {
    double seconds = 0;
    for (std::size_t i = 0; i < repeats; ++i) {
      refill();
      seconds += bench::seconds_of(pass);
    }
    return static_cast<double>(n * repeats) * bytes / seconds * 1e-9;
  };
  auto const rates = bench::take_turns(
      rounds, [&] { return bandwidth(32, [&] { functions.optimizer[0].update(call); }); },
      [&] {
        return bandwidth(32, [&] {
          host.map(n, bench::passes::scale{8}, g.data, g.data);
          host.map(n, bench::passes::accumulate{0.9F}, v.data, g.data);
          host.map(n, bench::passes::descend{1e-3F}, w.data, v.data, change.data);
          host.map(n, bench::passes::average{0.4F}, change.data, delta.data, g.data);
        });
      },
      [&] { return bandwidth(12, [&] { host.map(n, triad{0.5F}, v.data, delta.data, change.data); }); });
  device::release(workspace);

  std::string const name = std::to_string(n >> 10U) + " Ki elements: ";
  out.add(name + "one pass", bench::spread_of(rates[0]), "GB/s");
  out.add(name + "four passes (same bytes counted)", bench::spread_of(rates[1]), "GB/s");
  out.add(name + "triad", bench::spread_of(rates[2]), "GB/s");
  out.add(name + "one pass / four passes", bench::ratio_of(rates[0], rates[1]), "");
  out.add(name + "one pass / triad", bench::ratio_of(rates[0], rates[2]), "");
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 15);
    bench::outcome out("update_bench", options);
    foal::executor::pin_to_cpu(0);
    for (std::size_t const n : {std::size_t{1} << 13U, std::size_t{1} << 20U, std::size_t{1} << 25U})
      measure(out, n, options.rounds);
    return out.finish();
  });
}
