// T2's constants: what gamma leaves of 1, in float.
#include <foal/policy/delay/discrepancy_correction.hpp>

#include <catch2/catch.hpp>
#include <cmath>

using namespace foal;

TEST_CASE("T2: delta moves by the nearest float of 1 - gamma in double, for short and for long lags") {
  delay::discrepancy_correction const policy;
  for (double const lag : {1.0, 3.0, 40.0, 500.0, 1e6}) {
    CAPTURE(lag);
    double const gamma = std::pow(policy.decay, 1 / lag);
    float delta = 0;
    policy.after_update<float>({.tau_fwd = lag + 2, .tau_bkwd = 2})(1.0F, 2.0F, delta);
    CHECK(delta == static_cast<float>(1 - gamma));
    double wide = 0;
    policy.after_update<double>({.tau_fwd = lag + 2, .tau_bkwd = 2})(1.0, 2.0, wide);
    CHECK(wide == Approx(1 - gamma).epsilon(1e-9));
  }
  float without_memory = 5;
  policy.after_update<float>({})(1.0F, 2.5F, without_memory);
  CHECK(without_memory == 1.5F);
}
