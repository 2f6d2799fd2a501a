// XPipe's horizons.
#include <foal/policy/delay/xpipe.hpp>

#include <catch2/catch.hpp>
#include <cmath>

using namespace foal;

TEST_CASE("XPipe: whole numbers of Adam's steps ahead, in F and in B", "[delay]") {
  delay::xpipe<> const p;
  double const rate = 0.01, m1 = 0.3, v1 = 0.04;
  for (int d : {2, 4, 7})
    for (int n : {1, 3, 4})
      for (int r = 0; r < d; ++r) {
        long long const t = 6;
        delay::moment const m{.rate = rate, .updates = t, .stage = r, .stages = d, .microbatches = n};
        double const mean = m1 / (1 - std::pow(0.9, t)), size = std::sqrt(v1 / (1 - std::pow(0.999, t))) + 1e-8;
        double const forward = std::round((d + n - r / 2 - 2.0) / n), backward = std::round((n + r / 2 - 1.0) / n);
        CHECK(p.forward_weight<double>(m)(1.0, m1, v1) == Approx(1 - forward * rate * mean / size).epsilon(1e-7));
        CHECK(p.backward_weight<double>(m)(1.0, m1, v1) == Approx(1 - backward * rate * mean / size).epsilon(1e-7));
      }
}

TEST_CASE("XPipe: microbatches of a minibatch are one step ahead where N is large", "[delay]") {
  delay::moment const m{.rate = 1, .updates = 1, .stage = 1, .stages = 4, .microbatches = 16};
  delay::xpipe<delay::direction::of_momentum> const p;
  CHECK(p.forward_weight<double>(m)(0.0, 1.0) == -1);
  CHECK(p.backward_weight<double>(m)(0.0, 1.0) == -1);
}

TEST_CASE("XPipe is refused where delays are not those of 1F1B", "[delay]") {
  CHECK_NOTHROW(delay::xpipe<>{}.fits({.stage = 1, .stages = 4, .microbatches = 2, .tau_fwd = 1}));
  CHECK_THROWS_WITH(delay::xpipe<>{}.fits({.stage = 1, .stages = 4, .microbatches = 2, .tau_fwd = 2}),
                    Catch::Contains("cannot predict with XPipe at stage 1") && Catch::Contains("delay::pipe_optim"));
}
