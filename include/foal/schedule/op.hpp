// The alphabet of schedules: what a worker may be told to do.
#pragma once

#include <foal/core/config.hpp>

#include <cstdint>

namespace foal::schedule {

/// F forward; B backward for the input; W backward for the weights; BW both, fused; R recompute the forward; U update the
/// weights; G sum gradients among replicas; T synchronise tied weights.
enum class op_kind : std::uint8_t { F, B, W, BW, R, U, G, T };

/// "?" for what is none of them.
constexpr char const* name(op_kind kind) {
  constexpr char const* names[] = {"F", "B", "W", "BW", "R", "U", "G", "T"};
  return kind <= op_kind::T ? names[static_cast<int>(kind)] : "?";
}

/// One thing to do. In a program's body `microbatch` counts from the first microbatch of the body's period, may be negative
/// (work on earlier minibatches), and for U is the last microbatch of the minibatch that the update consumes.
struct op {
  op_kind kind = op_kind::F;
  int stage = 0;
  int microbatch = 0;
  int slot = -1;    ///< the schedule's clock; -1: not timed yet, the order of the list and the dependencies decide
  int lane = 0;     ///< ops of one slot and one rank run in lane order where one worker runs them
  int replica = 0;  ///< which copy of the stage (bidirectional schedules, data parallelism)
  int segment = 0;  ///< which part of the sequence (sequence-level schedules)

  constexpr bool operator==(op const&) const = default;
};

constexpr bool is_backward(op_kind k) { return k == op_kind::B || k == op_kind::BW; }
constexpr bool adds_weight_gradient(op_kind k) { return k == op_kind::W || k == op_kind::BW; }

}  // namespace foal::schedule
