// Softmax cross-entropy of scores that have been joined part by part of the vocabulary.
#pragma once

#include <cstdint>

#include <foal/core/error.hpp>
#include <foal/core/role.hpp>
#include <foal/device/ops.hpp>
#include <foal/device/vocabulary.hpp>
#include <foal/layer/contract.hpp>
#include <foal/layer/loss/result.hpp>

namespace foal::loss {

/// What cross_entropy is of logits<Vocabulary>, of what all parts of them leave (logits_part): the same loss, gradients,
/// smoothing, ignored targets and accuracy.
template <int Vocabulary>
struct vocabulary_cross_entropy {
  using role = foal::role::loss;
  using target = std::int32_t;
  static constexpr char const* name = "vocabulary_cross_entropy";
  using ops = type_list<device::ops::vocabulary_losses>;
  static constexpr bool ragged = true;
  static constexpr bool classes = true;
  static constexpr int class_count = Vocabulary;
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

  static constexpr bool accepts(shape out) { return out.rank == 2 && out.channels() == device::joined_scores::columns; }
  /// Targets per sample.
  static constexpr int targets(shape out) { return out.positions(); }
  /// What the loss of so many samples is divided by to be a mean, when no target is ignored.
  static constexpr double weight(shape out, int samples) { return static_cast<double>(targets(out)) * samples; }

  /// As cross_entropy has it, of the joined scores x.
  template <class C>
  loss_result apply(C& ctx, typename C::scalar const* x, target const* t, double divide, typename C::scalar* dx) const {
    auto const part = ctx.device.joined_cross_entropy(ctx.samples * targets(ctx.in), Vocabulary, x, t,
                                                      static_cast<double>(label_smoothing), divide, dx);
    return {part.sum, static_cast<double>(part.counted), part.correct};
  }
  /// The same, with the result left in device memory.
  template <class C>
  void apply(C& ctx, typename C::scalar const* x, target const* t, double divide, typename C::scalar* dx,
             device::loss_sums* to) const {
    ctx.device.joined_cross_entropy(ctx.samples * targets(ctx.in), Vocabulary, x, t, static_cast<double>(label_smoothing),
                                    divide, dx, to);
  }
};

}  // namespace foal::loss
