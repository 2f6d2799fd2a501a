// Parameter groups: factors of the rate and of the weight decay, by parameter, for any optimizer.
#pragma once

#include <type_traits>

#include <foal/policy/optim/concept.hpp>
#include <foal/policy/optim/rule.hpp>

namespace foal::optim {

/// No weight decay on biases and on what norms scale and shift with.
struct decay_matrices {
  static constexpr char const* name = "decay of matrices alone";
  constexpr parameter_rule operator()(parameter_view const& p) const { return {1, p.is_matrix() ? 1.0 : 0.0}; }
};

/// Base with a rate and a weight decay of its own for each parameter: those given, times the factors of Rule, a callable
/// parameter_rule(parameter_view const&), which sees layer, name, shape, layer number and stage. As PyTorch's parameter
/// groups. The average of weights goes outside: averaged<grouped<Base>>.
template <optimizer Base, class Rule = decay_matrices>
struct grouped {
  static_assert(
      !requires { Base::average; },
      "foal: cannot group the parameters of this Base, because the average that it keeps has no weight decay; "
      "write foal::optim::averaged<foal::optim::grouped<...>>");
  static_assert(std::is_invocable_r_v<parameter_rule, Rule const&, parameter_view const&>,
                "foal: cannot group parameters by this Rule, because it is no rule; give it foal::optim::parameter_rule "
                "operator()(foal::optim::parameter_view const&) const");
  using role = foal::role::optimizer;
  static constexpr bool elementwise_base = elementwise<Base>;  ///< else it is refused by the trainer
  static constexpr char const* name = "grouped";
  static constexpr int states = detail::elementwise_base<Base>::states;

  detail::elementwise_base<Base> base{};
  Rule groups{};

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
    f("groups", groups);
  }
  template <class F>
  constexpr void state(F&& f) {
    f("base", base);
  }
  parameter_rule rule(parameter_view const& p) const { return groups(p); }

  template <class S>
  auto prepare(moment m, parameter_rule r = {}) const {
    m.rate *= r.rate_factor;
    return prepare_at<S>(scaled(r), m);
  }
  template <class S>
  void bound(double rate, long long t, magnitudes& m, parameter_rule r = {}) const
    requires bounds_itself<Base, S>
  {
    scaled(r).template bound<S>(rate * r.rate_factor, t, m);
  }
  void check() const {
    if constexpr (requires { base.check(); }) base.check();
  }

 private:
  detail::elementwise_base<Base> scaled(parameter_rule r) const {
    detail::elementwise_base<Base> b = base;
    scale_decay(b, r.decay_factor);
    return b;
  }
  /// Of what wraps another one (delay_matched), that one's.
  template <class O>
  static void scale_decay(O& o, double factor) {
    if constexpr (requires { o.weight_decay; })
      o.weight_decay *= factor;
    else if constexpr (requires { o.base; })
      scale_decay(o.base, factor);
  }
};

}  // namespace foal::optim
