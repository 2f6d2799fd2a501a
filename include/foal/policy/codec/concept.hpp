// What a codec is: how activations and their gradients are kept, or sent from stage to stage, in fewer bytes.
#pragma once

#include <concepts>
#include <cstddef>

#include <foal/core/config.hpp>
#include <foal/tensor/element.hpp>

// A codec is a plain struct; its numbers, if it has any, are members. It has `static constexpr char const* name` and, in the
// scalar type S of the run, one of three forms:
//
// Elementwise, on every device: `using code_type = ...`, FOAL_HOST_DEVICE code_type encode(S x) const and FOAL_HOST_DEVICE
// void decode(code_type code, S& x) const. Any wire may feed back what it loses.
//
// Rows, on devices whose memory the host reads: std::size_t bytes(std::size_t row) const, the bytes of the code of a row of
// so many elements; void encode(codec::rows of, S const* x, std::byte* code) const, which writes the code of row r to
// [r * bytes(of.size), (r + 1) * bytes(of.size)) whatever rows lie beside it; void decode(codec::rows of, std::byte const*
// code, S* x) const. Code begins at any byte. Wires may feed back errors if encode takes S* error before code: null, or as
// many elements as x; v = x + error goes out, and error becomes what is lost of v.
//
// Rows by the ops of a device: the same, with the device as another first argument of encode and decode, templates that are
// there where the device has the ops (codec::bfloat16, codec::int8).
//
// Optional: static constexpr int least_row: shorter rows stay as they are. static constexpr element stored: what the code's
// elements are, for who lists arrays.
namespace foal::codec {

/// Rows of elements, one after the other. A row is a position of a sequence, else a sample.
struct rows {
  std::size_t count = 0, size = 0;  ///< size: elements of one
  constexpr std::size_t elements() const { return count * size; }
};

/// In place of a codec: arrays stay as they are.
struct none {};

template <class C, class S>
concept elementwise = requires(C const& c, S x, typename C::code_type code) {
  { c.encode(x) } -> std::same_as<typename C::code_type>;
  { c.decode(code, x) } -> std::same_as<void>;
};

template <class C>
concept has_rows = requires(C const& c, std::size_t row) {
  { c.bytes(row) } -> std::convertible_to<std::size_t>;
};

/// encode has an error to feed back; First: nothing, or a device.
template <class C, class S, class... First>
concept owes = requires(C const& c, First&... first, rows of, S const* x, S* error, std::byte* code) {
  c.encode(first..., of, x, error, code);
};
template <class C, class S, class... First>
concept forgets =
    requires(C const& c, First&... first, rows of, S const* x, std::byte* code) { c.encode(first..., of, x, code); };
template <class C, class S, class... First>
concept of_rows = has_rows<C> && (owes<C, S, First...> || forgets<C, S, First...>)&&requires(
                                     C const& c, First&... first, rows of, std::byte const* code, S* x) {
  c.decode(first..., of, code, x);
};

template <class C>
constexpr int least_row() {
  if constexpr (requires { C::least_row; }) return C::least_row;
  return 1;
}
template <class C>
constexpr element stored() {
  if constexpr (requires { C::stored; }) return C::stored;
  return element::bytes;
}

}  // namespace foal::codec
