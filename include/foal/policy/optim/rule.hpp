// What an optimizer may ask of a parameter, and decide for it: factors of its rate and of its weight decay.
#pragma once

#include <concepts>
#include <string_view>

#include <foal/tensor/shape.hpp>

namespace foal::optim {

/// A parameter before the run.
struct parameter_view {
  std::string_view layer{};  ///< what the layer calls itself: "linear"
  std::string_view name{};   ///< and the parameter: "weight"
  shape extent{};
  int number = 0;  ///< global layer number
  int stage = 0, stages = 1;
  bool product = false;  ///< backward reads it: weights of products and convolutions, what norms scale with; no embeddings
  bool head = false;     ///< of the last layer of the model that has parameters

  /// Of weights of products and convolutions, and of embeddings; biases and what norms scale and shift with are vectors.
  constexpr bool is_matrix() const { return extent.rank >= 2; }
  /// Of a hidden layer, convolutions too; not an embedding, whose backward reads no weights, and not the head's.
  constexpr bool is_hidden_matrix() const { return is_matrix() && product && !head; }
};

/// 1: as the optimizer and the learning rate say.
struct parameter_rule {
  double rate_factor = 1, decay_factor = 1;
};

/// Has parameter_rule rule(parameter_view const&) const, asked once for each parameter when a trainer is made, and
/// prepare<S>(rate, t, parameter_rule) beside prepare<S>(rate, t), or likewise with a moment.
template <class O>
concept has_rules = requires(O const o, parameter_view const& p) {
  { o.rule(p) } -> std::same_as<parameter_rule>;
};

}  // namespace foal::optim
