// A hook that remembers everything it is shown.
#pragma once

#include <vector>

#include <foal/core/role.hpp>
#include <foal/lower/hook.hpp>

namespace foal::test {

/// Arrays are a stage's parameters one after the other; delta holds zeros where the parameter has none.
template <class S>
struct seen_update {
  long long update = 0;
  double rate = 0, lag = 0;
  std::vector<S> weights, gradient, delta;
  std::vector<std::size_t> with_delta;  ///< parameters that have one
};

template <class S>
struct watcher {
  using role = foal::role::hook;
  std::vector<std::vector<seen_update<S>>>* stage = nullptr;  ///< one list a stage, so that workers do not meet

  void after_update(update_view<S> const& v) const {
    seen_update<S> now{v.update(), v.rate(), v.tau_fwd() - v.tau_bkwd(), {}, {}, {}, {}};
    for (std::size_t i = 0; i < v.parameters(); ++i) {
      auto const w = v.weights(i), g = v.gradient(i), d = v.delta(i);
      now.weights.insert(now.weights.end(), w.begin(), w.end());
      now.gradient.insert(now.gradient.end(), g.begin(), g.end());
      if (!d.empty()) now.with_delta.push_back(i);
      now.delta.insert(now.delta.end(), d.begin(), d.end());
      now.delta.resize(now.weights.size());
    }
    (*stage)[static_cast<std::size_t>(v.stage())].push_back(std::move(now));
  }
};

}  // namespace foal::test
