// An exponential moving average of the weights, beside any optimizer.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <foal/core/config.hpp>
#include <foal/core/registers.hpp>
#include <foal/policy/optim/concept.hpp>
#include <foal/policy/optim/rule.hpp>

namespace foal::optim {

namespace detail {

/// The optimizer's step, then average <- average + rate (w - average); the first update sets it to w.
template <class S, class Step, int States>
struct averaged_step {
  Step step;
  S rate;

  static constexpr bool in_registers = takes_registers<Step>;

  template <class T, class... More>
  FOAL_HOST_DEVICE void operator()(T& w, std::type_identity_t<T> g, More&... states) const {
    T* const all[] = {&states...};
    run(std::make_index_sequence<static_cast<std::size_t>(States)>{}, w, g, all);
  }

 private:
  template <class T, std::size_t... I>
  FOAL_HOST_DEVICE void run(std::index_sequence<I...>, T& w, T g, T* const* all) const {
    step(w, g, *all[I]...);
    T& average = *all[States];
    average += rate * (w - average);
  }
};

}  // namespace detail

/// Trains as Base does, to the same bits, and keeps an average of each weight in one more array:
/// average_t = d_t average_{t-1} + (1 - d_t) w_t, with d_t = min(average_decay, (t - 1) / t): a plain mean as long as that
/// forgets faster (Polyak, Juditsky 1992; the ramp as in common practice). Read it with trainer::average(), judge it with
/// trainer::evaluate_average().
template <optimizer Base>
struct averaged {
  using role = foal::role::optimizer;
  static constexpr bool elementwise_base = elementwise<Base>;  ///< else it is refused by the trainer
  static constexpr char const* name = "averaged";
  static constexpr int states = detail::elementwise_base<Base>::states + 1;
  static constexpr int average = states - 1;  ///< number of the state that is the average

  detail::elementwise_base<Base> base{};
  double average_decay = 0.999;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
    f("average_decay", average_decay);
  }
  template <class F>
  constexpr void state(F&& f) {
    f("base", base);
  }
  /// rule...: of the parameter, where Base has rules (optim::grouped).
  template <class S, class... Rule>
  auto prepare(moment m, Rule... rule) const {
    double const mean = static_cast<double>(m.update - 1) / static_cast<double>(m.update);
    using step = decltype(prepare_at<S>(base, m, rule...));
    return detail::averaged_step<S, step, average>{prepare_at<S>(base, m, rule...),
                                                   static_cast<S>(1 - (average_decay < mean ? average_decay : mean))};
  }
  parameter_rule rule(parameter_view const& p) const
    requires has_rules<Base>
  {
    return base.rule(p);
  }
  template <class S, class... Rule>
  void bound(double rate, long long t, magnitudes& m, Rule... rule) const
    requires bounds_itself<Base, S>
  {
    base.template bound<S>(rate, t, m, rule...);
    m.state[average] = m.state[average] > m.w ? m.state[average] : m.w;
  }
  void check() const {
    if constexpr (requires { base.check(); }) base.check();
    require_number(average_decay >= 0 && average_decay <= 1, name, "average_decay", average_decay, "0 to 1");
  }
};

}  // namespace foal::optim
