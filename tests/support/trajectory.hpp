// A trainer against the plain loop of oracle.hpp: weights after every update, losses, and the versions that are read.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "tests/support/nets.hpp"
#include "tests/support/oracle.hpp"

namespace foal::test {

/// Delays of F by stage, in microbatches: SCHEDULES' closed form of pipemare.
inline std::vector<int> pipemare_delays(int stages) {
  std::vector<int> d;
  for (int s = 0; s < stages; ++s) d.push_back(2 * (stages - s) - 1);
  return d;
}

/// The weights of a trainer whose parameters are those of linear layers, layer by layer.
template <class Trainer>
std::vector<oracle::weights> linear_layers(Trainer const& t) {
  std::vector<oracle::weights> all;
  for (int s = 0; s < Trainer::stages; ++s)
    for (std::size_t i = 0; i < t.tables().stages[static_cast<std::size_t>(s)].parameters.size(); i += 2)
      all.push_back({t.weights(s, i), t.weights(s, i + 1)});
  return all;
}

/// Gives an oracle, whose stages are such a trainer's linear layers, their initial weights and the samples of a stream.
template <class Trainer>
void begin_as(oracle& o, Trainer const& t, stream const& data) {
  o.samples = data.samples;
  o.batch = [data](long long m, oracle::numbers& x, std::vector<int>& label) {
    x.resize(static_cast<std::size_t>(data.samples * data.features));
    label.resize(static_cast<std::size_t>(data.samples));
    data.inputs(m, x.data(), static_cast<double*>(nullptr));
    data.targets(m, label.data());
  };
  o.start(linear_layers(t));
}

/// Trains t, which has one such layer a stage, in double for as many minibatches as `fits` says, one run each, and compares
/// it with an oracle that has done so. What is frozen has to keep its bits.
template <class Trainer>
void check_trajectory(Trainer& t, oracle const& o, std::vector<long long> const& fits, double tolerance = 1e-12) {
  recorder seen(Trainer::stages);
  stream const data{.samples = o.samples};
  std::vector<loss::loss_result> losses;
  for (long long fit : fits) {
    executor::run_request request;
    request.minibatches = fit;
    request.every_loss = true;
    request.watch = seen.observer();
    auto const result = t.run(data, request);
    losses.insert(losses.end(), result.losses.begin(), result.losses.end());
  }
  auto const frozen = [&](std::size_t s) { return !o.frozen.empty() && o.frozen[s]; };

  double worst = 0, moved = 0;
  std::size_t const steps = losses.size() / static_cast<std::size_t>(o.n);
  REQUIRE(steps >= 2);
  for (int s = 0; s < Trainer::stages; ++s) {
    auto const i = static_cast<std::size_t>(s);
    if (frozen(i)) {
      CHECK(t.weights(s, 0) == o.version[i][0].w);
      CHECK(t.weights(s, 1) == o.version[i][0].b);
      CHECK(seen.bytes()[i].empty());  // no U
      continue;
    }
    for (std::size_t k = 0; k < steps; ++k) {
      auto expected = o.version[i][k + 1].w;
      expected.insert(expected.end(), o.version[i][k + 1].b.begin(), o.version[i][k + 1].b.end());
      auto const found = seen.after<double>(s, k, expected.size());
      for (std::size_t e = 0; e < found.size(); ++e) worst = std::max(worst, std::abs(found[e] - expected[e]));
    }
    for (std::size_t e = 0; e < o.version[i][0].w.size(); ++e)
      moved = std::max(moved, std::abs(o.version[i][steps].w[e] - o.version[i][0].w[e]));
    REQUIRE(seen.bytes()[i].size() == steps * (o.version[i][0].w.size() + o.version[i][0].b.size()) * sizeof(double));
  }
  CHECK(worst <= tolerance);
  CHECK(moved > 0.05);  // a run that stands still would agree with anything

  double off = 0;
  REQUIRE(o.loss.size() == losses.size());
  for (std::size_t m = 0; m < losses.size(); ++m) off = std::max(off, std::abs(losses[m].sum - o.loss[m]));
  CHECK(off <= tolerance);

  int wrong = 0;
  for (std::size_t s = 0; s < seen.reads().size(); ++s) {
    if (frozen(s)) continue;  // it has one version
    REQUIRE(seen.reads()[s].size() == losses.size());
    for (auto const& r : seen.reads()[s]) {
      std::size_t const at = (static_cast<std::size_t>(r.microbatch) * seen.reads().size() + s) * 2;
      wrong += r.forward != o.read[at] || r.backward != o.read[at + 1] ? 1 : 0;
    }
  }
  CHECK(wrong == 0);
}

}  // namespace foal::test
