// The storage and wire policies of a trainer: its tables keep and send activations as they say.
#pragma once

#include <string>

#include <foal/core/error.hpp>
#include <foal/lower/codec.hpp>
#include <foal/lower/storage.hpp>

namespace foal::lower {

/// Throws foal::error where forward wires with error feedback meet recomputation.
inline void check_feedback(run_tables const& t, bool forward) {
  for (phase_table const& phase : t.phases)
    for (schedule::stage_facts const& s : phase.facts.stage)
      require(!forward || s.head < 0, "cannot feed back the errors of activations on the schedule ", phase.name,
              ", because R would have to send again what F has sent, and the error in it is gone; use .wire = "
              "{.feedback_forward = false}, or a schedule without recomputation");
}

namespace detail {

/// Adds a codec to the tables; gives its number.
template <class D, class S, class C>
int add_codec(run_tables& t, C const& codec) {
  t.codecs.push_back(codec_of<D, S>(codec));
  return static_cast<int>(t.codecs.size()) - 1;
}

/// Sets what a wire policy feeds back, if it can say so.
template <class Wire>
void choose_feedback(run_tables const& t, Wire const& wire, codings& what) {
  if constexpr (requires {
                  wire.feedback_forward;
                  wire.feedback_backward;
                }) {
    codec_functions const& codec = t.codecs[static_cast<std::size_t>(what.wire)];
    require(codec.feeds_back || !(wire.feedback_forward || wire.feedback_backward), "cannot feed back what the codec ",
            codec.name,
            " loses, because its encode takes no error; let it take S* error before its code, or use .wire = "
            "{.feedback_forward = false, .feedback_backward = false}");
    if (t.phases.back().inference) return;
    what.feedback_forward = wire.feedback_forward;
    what.feedback_backward = wire.feedback_backward;
    check_feedback(t, what.feedback_forward);
  }
}

}  // namespace detail

/// Lets lowered tables keep and send activations as the policies say, which must outlive them. Once for each lowered model.
/// Throws foal::error where the policies do not go with the schedule.
template <class D, class S, class Storage, class Wire>
void store_and_send(run_tables& t, Storage const& storage, Wire const& wire) {
  constexpr bool stores = has_codec<Storage>, sends = has_codec<Wire>;
  constexpr bool can_store = !stores || codes<codec_in<Storage>, D, S>;
  constexpr bool can_send = !sends || codes<codec_in<Wire>, D, S>;
  if constexpr ((stores || sends) && can_store && can_send) {  // what the checks refuse is left out: one mistake, one error
    codings what;
    if constexpr (stores) what.storage = detail::add_codec<D, S>(t, detail::codec_value(storage));
    if constexpr (sends) {
      what.wire = detail::add_codec<D, S>(t, detail::codec_value(wire));
      detail::choose_feedback(t, wire, what);
    }
    encode_activations(t, what);
  }
  static_cast<void>(storage);
  static_cast<void>(wire);
}

/// Takes error feedback out of the steps.
inline void drop_feedback(run_tables& t) {
  for (stage_table& stage : t.stages) {
    for (auto* const steps : {&stage.forward, &stage.backward})
      for (step& s : *steps)
        if (s.what == step::kind::encode) s.other = -1;
    for (tensor& x : stage.tensors)
      if (x.where == place::error) x.elements = {};
  }
}

/// Bytes that the wires carry of one microbatch at its largest: of activations, or of their gradients; as they are sent, or
/// as they are computed.
inline long long wire_bytes(run_tables const& t, int samples, bool gradients, bool as_sent) {
  std::size_t sum = 0;
  for (std::size_t s = 1; s < t.stages.size(); ++s)
    for (wire_entry e : t.stages[s].wire_in) {
      if (!as_sent) e.code = {};
      if (!gradients || e.gradient) sum += e.bytes(samples);
    }
  return static_cast<long long>(sum);
}

inline std::string wire_note(run_tables const& t, int samples) {
  return sentence("the wires carry ", wire_bytes(t, samples, false, true), " bytes of a microbatch's activations and ",
                  wire_bytes(t, samples, true, true), " of their gradients; as ", name(t.types.activations), " it would be ",
                  wire_bytes(t, samples, false, false), " and ", wire_bytes(t, samples, true, false));
}

/// Bytes of what stages keep of one microbatch at its largest, apart from what arrives by wires; as it is kept, or as it is
/// computed.
inline long long kept_bytes(run_tables const& t, int samples, bool as_kept) {
  std::size_t sum = 0;
  for (stage_table const& stage : t.stages)
    for (tensor x : stage.tensors) {
      if (!as_kept) x.code = {};
      if (x.where == place::kept) sum += x.bytes(samples);
    }
  return static_cast<long long>(sum);
}

inline std::string storage_note(run_tables const& t, int samples) {
  return sentence("stages keep ", kept_bytes(t, samples, true), " bytes of a microbatch beside what arrives by wires; as ",
                  name(t.types.activations), " it would be ", kept_bytes(t, samples, false));
}

}  // namespace foal::lower
