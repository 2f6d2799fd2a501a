// The update as one pass: the order of its parts, and what it leaves behind.
#include <foal/device/host.hpp>
#include <foal/lower/policies.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/sgd.hpp>

#include <catch2/catch.hpp>
#include <vector>

#include "tests/support/layer_check.hpp"

namespace {

using namespace foal;

/// Adds 1 to the gradient for each unit of its state, and counts by how much a weight moved.
struct counting {
  using role = foal::role::delay;
  static constexpr int states = 1;

  template <class S>
  struct more {
    S operator()(S g, S w, S const& state) const { return g + state + S(0) * w; }
  };
  template <class S>
  more<S> gradient(delay::moment) const {
    return {};
  }
  template <class S>
  struct moved {
    void operator()(S before, S after, S& state) const { state += before - after; }
  };
  template <class S>
  moved<S> after_update(delay::moment) const {
    return {};
  }
};

template <class S, class Optimizer, class Delay>
table::update_call call(test::host_device& d, Optimizer const& optimizer, Delay const& policy) {
  table::update_call c;
  c.device = &d.device;
  c.optimizer = &optimizer;
  c.delay = &policy;
  return c;
}

}  // namespace

TEST_CASE("the sum over a minibatch is divided by N, not multiplied by 1/N, and set to zero") {
  test::host_device d;
  optim::sgd const sgd{};
  delay::none const none{};
  auto const f = lower::policies_of<device::host, float, optim::sgd, delay::none>();
  std::vector<float> const sums = test::random_numbers<float>(500, 3);
  for (int n : {1, 3, 7, 49}) {
    std::vector<float> w(sums.size(), 0), g = sums;
    auto c = call<float>(d, sgd, none);
    c.n = w.size();
    c.w = w.data();
    c.g = g.data();
    c.divide = n;
    c.rate = -1;  // so that w is the gradient
    f.optimizer[0].update(c);
    int differs = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      REQUIRE(w[i] == sums[i] / static_cast<float>(n));
      REQUIRE(g[i] == 0);
      differs += w[i] != sums[i] * (1 / static_cast<float>(n)) ? 1 : 0;
    }
    CHECK((differs > 0) == (n > 1));
  }
}

TEST_CASE("clipping comes before weight decay, the delay policy between, the whole change after") {
  test::host_device d;
  optim::momentum const heavy{.momentum = 0.5, .weight_decay = 0.25};
  counting const policy{};
  auto const f = lower::policies_of<device::host, double, optim::momentum, counting>();
  CHECK(f.optimizer_states == 1);
  CHECK(f.delay_states == 1);
  CHECK_FALSE(f.delay_on_all);
  CHECK(f.forward_weight == nullptr);
  CHECK(f.backward_weight == nullptr);
  for (bool const compensate : {true, false}) {
    double w = 4, g = 12, v = 2, state = 3;
    auto c = call<double>(d, heavy, policy);
    c.n = 1;
    c.w = &w;
    c.g = &g;
    c.states[0] = &v;
    c.delay_states[0] = compensate ? &state : nullptr;
    c.compensate = compensate;
    c.divide = 3;
    c.scale = 0.5;
    c.rate = 0.5;
    f.optimizer[0].update(c);
    // 12 / 3 * 0.5 = 2; + 3 by the policy; + 0.25 * 4 by weight decay; v = 0.5 * 2 + that; w = 4 - 0.5 v.
    double const velocity = 1 + 2 + (compensate ? 3 : 0) + 1;
    CHECK(v == velocity);
    CHECK(w == 4 - 0.5 * velocity);
    CHECK(state == (compensate ? 3 + 0.5 * velocity : 3));
    CHECK(g == 0);
  }
}
