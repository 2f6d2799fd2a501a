// How activations and their gradients travel between stages: as they are stored, as 8-bit integers, or in the code of any
// codec.
#pragma once

#include <foal/core/role.hpp>
#include <foal/policy/codec/int8.hpp>

namespace foal::wire {

/// As the storage policy keeps them.
struct exact {
  using role = foal::role::wire;
  static constexpr char const* name = "exact";
  using codec_type = codec::none;
};

/// Activations and their gradients go from stage to stage in the code of a codec (policy/codec/concept.hpp), every stage's,
/// as wire::int8 sends them; with error feedback if the codec takes it.
template <class Codec>
struct coded {
  using role = foal::role::wire;
  static constexpr char const* name = "coded";
  using codec_type = Codec;
  Codec codec{};
  bool feedback_forward = false;
  bool feedback_backward = false;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("codec", codec);
    f("feedback_forward", feedback_forward);
    f("feedback_backward", feedback_backward);
  }
};

/// Activations and their gradients go from stage to stage as 8-bit integers with a scale of 4 bytes for each row: a sample,
/// or a position of a sequence. scale = max |x| / 127 over the row, rounding to nearest even, so each value arrives with an
/// error of at most scale / 2 (and 2^-16 scale for the roundings of float). Zeros stay zeros; a row with a value that is not
/// finite arrives as NaN, so a divergence is seen. Every stage's wire is quantised, whether its two ends are on one worker
/// or on two, and what the receiver keeps of it for B and W is what came: bits do not depend on workers, and R reads what F
/// has read. What a stage keeps of its own activations is the storage policy's business; both storage policies go with this
/// one.
///
/// Error feedback: what a message lost, v - q * scale, is added to the next message of the same wire and direction, sample
/// slot by sample slot of the microbatch and position by position, so what has arrived is never wrong by more than half a
/// scale in sum (Seide et al. 2014, "1-bit stochastic gradient descent"; Karimireddy et al. 2019, "Error feedback fixes
/// SignSGD"). It is off, in both directions. Those papers send the gradient of the same weights again and again; here the
/// next message in a slot is of another sample. An activation is used in its own sample alone, so another's error is only
/// added to its own; a weight gradient is the sum over messages m of dy[m] x[m], in which e[m-1] - e[m] cancels only as far
/// as the x are alike. Measured with 8 bits (docs/claims.md), gradients are then further from the exact ones, not nearer.
/// Feedback can count where values far below the largest of their row matter in sum: they are rounded to zero every time.
///
/// Errors are 0 when a trainer is made and go on through phases, drains and calls of fit; they are no part of a file of
/// weights. Positions that a shorter microbatch has not, and rows that are all zero (padding, say), leave theirs as they
/// are. Evaluation, prediction and fresh gradients of diagnostics quantise without feedback and touch no error. Feedback of
/// activations cannot go with recomputation: R has not the error that F's message had.
///
/// Exact stay: token numbers and lengths (entries of one channel without a gradient, if they are no images), rows of fewer
/// than 4 values, a model's input, the gradient of the loss, and tied weights with their gradients.
///
/// For float on foal::device::host. Needs temporaries in float of one op per worker, and for feedback a
/// float for each value of one message of every wire ("feedback" in the facts). With accumulate::thick, weight gradients are
/// taken microbatch by microbatch.
struct int8 {
  using role = foal::role::wire;
  static constexpr char const* name = "int8";
  using codec_type = codec::int8;
  bool feedback_forward = false;
  bool feedback_backward = false;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("feedback_forward", feedback_forward);
    f("feedback_backward", feedback_backward);
  }
};

}  // namespace foal::wire
