// A base rate that is lowered when a loss no longer falls.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include <foal/policy/lr/base.hpp>
#include <foal/policy/lr/concept.hpp>

namespace foal::lr {

/// base(update) * scale, at least `least`; scale is multiplied by `factor` whenever more than `patience` losses in a row
/// were none below (1 - threshold) times the best one (as PyTorch's ReduceLROnPlateau of mode min). It is told losses
/// between fits, where every stage has made the same updates, so a run's numbers stay those of its program:
///   for (int epoch = 0; epoch < 90; ++epoch) t.lr().observe(t.fit(train, {.evaluate = test}).evaluations.back().loss);
/// An asynchronous pipeline drains between fits.
template <learning_rate Base = constant>
struct plateau {
  using role = foal::role::learning_rate;
  static constexpr char const* name = "plateau";
  Base base{};
  double factor = 0.1;
  int patience = 10;
  double threshold = 1e-4;
  int cooldown = 0;  ///< losses after a reduction that are not counted
  double least = 0;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
    f("factor", factor);
    f("patience", patience);
    f("threshold", threshold);
    f("cooldown", cooldown);
    f("least", least);
  }
  /// What it has seen: no part of its settings.
  template <class F>
  constexpr void state(F&& f) {
    f("base", base);
    f("scale", scale);
    f("best", best);
    f("bad", bad);
    f("cooling", cooling);
  }

  double scale = 1;
  double best = std::numeric_limits<double>::infinity();
  int bad = 0, cooling = 0;

  double at(moment m) const {
    double const rate = base.at(m);
    return std::min(rate, std::max(rate * scale, least));
  }
  /// Tells it the next loss. Gives whether it lowered the rate. A loss that is not a number is none below the best one.
  bool observe(double loss) {
    if (loss < best * (1 - threshold)) {
      best = loss;
      bad = 0;
    } else {
      ++bad;
    }
    if (cooling > 0) {
      --cooling;
      bad = 0;
    }
    if (bad <= patience) return false;
    scale *= factor;
    cooling = cooldown;
    bad = 0;
    return true;
  }
  void check() const {
    if constexpr (requires { base.check(); }) base.check();
    require_number(std::isfinite(factor) && factor >= 0 && factor < 1, name, "factor", factor, "at least 0 and below 1");
    require_number(patience >= 0, name, "patience", patience, "0 or more");
    require_number(threshold >= 0 && threshold < 1, name, "threshold", threshold, "at least 0 and below 1");
    require_number(cooldown >= 0, name, "cooldown", cooldown, "0 or more");
    require_number(std::isfinite(least) && least >= 0, name, "least", least, "0 or more");
  }
};

}  // namespace foal::lr
