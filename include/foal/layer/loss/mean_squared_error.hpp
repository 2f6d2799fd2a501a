// Mean squared error.
#pragma once

#include <foal/core/role.hpp>
#include <foal/device/ops.hpp>
#include <foal/layer/contract.hpp>
#include <foal/layer/loss/result.hpp>

namespace foal::loss {

/// A sample's loss is the mean of (x - t)^2 over its elements, so the mean over samples is the mean over all elements.
struct mean_squared_error {
  using role = foal::role::loss;
  using target = void;  ///< the scalar of the run
  static constexpr char const* name = "mean_squared_error";
  using ops = type_list<device::ops::squared_errors>;

  /// Targets per sample: as many as outputs.
  static constexpr int targets(shape out) { return out.size(); }
  /// What the loss of so many samples is divided by to be a mean.
  static constexpr double weight(shape, int samples) { return samples; }

  /// The sum over ctx.samples samples of shape ctx.in; dx = d(sum)/dx / divide, or nothing where dx is null. dx is not x.
  template <class C>
  loss_result apply(C& ctx, typename C::scalar const* x, typename C::scalar const* t, double divide,
                    typename C::scalar* dx) const {
    auto const part = ctx.device.mean_squared_error(ctx.samples, ctx.in.size(), x, t, divide, dx);
    return {part.sum, weight(ctx.in, ctx.samples), 0};
  }
  /// The same, with the result left in device memory.
  template <class C>
  void apply(C& ctx, typename C::scalar const* x, typename C::scalar const* t, double divide, typename C::scalar* dx,
             device::loss_sums* to) const {
    ctx.device.mean_squared_error(ctx.samples, ctx.in.size(), x, t, divide, dx, to);
  }
};

}  // namespace foal::loss
