// Softmax cross-entropy with label smoothing.
#pragma once

#include <cstdint>

#include <foal/core/error.hpp>
#include <foal/core/role.hpp>
#include <foal/device/ops.hpp>
#include <foal/layer/contract.hpp>
#include <foal/layer/loss/result.hpp>

namespace foal::loss {

/// Cross-entropy between softmax(x) and class indices, with the target smoothed to (1 - e) onehot + e / classes. A feature
/// map or sequence is classified at each of its positions, over its channels. A target
/// `ignored` (padding) has no loss, no gradient and no weight; any other index outside [0, classes) gives NaN: runs refuse
/// it before they call this.
struct cross_entropy {
  using role = foal::role::loss;
  using target = std::int32_t;
  static constexpr char const* name = "cross_entropy";
  using ops = type_list<device::ops::cross_entropies>;
  static constexpr bool ragged = true;
  static constexpr bool classes = true;

  static constexpr target ignored = device::ignored_target;

  float label_smoothing = 0;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("label_smoothing", label_smoothing);
  }
  void check() const {
    require_number(label_smoothing >= 0 && label_smoothing < 1, name, "label_smoothing", label_smoothing,
                   "at least 0 and below 1");
  }

  /// Targets per sample.
  static constexpr int targets(shape out) { return out.size() / out.channels(); }
  /// What the loss of so many samples is divided by to be a mean, when no target is ignored.
  static constexpr double weight(shape out, int samples) { return static_cast<double>(targets(out)) * samples; }

  /// The sum over ctx.samples samples of shape ctx.in; dx = d(sum)/dx / divide, or nothing where dx is null. dx is not x.
  /// The result's weight counts the targets that are not ignored.
  template <class C>
  loss_result apply(C& ctx, typename C::scalar const* x, target const* t, double divide, typename C::scalar* dx) const {
    auto const part = ctx.device.softmax_cross_entropy(ctx.samples * targets(ctx.in), ctx.in.channels(), x, t,
                                                       static_cast<double>(label_smoothing), divide, dx);
    return {part.sum, static_cast<double>(part.counted), part.correct};
  }
  /// The same, with the result left in device memory.
  template <class C>
  void apply(C& ctx, typename C::scalar const* x, target const* t, double divide, typename C::scalar* dx,
             device::loss_sums* to) const {
    ctx.device.softmax_cross_entropy(ctx.samples * targets(ctx.in), ctx.in.channels(), x, t,
                                     static_cast<double>(label_smoothing), divide, dx, to);
  }
};

}  // namespace foal::loss
