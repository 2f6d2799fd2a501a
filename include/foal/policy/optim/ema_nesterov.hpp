// EMA-Nesterov (2605.25395): a look-ahead along the mean of past updates, which is less noisy than the last one.
#pragma once

#include <cstddef>
#include <utility>

#include <foal/core/config.hpp>
#include <foal/policy/optim/concept.hpp>
#include <foal/policy/optim/rule.hpp>

namespace foal::optim {

namespace detail {

template <class S, class Step, int States>
struct ema_nesterov_step {
  Step step;
  S keep, rest, ahead;

  template <class... T>
  FOAL_HOST_DEVICE void operator()(S& w, S g, T&... states) const {
    S* const all[] = {&states...};
    run(std::make_index_sequence<static_cast<std::size_t>(States)>{}, w, g, all);
  }

 private:
  template <std::size_t... I>
  FOAL_HOST_DEVICE void run(std::index_sequence<I...>, S& w, S g, S* const* all) const {
    S const before = w;
    step(w, g, *all[I]...);
    S& mean = *all[States];
    mean = keep * mean + rest * (w - before);
    w += ahead * mean;
  }
};

}  // namespace detail

/// s: the step of Base;  m <- d m + (1 - d) s;  w <- w + s + a m, with a = strength, times rate / peak where a peak of the
/// rate is given. It moves the weights for good: a momentum, not a prediction. One copy of W more than Base.
template <optimizer Base>
struct ema_nesterov {
  using role = foal::role::optimizer;
  static constexpr bool elementwise_base = elementwise<Base>;  ///< else it is refused by the trainer
  static constexpr char const* name = "ema nesterov";
  static constexpr int states = detail::elementwise_base<Base>::states + 1;

  detail::elementwise_base<Base> base{};
  double decay = 0.99, strength = 0.5, peak = 0;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
    f("decay", decay);
    f("strength", strength);
    f("peak", peak);
  }
  template <class F>
  constexpr void state(F&& f) {
    f("base", base);
  }
  template <class S, class... Rule>
  auto prepare(moment m, Rule... rule) const {
    using step = decltype(prepare_at<S>(base, m, rule...));
    double const ahead = peak > 0 ? strength * m.rate / peak : strength;
    return detail::ema_nesterov_step<S, step, states - 1>{prepare_at<S>(base, m, rule...), static_cast<S>(decay),
                                                          static_cast<S>(1 - decay), static_cast<S>(ahead)};
  }
  parameter_rule rule(parameter_view const& p) const
    requires has_rules<Base>
  {
    return base.rule(p);
  }
  void check() const {
    if constexpr (requires { base.check(); }) base.check();
    require_number(decay >= 0 && decay < 1, name, "decay", decay, "at least 0 and below 1");
    require_number(std::isfinite(strength) && strength >= 0, name, "strength", strength, "0 or more");
    require_number(std::isfinite(peak) && peak >= 0, name, "peak", peak, "0 or more");
  }
};

}  // namespace foal::optim
