// How many elements a microbatch of a layer has.
#pragma once

#include <cstddef>

#include <foal/layer/contract.hpp>

namespace foal {

/// Elements of the layer's input for all samples of the microbatch.
template <class C>
std::size_t input_elements(C const& ctx) {
  return static_cast<std::size_t>(ctx.samples) * static_cast<std::size_t>(ctx.in.size());
}

}  // namespace foal
