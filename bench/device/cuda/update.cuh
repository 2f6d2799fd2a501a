// The fused update on a GPU, against a copy and against an op for each array operation.
#pragma once

#include <foal/lower/policies.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/table/functions.hpp>

#include <algorithm>
#include <vector>

#include "../../support/update_passes.hpp"
#include "measure.cuh"

namespace bench::on_cuda {

/// Momentum with T2's delta, float, n elements, as a trainer's U calls it: w, g, v and delta are read and written once, 32
/// bytes an element, the functor in the unit's block. Against the same in four ops, and against a copy within the GPU, which
/// reads and writes 4 bytes each. wanted: of the copy's rate; 0: for information.
inline void measure_update(outcome& out, std::size_t n, int rounds, int repeats, double wanted) {
  using device = foal::device::cuda;
  array<std::byte> const workspace(device::workspace_bytes);
  device gpu(workspace.get());
  array<float> const w(n), g(n), v(n), delta(n), change(n);
  for (float* const p : {w.get(), g.get(), v.get(), delta.get(), change.get()}) gpu.zero(p, n * sizeof(float));

  foal::optim::momentum const optimizer;
  foal::delay::discrepancy_correction const policy;
  auto const functions =
      foal::lower::policies_of<device, float, foal::optim::momentum, foal::delay::discrepancy_correction>();
  foal::table::update_call call;
  call.device = &gpu;
  call.optimizer = &optimizer;
  call.delay = &policy;
  call.n = n;
  call.w = w.get();
  call.g = g.get();
  call.states[0] = v.get();
  call.delay_states[0] = delta.get();
  call.compensate = true;
  call.divide = 8;
  call.rate = 1e-3;
  call.moment = {2, 0, 2, 0, 0};

  constexpr std::size_t begin = 256;
  std::vector<std::byte> written(functions.optimizer[0].numbers.bytes);
  array<std::byte> const block(begin + written.size());
  foal::table::step_numbers const goes{0, 1, 0};
  functions.optimizer[0].numbers.write(call, written.data());
  gpu.copy_in(block.get(), &goes, sizeof goes);
  gpu.copy_in(block.get() + begin, written.data(), written.size());
  call.block = block.get();
  call.numbers = begin;

  auto const rate = [&](double bytes, auto op) {
    double const ms = milliseconds_of(gpu, [&] {
      for (int i = 0; i < repeats; ++i) op();
    });
    return static_cast<double>(n) * bytes * repeats / ms * 1e-6;
  };
  auto const rates = take_turns(
      rounds, [&] { return rate(32, [&] { functions.optimizer[0].update(call); }); },
      [&] {
        return rate(32, [&] {
          gpu.map(n, passes::scale{8}, g.get(), g.get());
          gpu.map(n, passes::accumulate{0.9F}, v.get(), g.get());
          gpu.map(n, passes::descend{1e-3F}, w.get(), v.get(), change.get());
          gpu.map(n, passes::average{0.4F}, change.get(), delta.get(), g.get());
        });
      },
      [&] { return rate(8, [&] { gpu.copy(change.get(), w.get(), n * sizeof(float)); }); });

  std::string const name = std::to_string(n >> 10U) + " Ki elements: ";
  out.add(name + "fused update", spread_of(rates[0]), "GB/s");
  out.add(name + "four ops (same bytes counted)", spread_of(rates[1]), "GB/s");
  out.add(name + "copy", spread_of(rates[2]), "GB/s");
  out.add(name + "fused / four ops", ratio_of(rates[0], rates[1]), "");
  if (wanted > 0)
    out.at_least(name + "fused / copy", ratio_of(rates[0], rates[2]), "", wanted);
  else
    out.add(name + "fused / copy", ratio_of(rates[0], rates[2]), "");
}

}  // namespace bench::on_cuda
