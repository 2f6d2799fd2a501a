// Base rates over a stage's update count: constant, step, cosine, inverse square root; each with linear warm-up.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include <foal/policy/lr/concept.hpp>

namespace foal::lr {

struct constant {
  using role = foal::role::learning_rate;
  static constexpr char const* name = "constant";
  double rate = 0.01;
  long long warmup = 0;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("rate", rate);
    f("warmup", warmup);
  }
  double at(moment m) const { return rate * linear_warmup(m.update, warmup); }
  void check() const { check_rate(name, rate, warmup); }
};

/// rate * factor^floor(update / every).
struct step {
  using role = foal::role::learning_rate;
  static constexpr char const* name = "step";
  double rate = 0.01;
  long long every = 1000;  ///< updates between drops
  double factor = 0.1;
  long long warmup = 0;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("rate", rate);
    f("every", every);
    f("factor", factor);
    f("warmup", warmup);
  }
  double at(moment m) const {
    return rate * linear_warmup(m.update, warmup) * std::pow(factor, static_cast<double>(m.update / every));
  }
  long long first_drop() const { return every; }
  void check() const {
    check_rate(name, rate, warmup);
    require_number(every >= 1, name, "every", static_cast<double>(every), "1 or more");
    require_number(std::isfinite(factor) && factor >= 0, name, "factor", factor, "0 or more");
  }
};

/// From rate to `least` along half a cosine between the end of the warm-up and `steps` updates.
struct cosine {
  using role = foal::role::learning_rate;
  static constexpr char const* name = "cosine";
  double rate = 0.01;
  long long steps = 1000;
  double least = 0;
  long long warmup = 0;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("rate", rate);
    f("steps", steps);
    f("least", least);
    f("warmup", warmup);
  }
  double at(moment m) const {
    if (m.update < warmup) return rate * linear_warmup(m.update, warmup);
    double const span = static_cast<double>(std::max(1LL, steps - warmup));
    double const done = std::min(1.0, static_cast<double>(m.update - warmup) / span);
    return least + (rate - least) * 0.5 * (1 + std::cos(std::numbers::pi * done));
  }
  void check() const {
    check_rate(name, rate, warmup);
    require_number(steps >= 0, name, "steps", static_cast<double>(steps), "0 or more");
    require_number(std::isfinite(least) && least >= 0, name, "least", least, "0 or more");
  }
};

/// Linear warm-up to rate, then rate * sqrt(warmup / update) (Vaswani et al. 2017, section 5.3).
struct inverse_sqrt {
  using role = foal::role::learning_rate;
  static constexpr char const* name = "inverse_sqrt";
  double rate = 5e-4;
  long long warmup = 4000;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("rate", rate);
    f("warmup", warmup);
  }
  double at(moment m) const {
    if (m.update < warmup) return rate * linear_warmup(m.update, warmup);
    return rate * std::sqrt(static_cast<double>(std::max(1LL, warmup)) / static_cast<double>(m.update + 1));
  }
  void check() const { check_rate(name, rate, warmup); }
};

}  // namespace foal::lr
