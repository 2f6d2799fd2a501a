// One optimizer for the matrices of hidden layers, another one for the rest, as muon divides them.
#pragma once

#include <foal/policy/optim/concept.hpp>

namespace foal::optim {

/// Matrices: of hidden layers, convolutions too. Rest: vectors, embeddings (matrices that no backward reads) and the head,
/// the last layer with parameters. Each is elementwise or takes whole parameters.
template <optimizer Matrices, optimizer Rest>
struct matrices_apart {
  using role = foal::role::optimizer;
  static constexpr char const* name = "matrices apart";
  static constexpr int states = Matrices::states > Rest::states ? Matrices::states : Rest::states, parts = 2;
  Matrices matrices{};
  Rest rest{};

  template <int I>
  constexpr auto const& part() const {
    if constexpr (I == 0)
      return matrices;
    else
      return rest;
  }
  constexpr int choose(parameter_view const& p) const { return p.is_hidden_matrix() ? 0 : 1; }
  /// Of the one that p gets, where that has rules (optim::grouped).
  parameter_rule rule(parameter_view const& p) const
    requires(has_rules<Matrices> || has_rules<Rest>)
  {
    return choose(p) == 0 ? rule_of(matrices, p) : rule_of(rest, p);
  }

  template <class F>
  constexpr void numbers(F&& f) const {
    f("matrices", matrices);
    f("rest", rest);
  }
  template <class F>
  constexpr void state(F&& f) {
    f("matrices", matrices);
    f("rest", rest);
  }
  void check() const {
    if constexpr (requires { matrices.check(); }) matrices.check();
    if constexpr (requires { rest.check(); }) rest.check();
  }

 private:
  template <class O>
  static parameter_rule rule_of([[maybe_unused]] O const& o, [[maybe_unused]] parameter_view const& p) {
    if constexpr (has_rules<O>)
      return o.rule(p);
    else
      return {};
  }
};

}  // namespace foal::optim
