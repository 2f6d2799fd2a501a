// Pipelined training as a plain loop over microbatches, from the formulas alone: the oracle of every executor.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

namespace foal::test {

/// A network of S stages y = tanh(x W + b), the last without tanh, under softmax cross-entropy and SGD with momentum.
struct oracle {
  using numbers = std::vector<double>;
  struct weights {
    numbers w, b;  // [in, out] row-major, [out]
  };

  // What is trained, and how. delay: d_s in microbatches; a synchronous method has delays 0.
  std::vector<int> width;
  int n = 1, samples = 1;  // N, M
  std::vector<int> delay;
  bool stash = false, t2 = false, exact = false, nesterov = false;
  double decay = 0.1353352832366127, mu = 0;
  std::function<double(long long)> base;
  long long t1_steps = 0;
  double t1_floor = 1;
  long long warmup = 0;             // minibatches of T3
  std::vector<long long> starts{};  // minibatches that find the pipeline empty, besides 0 and the end of T3
  std::vector<int> order{};         // of a minibatch's backward passes; empty: 0 .. N-1
  std::function<void(long long, numbers&, std::vector<int>&)> batch;

  // What comes out. version[s][v]: weights after v updates; read[(m * S + s) * 2 + {0, 1}]: versions read by F and B.
  std::vector<std::vector<weights>> version;
  numbers loss;
  std::vector<long long> read;

  std::size_t stages() const { return width.size() - 1; }

  void start(std::vector<weights> const& first) {
    version.assign(stages(), {});
    momentum_.assign(stages(), {});
    delta_.assign(stages(), {});
    for (std::size_t s = 0; s < stages(); ++s) {
      version[s].push_back(first[s]);
      momentum_[s] = {numbers(first[s].w.size()), numbers(first[s].b.size())};
      delta_[s] = numbers(first[s].w.size());
    }
  }

  void train(long long minibatches) {
    for (long long k = 0; k < minibatches; ++k) {
      bool const async = k >= warmup;
      if (k == warmup || std::find(starts.begin(), starts.end(), k) != starts.end()) empty_at_ = k;
      std::vector<weights> gradient(stages());
      for (std::size_t s = 0; s < stages(); ++s) gradient[s] = {numbers(delta_[s].size()), numbers(out(s))};
      std::vector<std::vector<numbers>> kept;
      std::vector<numbers> top;
      for (int j = 0; j < n; ++j) forward(k, j, async, kept, top);
      for (int i = 0; i < n; ++i) {
        auto const j = order.empty() ? i : order[static_cast<std::size_t>(i)];
        backward(k, j, async, kept[static_cast<std::size_t>(j)], top[static_cast<std::size_t>(j)], gradient);
      }
      for (std::size_t s = 0; s < stages(); ++s) update(s, k, async, gradient[s]);
    }
  }

  /// W1, b1, W2, b2, ... after v updates.
  numbers flat(std::size_t v) const {
    numbers all;
    for (auto const& stage : version) {
      all.insert(all.end(), stage[v].w.begin(), stage[v].w.end());
      all.insert(all.end(), stage[v].b.begin(), stage[v].b.end());
    }
    return all;
  }

 private:
  std::size_t in(std::size_t s) const { return static_cast<std::size_t>(width[s]); }
  std::size_t out(std::size_t s) const { return static_cast<std::size_t>(width[s + 1]); }
  double tau(std::size_t s) const { return static_cast<double>(delay[s]) / n; }

  // F reads max(0, floor((m - d)/N)) updates after the pipeline was last empty; B reads the newest version or, stashed, F's.
  long long forward_version(std::size_t s, long long k, int j, bool async) const {
    if (!async) return k;
    long long const late = (k - empty_at_) * n + j - delay[s];
    return empty_at_ + (late < 0 ? 0 : late / n);
  }

  void forward(long long k, int j, bool async, std::vector<std::vector<numbers>>& kept, std::vector<numbers>& top) {
    numbers x;
    std::vector<int> label;
    batch(k * n + j, x, label);
    std::vector<numbers> inputs{x};
    for (std::size_t s = 0; s < stages(); ++s) {
      long long const v = forward_version(s, k, j, async);
      read.push_back(v);
      read.push_back(stash ? v : k);
      weights const& p = version[s][static_cast<std::size_t>(v)];
      numbers y;
      for (std::size_t r = 0; r < static_cast<std::size_t>(samples); ++r)
        for (std::size_t c = 0; c < out(s); ++c) {
          double sum = p.b[c];
          for (std::size_t i = 0; i < in(s); ++i) sum += inputs[s][r * in(s) + i] * p.w[i * out(s) + c];
          y.push_back(s + 1 == stages() ? sum : std::tanh(sum));
        }
      inputs.push_back(y);
    }
    numbers& y = inputs.back();
    std::size_t const classes = out(stages() - 1);
    double total = 0;
    for (std::size_t r = 0; r < static_cast<std::size_t>(samples); ++r) {
      double sum = 0;
      for (std::size_t c = 0; c < classes; ++c) sum += std::exp(y[r * classes + c]);
      auto const t = static_cast<std::size_t>(label[r]);
      total += std::log(sum) - y[r * classes + t];
      for (std::size_t c = 0; c < classes; ++c)
        y[r * classes + c] = (std::exp(y[r * classes + c]) / sum - (c == t ? 1.0 : 0.0)) / samples;
    }
    loss.push_back(total);
    top.push_back(y);
    kept.push_back(inputs);
  }

  void backward(long long k, int j, bool async, std::vector<numbers> const& x, numbers dy, std::vector<weights>& gradient) {
    for (std::size_t s = stages(); s-- > 0;) {
      long long const v = forward_version(s, k, j, async);
      numbers u = version[s][static_cast<std::size_t>(stash ? v : k)].w;
      if (t2 && async && delay[s] > 0)
        for (std::size_t i = 0; i < u.size(); ++i) u[i] -= (exact ? static_cast<double>(k - v) : tau(s)) * delta_[s][i];
      numbers dx(x[s].size());
      for (std::size_t r = 0; r < static_cast<std::size_t>(samples); ++r)
        for (std::size_t c = 0; c < out(s); ++c) {
          double const d = dy[r * out(s) + c];
          gradient[s].b[c] += d;
          for (std::size_t i = 0; i < in(s); ++i) {
            gradient[s].w[i * out(s) + c] += x[s][r * in(s) + i] * d;
            dx[r * in(s) + i] += d * u[i * out(s) + c];
          }
        }
      for (std::size_t i = 0; s > 0 && i < dx.size(); ++i) dx[i] *= 1 - x[s][i] * x[s][i];
      dy = dx;
    }
  }

  void update(std::size_t s, long long k, bool async, weights const& gradient) {
    double rate = base(k);
    if (async && std::max(tau(s), t1_floor) > 0) {
      double const p = t1_steps > 0 ? 1 - std::min(1.0, static_cast<double>(k - warmup) / static_cast<double>(t1_steps)) : 0;
      rate /= std::pow(std::max(tau(s), t1_floor), p);
    }
    weights next = version[s].back();
    auto const step = [&](numbers& w, numbers const& g, numbers& v) {
      for (std::size_t i = 0; i < w.size(); ++i) {
        v[i] = mu * v[i] + g[i] / n;
        w[i] -= rate * (nesterov ? g[i] / n + mu * v[i] : v[i]);
      }
    };
    step(next.w, gradient.w, momentum_[s].w);
    step(next.b, gradient.b, momentum_[s].b);
    if (async && delay[s] > 0) {
      double const gamma = std::pow(decay, 1 / tau(s));
      for (std::size_t i = 0; i < next.w.size(); ++i)
        delta_[s][i] = gamma * delta_[s][i] + (1 - gamma) * (next.w[i] - version[s].back().w[i]);
    }
    version[s].push_back(next);
  }

  std::vector<weights> momentum_;
  std::vector<numbers> delta_;
  long long empty_at_ = 0;
};

}  // namespace foal::test
