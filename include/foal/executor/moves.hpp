// The steps of an op that are no layer: copies, sums, zeros, and the codes in which tensors are kept.
#pragma once

#include <foal/table/run_values.hpp>

namespace foal::executor {

/// Moves tensors of a microbatch that has `samples` samples of these lengths.
struct tensor_moves {
  table::run_tables const& tables;
  void* device = nullptr;
  int samples = 0;
  lengths_of_axes const& lengths;

  /// Where the tensors of a step are.
  struct arrays {
    void const* x = nullptr;
    void* other = nullptr;
    void* y = nullptr;
  };

  /// Does a step that is no layer's.
  void run(table::stage_table const& stage, table::step const& s, arrays const& at) const {
    using kind = table::step::kind;
    table::tensor const& to = stage.tensors[static_cast<std::size_t>(s.y)];
    switch (s.what) {
      case kind::zero:
        return tables.device.zero(device, at.y, bytes(to));
      case kind::copy:
        return tables.device.copy(device, at.y, at.x, bytes(to));
      case kind::decode:
        return decode(stage.tensors[static_cast<std::size_t>(s.x)], at.x, at.y);
      case kind::encode:
        return encode(to, at);
      default:
        return tables.device.add(device, static_cast<std::size_t>(to.used(samples, lengths)), at.x, at.other, at.y);
    }
  }

  /// Encodes x as tensor `to` is kept; other: null or the error that is fed back.
  void encode(table::tensor const& to, arrays const& at) const {
    table::codec_functions const& codec = tables.codecs[static_cast<std::size_t>(to.code.codec)];
    table::codec_call c = call(codec, to, at.x, at.y);
    c.error = at.other;
    auto const most = static_cast<std::size_t>(to.sample.size());
    auto const each = static_cast<std::size_t>(samples_at(to.sample, lengths, samples));
    std::size_t const one = c.rows * c.row / each;
    if (c.error == nullptr || one == most) return codec.encode(c);
    // Errors lie where the longest microbatch has its positions, or one after the other where it is ragged.
    c.rows /= each;
    std::size_t const size = foal::bytes_of(to.type);
    for (std::size_t i = 0; i < each; ++i) {
      c.from = static_cast<std::byte const*>(at.x) + i * one * size;
      c.error = static_cast<std::byte*>(at.other) + i * most * size;
      c.to = static_cast<std::byte*>(at.y) + i * c.rows * to.code.row_bytes;
      codec.encode(c);
    }
  }

 private:
  std::size_t bytes(table::tensor const& x) const { return table::bytes_of(x.type, x.code, x.used(samples, lengths)); }

  table::codec_call call(table::codec_functions const& codec, table::tensor const& kept, void const* from, void* to) const {
    table::codec_call c;
    c.codec = codec.codec;
    c.device = device;
    c.row = static_cast<std::size_t>(kept.code.row);
    c.rows = static_cast<std::size_t>(kept.used(samples, lengths)) / c.row;
    c.from = from;
    c.to = to;
    return c;
  }
  void decode(table::tensor const& from, void const* x, void* y) const {
    table::codec_functions const& codec = tables.codecs[static_cast<std::size_t>(from.code.codec)];
    codec.decode(call(codec, from, x, y));
  }
};

}  // namespace foal::executor
