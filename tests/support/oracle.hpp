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
  std::vector<bool> frozen{};       // stages that U passes over; empty: none
  bool predicts = false;            // F reads w - tau * rate * v: the momentum and the rate of the last update
  double lambda = 0;                // each microbatch's gradient g becomes g + lambda g g (w at W - w at F)
  // Recomputation, by stage: the last stage of its group (-1: F's activations are kept), and how many microbatches R's
  // version is behind, as `delay` says it of F's. Empty: none. With `stash`, R reads what F has read and changes nothing.
  std::vector<int> rebuilt_until{}, rebuild_delay{};
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
    velocity_.assign(stages(), {});
    rate_.assign(stages(), {0});
    for (std::size_t s = 0; s < stages(); ++s) {
      version[s].push_back(first[s]);
      momentum_[s] = {numbers(first[s].w.size()), numbers(first[s].b.size())};
      velocity_[s] = {momentum_[s]};
      delta_[s] = {{numbers(first[s].w.size()), numbers(first[s].b.size())}};
    }
  }

  void train(long long minibatches) {
    for (long long k = 0; k < minibatches; ++k) {
      bool const async = k >= warmup;
      if (k == warmup || std::find(starts.begin(), starts.end(), k) != starts.end()) empty_at_ = k;
      std::vector<weights> gradient(stages());
      for (std::size_t s = 0; s < stages(); ++s) gradient[s] = {numbers(in(s)*out(s)), numbers(out(s))};
      std::vector<activations> kept;
      for (int j = 0; j < n; ++j) kept.push_back(forward(k, j, async));
      for (int i = 0; i < n; ++i) {
        auto const j = order.empty() ? i : order[static_cast<std::size_t>(i)];
        activations& x = kept[static_cast<std::size_t>(j)];
        if (async && !stash && !rebuilt_until.empty()) rebuild(k, j, x);
        backward(k, j, async, x, gradient);
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

  /// What B of a microbatch finds: of each stage its input and output; the gradient of the loss.
  struct activations {
    std::vector<numbers> in, out;
    numbers top;
  };

  // An op that is `behind` microbatches late reads max(0, floor((m - behind)/N)) updates after the pipeline was last empty.
  long long version_behind(int behind, long long k, int j) const {
    long long const late = (k - empty_at_) * n + j - behind;
    return empty_at_ + (late < 0 ? 0 : late / n);
  }
  // B reads the newest version or, stashed, F's.
  long long forward_version(std::size_t s, long long k, int j, bool async) const {
    return async ? version_behind(delay[s], k, j) : k;
  }

  numbers output(std::size_t s, numbers const& x, weights const& p) const {
    numbers y;
    for (std::size_t r = 0; r < static_cast<std::size_t>(samples); ++r)
      for (std::size_t c = 0; c < out(s); ++c) {
        double sum = p.b[c];
        for (std::size_t i = 0; i < in(s); ++i) sum += x[r * in(s) + i] * p.w[i * out(s) + c];
        y.push_back(s + 1 == stages() ? sum : std::tanh(sum));
      }
    return y;
  }

  static void extrapolate(numbers& w, double lag, numbers const& delta) {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] -= lag * delta[i];
  }

  activations forward(long long k, int j, bool async) {
    activations kept;
    numbers x;
    std::vector<int> label;
    batch(k * n + j, x, label);
    for (std::size_t s = 0; s < stages(); ++s) {
      long long const v = forward_version(s, k, j, async);
      read.push_back(v);
      read.push_back(stash ? v : k);
      kept.in.push_back(x);
      weights read_by_f = version[s][static_cast<std::size_t>(v)];
      if (predicts && async) {
        double const ahead = tau(s) * rate_[s][static_cast<std::size_t>(v)];
        extrapolate(read_by_f.w, ahead, velocity_[s][static_cast<std::size_t>(v)].w);
        extrapolate(read_by_f.b, ahead, velocity_[s][static_cast<std::size_t>(v)].b);
      }
      kept.out.push_back(x = output(s, x, read_by_f));
    }
    numbers& y = x;
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
    kept.top = y;
    return kept;
  }

  /// R: a recompute group again from the input of its first stage, with weights newer than F's, brought nearer to them by
  /// T2.
  void rebuild(long long k, int j, activations& x) const {
    for (std::size_t s = 0; s < stages(); ++s) {
      if (rebuilt_until[s] < 0) continue;
      if (s > 0 && rebuilt_until[s - 1] == rebuilt_until[s]) x.in[s] = x.out[s - 1];
      auto const v = static_cast<std::size_t>(version_behind(rebuild_delay[s], k, j));
      weights u = version[s][v];
      double const own = static_cast<double>(static_cast<long long>(v) - forward_version(s, k, j, true));
      double const lag = exact ? own : static_cast<double>(delay[s] - rebuild_delay[s]) / n;
      if (t2) {
        extrapolate(u.w, lag, delta_[s][v].w);
        extrapolate(u.b, lag, delta_[s][v].b);
      }
      x.out[s] = output(s, x.in[s], u);
    }
  }

  void backward(long long k, int j, bool async, activations const& x, std::vector<weights>& gradient) {
    numbers dy = x.top;
    for (std::size_t s = stages(); s-- > 0;) {
      long long const v = forward_version(s, k, j, async);
      numbers u = version[s][static_cast<std::size_t>(stash ? v : k)].w;
      if (t2 && async && delay[s] > 0) extrapolate(u, exact ? static_cast<double>(k - v) : tau(s), delta_[s].back().w);
      numbers dx(x.in[s].size());
      weights const before = gradient[s];
      if (lambda != 0) gradient[s] = {numbers(before.w.size()), numbers(before.b.size())};
      for (std::size_t r = 0; r < static_cast<std::size_t>(samples); ++r)
        for (std::size_t c = 0; c < out(s); ++c) {
          double const d = dy[r * out(s) + c];
          gradient[s].b[c] += d;
          for (std::size_t i = 0; i < in(s); ++i) {
            gradient[s].w[i * out(s) + c] += x.in[s][r * in(s) + i] * d;
            dx[r * in(s) + i] += d * u[i * out(s) + c];
          }
        }
      if (lambda != 0) {
        auto const add = [&](numbers& g, numbers const& sum, numbers const& now, numbers const& then) {
          double const l = async ? lambda : 0;
          for (std::size_t i = 0; i < g.size(); ++i) g[i] = sum[i] + g[i] + l * g[i] * g[i] * (now[i] - then[i]);
        };
        weights const &now = version[s].back(), &then = version[s][static_cast<std::size_t>(v)];
        add(gradient[s].w, before.w, now.w, then.w);
        add(gradient[s].b, before.b, now.b, then.b);
      }
      for (std::size_t i = 0; s > 0 && i < dx.size(); ++i) dx[i] *= 1 - x.out[s - 1][i] * x.out[s - 1][i];
      dy = dx;
    }
  }

  void update(std::size_t s, long long k, bool async, weights const& gradient) {
    double rate = base(k);
    if (async && std::max(tau(s), t1_floor) > 0) {
      double const p = t1_steps > 0 ? 1 - std::min(1.0, static_cast<double>(k - warmup) / static_cast<double>(t1_steps)) : 0;
      rate /= std::pow(std::max(tau(s), t1_floor), p);
    }
    weights next = version[s].back(), delta = delta_[s].back();
    auto const step = [&](numbers& w, numbers const& g, numbers& v) {
      for (std::size_t i = 0; i < w.size(); ++i) {
        v[i] = mu * v[i] + g[i] / n;
        w[i] -= rate * (nesterov ? g[i] / n + mu * v[i] : v[i]);
      }
    };
    if (frozen.empty() || !frozen[s]) {
      step(next.w, gradient.w, momentum_[s].w);
      step(next.b, gradient.b, momentum_[s].b);
    }
    if (async && delay[s] > 0) {
      double const gamma = std::pow(decay, 1 / tau(s));
      auto const follow = [&](numbers& d, numbers const& after, numbers const& before) {
        for (std::size_t i = 0; i < d.size(); ++i) d[i] = gamma * d[i] + (1 - gamma) * (after[i] - before[i]);
      };
      follow(delta.w, next.w, version[s].back().w);
      follow(delta.b, next.b, version[s].back().b);
    }
    velocity_[s].push_back(momentum_[s]);
    rate_[s].push_back(rate);
    version[s].push_back(next);
    delta_[s].push_back(delta);
  }

  std::vector<weights> momentum_;
  std::vector<std::vector<weights>> velocity_;  // [s][v]: the momentum after v updates
  std::vector<numbers> rate_;                   // [s][v]: of the last of v updates
  std::vector<std::vector<weights>> delta_;     // [s][v]: T2's, after v updates
  long long empty_at_ = 0;
};

}  // namespace foal::test
