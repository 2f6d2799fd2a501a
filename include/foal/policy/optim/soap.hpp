// SOAP: Adam in Shampoo's eigenbasis (Vyas et al. 2025). It is basis rotation of the second order on both sides, with decays
// of its own; other than the authors' code it uses the first gradient for a step too, and a basis that knows the present
// gradient.
#pragma once

#include <foal/policy/optim/basis_rotation.hpp>

namespace foal::optim {

/// Formula and memory: rotated_adam with both sides, 8 copies of a square W.
struct soap : matrices_apart<rotated_adam, adamw> {
  static constexpr char const* name = "soap";
  soap()
      : matrices_apart{.matrices = {.beta1 = 0.95, .beta2 = 0.95, .weight_decay = 0.01, .basis_decay = 0.95},
                       .rest = {.beta1 = 0.95, .beta2 = 0.95}} {}
};

}  // namespace foal::optim
