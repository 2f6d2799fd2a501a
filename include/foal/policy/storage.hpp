// How activations are stored between the ops that make and use them: as they are, as bfloat16, or in the code of any codec.
#pragma once

#include <foal/core/role.hpp>
#include <foal/policy/codec/bfloat16.hpp>

namespace foal::storage {

/// As they are computed.
struct exact {
  using role = foal::role::storage;
  static constexpr char const* name = "exact";
  using codec_type = codec::none;
};

/// Saved activations, wires and their gradients are kept and sent in the code of a codec (policy/codec/concept.hpp), for an
/// error of the codec's: arithmetic sees what it gives back, where storage::bfloat16 sees rounded values.
template <class Codec>
struct coded {
  using role = foal::role::storage;
  static constexpr char const* name = "coded";
  using codec_type = Codec;
  Codec codec{};

  template <class F>
  constexpr void numbers(F&& f) const {
    f("codec", codec);
  }
};

/// Saved activations, wires and their gradients are kept and sent as bfloat16, rounded to nearest even; arithmetic stays in
/// float. Half the saved and sent bytes, for a relative error of at most 2^-8 in each value: a layer's forward sees what its
/// own stage computed unrounded and what other stages sent rounded; its backward sees rounded activations throughout. Where
/// W is an op of its own it sees rounded output gradients too, which is part of a run's identity. Evaluation and prediction
/// round wires as training does. Recomputation gives the bits of training without, where the weights are equal.
///
/// Exact stay: token numbers and lengths (inputs of one channel without a gradient, if they are no images), the gradient of
/// the loss, kept entries that state their element, and statistics (kept entries with a fixed part, or smaller than
/// the layer's output). Parameters, their gradients and optimizer states are not activations.
///
/// For float, on a device with narrow and widen (host, cuda). Needs temporaries in float of one op per worker. With
/// accumulate::thick, weight gradients are taken microbatch by microbatch: decoded copies of a minibatch would cost what is
/// saved.
struct bfloat16 {
  using role = foal::role::storage;
  static constexpr char const* name = "bfloat16";
  using codec_type = codec::bfloat16;
};

}  // namespace foal::storage
