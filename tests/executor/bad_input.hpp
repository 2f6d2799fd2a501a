// A model's input that is no number, and that a run says where it came from.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>

#include "tests/executor/pausing.hpp"

namespace foal::test {

/// A number that is none, in one microbatch.
struct bad_input {
  long long at = 0;
  void inputs(long long m, float* x, float*) const {
    std::fill(x, x + bit_samples * mlp_inputs, 0.25F);
    if (m == at) x[1] = std::numeric_limits<float>::quiet_NaN();
  }
  void targets(long long, std::int32_t* t) const { std::fill(t, t + bit_samples, 1); }
};

/// Trains minibatches of 8 on 4 ranks, of which microbatch m of the second has a bad input.
inline void check_origin_of_bad_input(table::run_tables const& t, int m, int workers) {
  bad_input const data{8 + m};
  executor::engine engine(t, {bit_samples, 8, workers, 5, false, 64, false}, driver(workers > 1), shares(4, workers));
  executor::run_request request;
  request.minibatches = 3;
  request.source = executor::source_of<float, std::int32_t>(data);
  auto const result = engine.run(request, 0);
  REQUIRE(result.diverged);
  CHECK(result.diverged->microbatch == 8 + m);
  CHECK(result.diverged->from.stage == 0);
  CHECK(result.diverged->from.what == "input of the model");
}

}  // namespace foal::test
