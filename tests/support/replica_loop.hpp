// Replicas by a plain loop: what each policy of what they exchange comes to, with SGD with momentum.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace foal::test {

using numbers = std::vector<double>;

/// Adds f * x to y.
inline void add(numbers& y, double f, numbers const& x) {
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += f * x[i];
}
inline numbers mean(std::vector<numbers> const& all) {
  numbers m(all[0].size(), 0.0);
  for (numbers const& x : all) add(m, 1.0 / static_cast<double>(all.size()), x);
  return m;
}

struct replica_loop {
  double rate = 0.1, mu = 0.9;
  std::vector<numbers> w, v;  ///< weights and momentum, by replica
  numbers reference, outer, late;

  replica_loop(int replicas, numbers const& begin)
      : w(static_cast<std::size_t>(replicas), begin),
        v(static_cast<std::size_t>(replicas), numbers(begin.size(), 0.0)),
        reference(begin),
        outer(begin.size(), 0.0),
        late(begin.size(), 0.0) {}

  void step(std::size_t i, numbers const& g) {
    for (double& x : v[i]) x *= mu;
    add(v[i], 1, g);
    add(w[i], -rate, v[i]);
  }
  /// g: mean gradient of each replica's microbatches of minibatch k, at its own weights.
  void summed(std::vector<numbers> const& g) {
    for (std::size_t i = 0; i < w.size(); ++i) step(i, mean(g));
  }
  void delayed(std::vector<numbers> const& g) {
    for (std::size_t i = 0; i < w.size(); ++i) step(i, late);
    late = mean(g);
  }
  void averaged(std::vector<numbers> const& g, double alpha, int k) {
    for (std::size_t i = 0; i < w.size(); ++i) {
      step(i, g[i]);
      for (std::size_t x = 0; x < w[i].size() && k > 0; ++x) w[i][x] += alpha * (reference[x] - w[i][x]);
    }
    numbers const m = mean(w);
    double const beta = std::min(1.0, alpha * static_cast<double>(w.size()));
    for (std::size_t x = 0; x < m.size(); ++x) reference[x] += beta * (m[x] - reference[x]);
  }
  void local(std::vector<numbers> const& g, int k, int every, double outer_rate, double outer_mu) {
    for (std::size_t i = 0; i < w.size(); ++i) step(i, g[i]);
    if ((k + 1) % every != 0) return;
    numbers const m = mean(w);
    for (std::size_t x = 0; x < m.size(); ++x) {
      double const d = reference[x] - m[x];
      outer[x] = outer_mu * outer[x] + d;
      reference[x] -= outer_rate * (d + outer_mu * outer[x]);
    }
    for (numbers& mine : w) mine = reference;
  }
};

}  // namespace foal::test
