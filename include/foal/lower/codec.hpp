// A codec as functions, on the device and in the scalar type of a run; and what a policy that has one must be.
#pragma once

#include <foal/lower/device.hpp>
#include <foal/policy/codec/concept.hpp>
#include <foal/table/functions.hpp>

namespace foal::lower {

using namespace table;

namespace detail {

template <class C, class S>
struct encode_element {
  C codec;
  FOAL_HOST_DEVICE void operator()(S const& x, typename C::code_type& code) const { code = codec.encode(x); }
};
/// An error that is not finite would never end: it is forgotten.
template <class C, class S>
struct encode_owing {
  C codec;
  FOAL_HOST_DEVICE void operator()(S const& x, S& error, typename C::code_type& code) const {
    S const v = x + error;
    code = codec.encode(v);
    S back = 0;
    codec.decode(code, back);
    S const lost = v - back;
    error = lost - lost == 0 ? lost : S(0);
  }
};
template <class C, class S>
struct decode_element {
  C codec;
  FOAL_HOST_DEVICE void operator()(typename C::code_type const& code, S& x) const { codec.decode(code, x); }
};

template <class C, class D, class S>
struct element_codec {
  static constexpr bool feeds_back = true;
  static std::size_t row_bytes(void const*, std::size_t row) { return row * sizeof(typename C::code_type); }
  static void encode(codec_call const& c) {
    auto& d = *static_cast<D*>(c.device);
    auto const& codec = *static_cast<C const*>(c.codec);
    auto const* const x = static_cast<S const*>(c.from);
    auto* const code = static_cast<typename C::code_type*>(c.to);
    if (c.error == nullptr)
      d.map(c.rows * c.row, encode_element<C, S>{codec}, x, code);
    else
      d.map(c.rows * c.row, encode_owing<C, S>{codec}, x, static_cast<S*>(c.error), code);
  }
  static void decode(codec_call const& c) {
    static_cast<D*>(c.device)->map(c.rows * c.row, decode_element<C, S>{*static_cast<C const*>(c.codec)},
                                   static_cast<typename C::code_type const*>(c.from), static_cast<S*>(c.to));
  }
};

/// First: nothing, or the device.
template <class C, class D, class S, class... First>
struct row_codec {
  static constexpr bool feeds_back = codec::owes<C, S, First...>;
  static std::size_t row_bytes(void const* codec, std::size_t row) { return static_cast<C const*>(codec)->bytes(row); }
  static void encode(codec_call const& c) {
    auto const* const x = static_cast<S const*>(c.from);
    auto* const code = static_cast<std::byte*>(c.to);
    if constexpr (feeds_back)
      static_cast<C const*>(c.codec)->encode(static_cast<First&>(*static_cast<D*>(c.device))..., rows_of(c), x,
                                             static_cast<S*>(c.error), code);
    else
      static_cast<C const*>(c.codec)->encode(static_cast<First&>(*static_cast<D*>(c.device))..., rows_of(c), x, code);
  }
  static void decode(codec_call const& c) {
    static_cast<C const*>(c.codec)->decode(static_cast<First&>(*static_cast<D*>(c.device))..., rows_of(c),
                                           static_cast<std::byte const*>(c.from), static_cast<S*>(c.to));
  }
  static codec::rows rows_of(codec_call const& c) { return {c.rows, c.row}; }
};

template <class C, class D, class S>
constexpr bool runs_elementwise = codec::elementwise<C, S>;
template <class C, class D, class S>
constexpr bool runs_on_the_host = codec::of_rows<C, S> && uses_host_memory<D>();
template <class C, class D, class S>
constexpr bool runs_by_device = codec::of_rows<C, S, D>;

template <class Thunks>
constexpr void fill(codec_functions& f) {
  f.feeds_back = Thunks::feeds_back;
  f.row_bytes = &Thunks::row_bytes;
  f.encode = &Thunks::encode;
  f.decode = &Thunks::decode;
}

}  // namespace detail

/// Whether a codec encodes and decodes the scalar type S on the device D.
template <class C, class D, class S>
constexpr bool codes =
    detail::runs_elementwise<C, D, S> || detail::runs_on_the_host<C, D, S> || detail::runs_by_device<C, D, S>;

/// The functions of a codec; `codec` must outlive them.
template <class D, class S, class C>
codec_functions codec_of(C const& codec) {
  static_assert(codes<C, D, S>);
  codec_functions f;
  f.name = C::name;
  f.codec = &codec;
  f.least_row = foal::codec::least_row<C>();
  f.stored = foal::codec::stored<C>();
  if constexpr (detail::runs_elementwise<C, D, S>)
    detail::fill<detail::element_codec<C, D, S>>(f);
  else if constexpr (detail::runs_by_device<C, D, S>)
    detail::fill<detail::row_codec<C, D, S, D>>(f);
  else
    detail::fill<detail::row_codec<C, D, S>>(f);
  return f;
}

/// A policy of storage or wires says its codec.
template <class Policy>
concept names_a_codec = requires { typename Policy::codec_type; };

template <class Storage, bool NamesACodec>
struct storage_has_a_codec {
  static_assert(NamesACodec,
                "foal: cannot store activations as this policy (Storage) says, because it names no codec; add using "
                "codec_type = your_codec, or give foal::storage::coded<your_codec> in its place");
};
template <class Wire, bool NamesACodec>
struct wire_has_a_codec {
  static_assert(
      NamesACodec,
      "foal: cannot send activations as this policy (Wire) says, because it names no codec; add using codec_type = "
      "your_codec, or give foal::wire::coded<your_codec> in its place");
};

template <class Storage, class S, class Device, bool Possible>
struct storage_is_possible {
  static_assert(
      Possible,
      "foal: cannot store the activations of the scalar type S as Storage on this Device, because its codec does "
      "not encode and decode S there: bfloat16 and int8 take float on foal::device::host and cuda, a codec of rows takes "
      "memory of the host; leave the policy out, train in float on the host, or give an elementwise codec");
};
template <class Wire, class S, class Device, bool Possible>
struct wire_is_possible {
  static_assert(
      Possible,
      "foal: cannot send activations of the scalar type S as Wire on this Device, because its codec does not "
      "encode and decode S there: bfloat16 and int8 take float on foal::device::host and cuda, a codec of rows takes memory "
      "of the host; leave the policy out, train in float on the host, or give an elementwise codec");
};

namespace detail {

template <class Policy>
struct codec_named_by {
  using type = codec::none;
};
template <names_a_codec Policy>
struct codec_named_by<Policy> {
  using type = typename Policy::codec_type;
};

/// A policy's codec with its numbers, or one without any.
template <class Policy>
auto const& codec_value(Policy const& policy) {
  if constexpr (requires { policy.codec; }) {
    return policy.codec;
  } else {
    static typename codec_named_by<Policy>::type const plain{};
    return plain;
  }
}

}  // namespace detail

template <class Policy>
using codec_in = typename detail::codec_named_by<Policy>::type;

/// Whether a policy keeps or sends activations by a codec.
template <class Policy>
constexpr bool has_codec = !std::is_same_v<codec_in<Policy>, codec::none>;

/// What a policy of storage must have, on the device D in the scalar S.
template <class P, class S, class D>
struct stores_activations : storage_has_a_codec<P, names_a_codec<P>>,
                            storage_is_possible<P, S, D, !has_codec<P> || codes<codec_in<P>, D, S>> {};
/// And of wires.
template <class P, class S, class D>
struct sends_activations : wire_has_a_codec<P, names_a_codec<P>>,
                           wire_is_possible<P, S, D, !has_codec<P> || codes<codec_in<P>, D, S>> {};

}  // namespace foal::lower
