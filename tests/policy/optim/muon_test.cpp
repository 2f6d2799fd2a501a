// Muon against plain loops in double, convolution kernels among its matrices; and what per-parameter steps promise.
#include <foal/policy/optim/muon.hpp>

#include <foal/layer/conv.hpp>
#include <foal/layer/embedding.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/nets.hpp"
#include "tests/support/watcher.hpp"

namespace {

using namespace foal;
using numbers = std::vector<double>;

/// A 3 x 3 convolution of 2 channels to 3 (a matrix 18 x 3), one wide and one high matrix, and the head.
struct net : stages<input<2, 3, 3>, conv<3, 3, 1, 1>, foal::tanh, flatten, linear<5>, foal::tanh, linear<7>, foal::tanh,
                    linear<3>> {};
constexpr int samples = 2;
test::stream const stream{.features = 18, .classes = 3, .samples = samples};

/// Newton-Schulz by its definition: on u as rows x cols, transposed where that has more rows.
numbers orthogonal(numbers u, std::size_t rows, std::size_t cols, int steps) {
  bool const high = rows > cols;
  std::size_t const r = high ? cols : rows, c = high ? rows : cols;
  numbers x(u.size());
  double norm = 0;
  for (double v : u) norm += v * v;
  norm = std::sqrt(norm) + 1e-7;
  for (std::size_t i = 0; i < r; ++i)
    for (std::size_t j = 0; j < c; ++j) x[i * c + j] = (high ? u[j * cols + i] : u[i * cols + j]) / norm;
  auto const times = [](numbers const& a, numbers const& b, std::size_t n, std::size_t k, std::size_t m) {
    numbers y(n * m);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < m; ++j)
        for (std::size_t l = 0; l < k; ++l) y[i * m + j] += a[i * k + l] * b[l * m + j];
    return y;
  };
  for (int s = 0; s < steps; ++s) {
    numbers t(u.size());
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < c; ++j) t[j * r + i] = x[i * c + j];
    numbers const a = times(x, t, r, c, r), aa = times(a, a, r, r, r);
    numbers b(r * r);
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = -4.7750 * a[i] + 2.0315 * aa[i];
    numbers const bx = times(b, x, r, r, c);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 3.4445 * x[i] + bx[i];
  }
  for (std::size_t i = 0; i < r; ++i)
    for (std::size_t j = 0; j < c; ++j) u[high ? j * cols + i : i * cols + j] = x[i * c + j];
  return u;
}

struct followed {
  numbers w, m, v;
};

template <class Schedule, class... More>
using run = trainer<net, loss::cross_entropy, Schedule, optim::muon, More...>;

/// One parameter's numbers out of a stage's.
numbers part(numbers const& all, table::stage_table const& stage, std::size_t which) {
  std::ptrdiff_t begin = 0;
  for (std::size_t p = 0; p < which; ++p) begin += stage.parameters[p].size;
  return {all.begin() + begin, all.begin() + begin + stage.parameters[which].size};
}

std::size_t columns(shape s) { return static_cast<std::size_t>(s.extent[s.rank - 1]); }

}  // namespace

TEST_CASE("muon is a plain loop in double, AdamW beside it", "[muon]") {
  for (bool const nesterov : {true, false}) {
    using trained = run<schedule::pipemare, lr::reschedule<lr::constant>, delay::discrepancy_correction,
                        test::watcher<double>, scalar<double>>;
    constexpr int updates = 6;
    std::vector<std::vector<test::seen_update<double>>> seen(trained::stages);
    optim::muon const o{.matrices = {.momentum = 0.9, .nesterov = nesterov, .weight_decay = 0.05}};
    trained t({.microbatch_size = samples,
               .microbatches = 2,
               .optim = o,
               .lr = {.base = {.rate = 0.02}, .steps = 8},
               .hook = {&seen}});
    std::vector<std::vector<followed>> stage(trained::stages);
    for (int s = 0; s < trained::stages; ++s)
      for (std::size_t p = 0; p < t.tables().stages[static_cast<std::size_t>(s)].parameters.size(); ++p) {
        numbers const w = t.weights(s, p);
        stage[static_cast<std::size_t>(s)].push_back({w, numbers(w.size()), numbers(w.size())});
      }
    REQUIRE_FALSE(t.run(stream, {.minibatches = updates}).diverged);
    int whole = 0;
    double worst = 0;
    for (std::size_t s = 0; s < stage.size(); ++s) {
      REQUIRE(seen[s].size() == updates);
      for (std::size_t k = 0; k < updates; ++k)
        for (std::size_t p = 0; p < stage[s].size(); ++p) {
          auto const& row = t.tables().stages[s].parameters[p];
          bool const matrix = row.what.extent.rank >= 2 && s + 1 < stage.size();
          CHECK(row.optimizer == (matrix ? 0 : 1));
          followed& x = stage[s][p];
          numbers const g = part(seen[s][k].gradient, t.tables().stages[s], p);
          numbers const w = part(seen[s][k].weights, t.tables().stages[s], p);
          double const rate = seen[s][k].rate;
          if (matrix) {
            ++whole;
            numbers u(g.size());
            for (std::size_t i = 0; i < g.size(); ++i) {
              x.m[i] = 0.9 * x.m[i] + g[i];
              u[i] = nesterov ? g[i] + 0.9 * x.m[i] : x.m[i];
            }
            std::size_t const cols = columns(row.what.extent), rows = g.size() / cols;
            u = orthogonal(u, rows, cols, 5);
            double const scale = 0.2 * std::sqrt(static_cast<double>(std::max(rows, cols)));
            for (std::size_t i = 0; i < g.size(); ++i) x.w[i] -= rate * (scale * u[i] + 0.05 * x.w[i]);
          } else {
            double const n = static_cast<double>(k + 1);
            for (std::size_t i = 0; i < g.size(); ++i) {
              x.m[i] = 0.9 * x.m[i] + 0.1 * g[i];
              x.v[i] = 0.95 * x.v[i] + 0.05 * g[i] * g[i];
              double const mean = x.m[i] / (1 - std::pow(0.9, n)), square = x.v[i] / (1 - std::pow(0.95, n));
              x.w[i] -= rate * (0.1 * x.w[i] + mean / (std::sqrt(square) + 1e-8));
            }
          }
          for (std::size_t i = 0; i < g.size(); ++i)
            worst = std::max(worst, std::abs(x.w[i] - w[i]) / (std::abs(x.w[i]) + 1));
        }
    }
    CHECK(whole == 3 * updates);
    CHECK(worst < 1e-9);
  }
}

TEST_CASE("T2 sees the whole change of a step", "[muon]") {
  using trained = run<schedule::pipemare, delay::discrepancy_correction, test::watcher<double>, scalar<double>>;
  std::vector<std::vector<test::seen_update<double>>> seen(trained::stages);
  trained t({.microbatch_size = samples, .microbatches = 2, .lr = {.rate = 0.02}, .hook = {&seen}});
  std::vector<numbers> before, delta;
  for (int s = 0; s + 1 < trained::stages; ++s) {
    before.push_back(t.weights(s, 0));
    delta.emplace_back(before.back().size());
  }
  t.run(stream, {.minibatches = 5});
  int compared = 0;
  for (std::size_t s = 1; s < before.size(); ++s)
    for (auto const& u : seen[s]) {
      double const gamma = std::pow(0.1353352832366127, 1 / u.lag);
      for (std::size_t i = 0; i < delta[s].size(); ++i) {
        delta[s][i] = gamma * delta[s][i] + (1 - gamma) * (u.weights[i] - before[s][i]);
        REQUIRE(std::abs(delta[s][i] - u.delta[i]) < 1e-14);
        compared += delta[s][i] != 0 ? 1 : 0;
      }
      before[s] = {u.weights.begin(), u.weights.begin() + static_cast<std::ptrdiff_t>(delta[s].size())};
    }
  CHECK(compared > 100);
}

TEST_CASE("muon's bits do not depend on the number of workers", "[muon]") {
  using trained = run<schedule::pipemare, delay::discrepancy_correction>;
  std::vector<float> first;
  for (int workers : {1, 2, 4}) {
    trained t({.microbatch_size = samples, .microbatches = 2, .workers = workers, .lr = {.rate = 0.02}});
    t.run(stream, {.minibatches = 8});
    if (first.empty()) first = t.all_weights();
    CHECK(t.all_weights() == first);
  }
}

TEST_CASE("muon's bounds are above its numbers, and a step that would write what is not finite is not done", "[muon]") {
  using trained = run<schedule::gpipe>;
  trained t({.microbatch_size = samples, .microbatches = 2, .lr = {.rate = 0.02}});
  t.run(stream, {.minibatches = 20});
  for (executor::bound_stage const& b : t.engine().stages()) {
    CHECK(b.bounded);
    for (auto const& p : b.table->parameters)
      for (float w : t.weights(b.number, static_cast<std::size_t>(&p - b.table->parameters.data())))
        CHECK(std::abs(static_cast<double>(w)) <= b.bounds.w);
  }
  for (int workers : {1, 2}) {
    trained large({.microbatch_size = samples, .microbatches = 2, .workers = workers, .lr = {.rate = 1e39}});
    auto const before = large.all_weights();
    auto const r = large.run(stream, {.minibatches = 2});
    REQUIRE(r.diverged);
    CHECK(r.diverged->what.find("new value of") == 0);
    for (float w : large.all_weights()) CHECK(std::isfinite(w));
    CHECK(large.weights(0, 0) == std::vector<float>(before.begin(), before.begin() + 54));
  }
}

TEST_CASE("embeddings and the head are AdamW's, and the plan has what steps need", "[muon]") {
  struct words : stages<tokens<3, 1>, embedding<11, 4>, linear<6>, foal::tanh, linear<3>> {};
  using trained = trainer<words, loss::cross_entropy, schedule::gpipe, optim::muon>;
  trained t({});
  std::vector<int> chosen;
  for (auto const& s : t.tables().stages)
    for (auto const& p : s.parameters) chosen.push_back(p.optimizer);
  CHECK(chosen == std::vector<int>{1, 0, 1, 1, 1});
  auto const& hidden = t.tables().stages[1];
  CHECK(hidden.parameters[0].state_size[0] == 24);
  CHECK(hidden.parameters[0].state_size[1] == 0);
  CHECK(hidden.parameters[1].state_size[1] == 6);
  CHECK(hidden.parameters[0].update_scratch == sizeof(float) * (32 + 2 * 16));
  CHECK(t.facts().bytes[category::optimizer] > 0);
}
