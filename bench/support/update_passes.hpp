// The update of momentum with T2's delta as array operations, one after the other: what a fused pass is held against.
#pragma once

#include <foal/core/config.hpp>

namespace bench::passes {

struct scale {
  float by;
  FOAL_HOST_DEVICE void operator()(float const& g, float& out) const { out = g / by; }
};
struct accumulate {
  float mu;
  FOAL_HOST_DEVICE void operator()(float& v, float const& g) const { v = mu * v + g; }
};
struct descend {
  float rate;
  FOAL_HOST_DEVICE void operator()(float& w, float const& v, float& change) const {
    change = -(rate * v);
    w += change;
  }
};
struct average {
  float gamma;
  FOAL_HOST_DEVICE void operator()(float const& change, float& delta, float& g) const {
    delta = gamma * delta + (1 - gamma) * change;
    g = 0;
  }
};

}  // namespace bench::passes
