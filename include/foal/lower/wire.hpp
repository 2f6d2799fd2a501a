// The storage and wire policies of a trainer: its tables keep and send activations as they say.
#pragma once

#include <cstdint>
#include <string>

#include <foal/core/error.hpp>
#include <foal/lower/checks.hpp>
#include <foal/lower/storage.hpp>

namespace foal::lower {

namespace detail {

/// What a device needs for wire::int8.
template <class D, class S>
constexpr bool quantises = requires(D& d, std::size_t n, S const* x, S* e, S* y, float* scale, std::int8_t* q) {
  d.quantise(n, n, x, e, scale, q);
  d.dequantise(n, n, scale, q, y);
};

}  // namespace detail

/// Gives the tables the device D's conversions between rows of S and 8-bit integers.
template <class D, class S>
void convert_int8(run_tables& t) {
  t.device.quantise = [](void* d, std::size_t rows, std::size_t row, void const* x, void* error, void* scale, void* q) {
    static_cast<D*>(d)->quantise(rows, row, static_cast<S const*>(x), static_cast<S*>(error), static_cast<float*>(scale),
                                 static_cast<std::int8_t*>(q));
  };
  t.device.dequantise = [](void* d, std::size_t rows, std::size_t row, void const* scale, void const* q, void* y) {
    static_cast<D*>(d)->dequantise(rows, row, static_cast<float const*>(scale), static_cast<std::int8_t const*>(q),
                                   static_cast<S*>(y));
  };
}

/// Throws foal::error where forward wires with error feedback meet recomputation.
inline void check_feedback(run_tables const& t, bool forward) {
  for (phase_table const& phase : t.phases)
    for (schedule::stage_facts const& s : phase.facts.stage)
      require(!forward || s.head < 0, "cannot feed back the errors of activations on the schedule ", phase.name,
              ", because R would have to send again what F has sent, and the error in it is gone; use .wire = "
              "{.feedback_forward = false}, or a schedule without recomputation");
}

/// Lets lowered tables keep and send activations as the policies Storage and Wire say. Once for each lowered model. Throws
/// foal::error where the policies do not go with the schedule.
template <class Storage, class D, class S, class Wire>
void store_and_send(run_tables& t, Wire const& wire) {
  constexpr bool halves = Storage::converts, quantises = Wire::converts;
  constexpr bool can_halve = !halves || detail::converts_bfloat16<D, S>;
  constexpr bool can_quantise = !quantises || detail::quantises<D, S>;
  static_assert(sizeof(storage_is_possible<Storage, S, D, can_halve>) > 0);
  static_assert(sizeof(wire_is_possible<Wire, S, D, can_quantise>) > 0);
  if constexpr ((halves || quantises) && can_halve && can_quantise) {
    stored_types what{halves, quantises};
    if constexpr (halves) convert_bfloat16<D, S>(t);
    if constexpr (quantises) {
      convert_int8<D, S>(t);
      what.feedback_forward = wire.feedback_forward && !t.phases.back().inference;
      what.feedback_backward = wire.feedback_backward && !t.phases.back().inference;
      check_feedback(t, what.feedback_forward);
    }
    store_otherwise(t.stages, what);
  }
  static_cast<void>(wire);
}

/// Takes error feedback out of the steps.
inline void drop_feedback(run_tables& t) {
  for (stage_table& stage : t.stages) {
    for (auto* const steps : {&stage.forward, &stage.backward})
      for (step& s : *steps)
        if (s.what == step::kind::narrow) s.other = -1;
    for (tensor& x : stage.tensors)
      if (x.where == place::error) x.elements = {};
  }
}

/// Bytes that the wires carry of one microbatch at its largest: of activations, or of their gradients; as they are sent, or
/// in the scalar type.
inline long long wire_bytes(run_tables const& t, int samples, bool gradients, bool as_sent) {
  long long sum = 0;
  for (std::size_t s = 1; s < t.stages.size(); ++s)
    for (wire_entry e : t.stages[s].wire_in) {
      if (!as_sent) e.element_bytes = e.scale_row = 0;
      if (!gradients || e.gradient) sum += e.bytes(samples, static_cast<int>(t.scalar_bytes));
    }
  return sum;
}

inline std::string wire_note(run_tables const& t, int samples) {
  return sentence("the wires carry ", wire_bytes(t, samples, false, true), " bytes of a microbatch's activations and ",
                  wire_bytes(t, samples, true, true), " of their gradients; in the scalar type it would be ",
                  wire_bytes(t, samples, false, false), " and ", wire_bytes(t, samples, true, false));
}

}  // namespace foal::lower
