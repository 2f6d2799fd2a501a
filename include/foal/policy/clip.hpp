// Gradient clipping, after the division by N and the finite check, before weight decay.
#pragma once

#include <algorithm>
#include <concepts>

#include <foal/core/error.hpp>
#include <foal/core/role.hpp>

namespace foal::clip {

/// Whose gradient the norm is taken of: nobody's, a stage's, or that of the whole model.
enum class scope { none, stage, model };

/// Needs: role = foal::role::clip; static constexpr scope norm_of; and, where that is not none, double scale(double norm)
/// const: what the gradient is multiplied by, given its Euclidean norm, which is finite.
template <class P>
concept clipping = requires(P const p) {
  { P::norm_of } -> std::convertible_to<scope>;
  requires P::norm_of == scope::none || requires {
    { p.scale(1.0) } -> std::convertible_to<double>;
  };
};

/// Whether it is the norm of the whole model. False where it is no clipping: that is said elsewhere.
template <class P>
constexpr bool takes_all() {
  if constexpr (clipping<P>)
    return P::norm_of == scope::model;
  else
    return false;
}

struct none {
  using role = foal::role::clip;
  static constexpr char const* name = "none";
  static constexpr scope norm_of = scope::none;
};

namespace detail {

/// As torch.nn.utils.clip_grad_norm_.
constexpr double shortened(double most, double norm) { return std::min(1.0, most / (norm + 1e-6)); }

}  // namespace detail

/// Scales a stage's gradient so that its Euclidean norm, over all the stage's parameters, is at most `norm`.
struct per_stage {
  using role = foal::role::clip;
  static constexpr char const* name = "per_stage";
  static constexpr scope norm_of = scope::stage;
  double norm = 1;

  constexpr double scale(double of_gradient) const { return detail::shortened(norm, of_gradient); }
  template <class F>
  constexpr void numbers(F&& f) const {
    f("norm", norm);
  }
  void check() const { require_number(norm > 0, name, "norm", norm, "more than 0"); }
};

/// The same for the gradient of the whole model: its norm, over all parameters of all stages, is at most `norm`. For
/// synchronous schedules: every U comes after the gradients of all stages.
struct global_norm {
  using role = foal::role::clip;
  static constexpr char const* name = "global_norm";
  static constexpr scope norm_of = scope::model;
  double norm = 1;

  constexpr double scale(double of_gradient) const { return detail::shortened(norm, of_gradient); }
  template <class F>
  constexpr void numbers(F&& f) const {
    f("norm", norm);
  }
  void check() const { require_number(norm > 0, name, "norm", norm, "more than 0"); }
};

}  // namespace foal::clip
