// No loss: hands out what the model gives, for inference.
#pragma once

#include <foal/core/role.hpp>
#include <foal/layer/contract.hpp>
#include <foal/layer/loss/result.hpp>

namespace foal::loss {

/// Gives the outputs of every microbatch, in their order, to a function: `samples` of shape `of` at y, in the device's
/// memory, valid until it returns. The last stage's worker calls it.
struct collect {
  using role = foal::role::loss;
  using target = void;
  static constexpr char const* name = "collect";

  void (*take)(void* self, void const* y, shape of, int samples) = nullptr;
  void* self = nullptr;

  static constexpr int targets(shape) { return 0; }
  static constexpr double weight(shape, int samples) { return samples; }

  template <class C>
  loss_result apply(C& ctx, typename C::scalar const* y, typename C::scalar const*, double, typename C::scalar*) const {
    take(self, y, ctx.in, ctx.samples);
    return {0, static_cast<double>(ctx.samples), 0};
  }
};

}  // namespace foal::loss
