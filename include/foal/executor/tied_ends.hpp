// The ends of the channels by which tied weights and their gradients go from one process to another.
#pragma once

#include <algorithm>

#include <foal/executor/bound_stage.hpp>

namespace foal::executor {

/// Of a loan whose home and borrower two processes have. Message v of the one is version v of the phase, message k of the
/// other what the borrower has added up of minibatch k. Where they arrive nobody gives slots back: by the time that one is
/// written anew, what it held has been read (tied_channel). Where they set out, who writes waits until the slot has left.
struct tied_ends {
  transport::channel weights, gradients;
  transport::outbox weights_out, gradients_out;
  transport::inbox weights_in, gradients_in;

  /// at_home: the home is here. home, borrower: the bells of their workers.
  void connect(bool at_home, std::uint32_t slots, transport::bell& home, transport::bell& borrower) {
    weights_out = {&weights, &borrower, 0, at_home ? slots : 0, 0, 0};
    weights_in = {&weights, &home, false, at_home, 0};
    gradients_out = {&gradients, &home, 0, at_home ? 0 : slots, 0, 0};
    gradients_in = {&gradients, &borrower, false, !at_home, 0};
  }
  /// Nothing has been sent.
  void reset() {
    weights.reset();
    gradients.reset();
    weights_out.seen_released = gradients_out.seen_released = 0;
    weights_in.seen = gradients_in.seen = 0;
  }
};

/// Minibatches whose gradients of what it borrows a unit has sent home: it sends the gradient of its input with every B, and
/// of one minibatch after the other.
inline std::uint32_t returned_sums(bound_stage const& b) {
  return b.messages.gradient_out / static_cast<std::uint32_t>(b.facts.share);
}

/// Whether another process lends to the unit, or borrows from it.
inline bool tied_elsewhere(bound_stage const& b) {
  auto const between = [](auto const& x) { return x.channel.ends != nullptr; };
  return std::any_of(b.lent.begin(), b.lent.end(), between) || std::any_of(b.borrowed.begin(), b.borrowed.end(), between);
}

}  // namespace foal::executor
