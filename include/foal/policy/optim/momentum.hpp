// SGD with momentum, heavy ball or Nesterov, as in PyTorch: v <- mu v + g, w <- w - lr v  (Nesterov: w <- w - lr (g + mu
// v)).
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/role.hpp>
#include <foal/policy/optim/concept.hpp>

namespace foal::optim {

struct momentum {
  using role = foal::role::optimizer;
  static constexpr char const* name = "momentum";
  static constexpr int states = 1;
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 0;  ///< coupled: added to the gradient

  template <class F>
  constexpr void numbers(F&& f) const {
    f("momentum", momentum);
    f("nesterov", nesterov);
    f("weight_decay", weight_decay);
  }
  template <class S>
  struct step {
    S rate, mu, decay;
    bool nesterov;
    FOAL_HOST_DEVICE void operator()(S& w, S g, S& v) const {
      g += decay * w;
      v = mu * v + g;
      w -= rate * (nesterov ? g + mu * v : v);
    }
  };
  template <class S>
  step<S> prepare(double rate, long long /*t*/) const {
    return {static_cast<S>(rate), static_cast<S>(momentum), static_cast<S>(weight_decay), nesterov};
  }
  template <class S>
  void bound(double rate, long long /*t*/, magnitudes& m) const {
    double const g = m.g + weight_decay * m.w;
    m.state[0] = momentum * m.state[0] + g;
    m.most = g + m.state[0];  // at least Nesterov's step
    m.w += std::abs(rate) * m.most;
  }
  void check() const {
    require_number(momentum >= 0 && momentum <= 1, name, "momentum", momentum, "0 to 1");
    check_weight_decay(name, weight_decay);
  }
};

}  // namespace foal::optim
