// Where the samples of a microbatch of sequences lie.
#pragma once

#include <cstddef>

#include <foal/layer/contract.hpp>

namespace foal {

/// One sample's positions among all of the microbatch.
struct sample_place {
  int first = 0, positions = 0;
};

/// Samples of the layer's input, whether they are padded or ragged.
template <class C>
int samples_of(C const& ctx) {
  return ctx.bounds.begin == nullptr ? ctx.samples : ctx.bounds.samples;
}

/// Where sample i of the layer's input lies.
template <class C>
sample_place place_of_sample(C const& ctx, int i) {
  return {ctx.bounds.first(i, ctx.in.positions()), ctx.bounds.positions(i, ctx.in.positions())};
}

/// The positions of the longest sample.
template <class C>
int longest_sample(C const& ctx) {
  int longest = 0;
  for (int i = 0; i < samples_of(ctx); ++i) {
    int const n = place_of_sample(ctx, i).positions;
    longest = n > longest ? n : longest;
  }
  return longest;
}

/// Elements before a position of the layer's input, or of what has its shape.
template <class C>
std::ptrdiff_t elements_before(C const& ctx, int position) {
  return static_cast<std::ptrdiff_t>(position) * ctx.in.channels();
}

}  // namespace foal
