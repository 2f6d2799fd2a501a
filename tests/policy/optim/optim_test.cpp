// The optimizers against PyTorch's formulas (torch.optim.SGD, Adam, AdamW, their documented pseudo-code), written out here.
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/concept.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/sgd.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace {

using namespace foal;

static_assert(optim::optimizer<optim::sgd> && optim::optimizer<optim::momentum>);
static_assert(optim::optimizer<optim::adam> && optim::optimizer<optim::adamw>);
static_assert(optim::sgd::states == 0 && optim::momentum::states == 1 && optim::adam::states == 2 &&
              optim::adamw::states == 2);

/// A gradient that changes sign, size and is sometimes 0.
double gradient(int t) { return t % 7 == 3 ? 0 : std::sin(1.7 * t) * (t % 5 + 0.1); }
double rate(int t) { return 0.1 / (1 + 0.2 * t); }
constexpr int steps = 60;

/// Runs an optimizer of foal beside `expected`, a function (w, g, lr, t) of the test with state of its own.
template <class Optimizer, class Expected>
void follow(Optimizer const& optimizer, Expected expected) {
  double w = 1.3, other = 1.3, m = 0, v = 0;
  for (int t = 1; t <= steps; ++t) {
    auto const f = optimizer.template prepare<double>(rate(t), t);
    if constexpr (Optimizer::states == 0)
      f(w, gradient(t));
    else if constexpr (Optimizer::states == 1)
      f(w, gradient(t), m);
    else
      f(w, gradient(t), m, v);
    expected(other, gradient(t), rate(t), t);
    REQUIRE(w == Approx(other).epsilon(1e-12));
  }
  CHECK(w != 1.3);
}

}  // namespace

TEST_CASE("sgd") {
  follow(optim::sgd{}, [](double& w, double g, double lr, int) { w = w - lr * g; });
  follow(optim::sgd{.weight_decay = 0.1}, [](double& w, double g, double lr, int) {
    g = g + 0.1 * w;
    w = w - lr * g;
  });
}

TEST_CASE("momentum: the first step is the gradient, then b = mu b + g") {
  for (double const decay : {0.0, 0.05}) {
    double b = 0;
    follow(optim::momentum{.momentum = 0.8, .weight_decay = decay}, [&b, decay](double& w, double g, double lr, int t) {
      g = g + decay * w;
      b = t > 1 ? 0.8 * b + g : g;
      w = w - lr * b;
    });
    double n = 0;
    follow(optim::momentum{.momentum = 0.7, .nesterov = true, .weight_decay = decay},
           [&n, decay](double& w, double g, double lr, int t) {
             g = g + decay * w;
             n = t > 1 ? 0.7 * n + g : g;
             g = g + 0.7 * n;
             w = w - lr * g;
           });
  }
}

TEST_CASE("adam adds its weight decay to the gradient") {
  for (double const decay : {0.0, 0.05}) {
    double m = 0, v = 0;
    follow(optim::adam{.beta1 = 0.85, .beta2 = 0.99, .eps = 1e-6, .weight_decay = decay},
           [&, decay](double& w, double g, double lr, int t) {
             g = g + decay * w;
             m = 0.85 * m + (1 - 0.85) * g;
             v = 0.99 * v + (1 - 0.99) * g * g;
             double const m_hat = m / (1 - std::pow(0.85, t)), v_hat = v / (1 - std::pow(0.99, t));
             w = w - lr * m_hat / (std::sqrt(v_hat) + 1e-6);
           });
  }
}

TEST_CASE("adamw shrinks the weight by itself") {
  for (double const decay : {0.0, 0.3}) {
    double m = 0, v = 0;
    follow(optim::adamw{.weight_decay = decay}, [&, decay](double& w, double g, double lr, int t) {
      w = w - lr * decay * w;
      m = 0.9 * m + (1 - 0.9) * g;
      v = 0.999 * v + (1 - 0.999) * g * g;
      double const m_hat = m / (1 - std::pow(0.9, t)), v_hat = v / (1 - std::pow(0.999, t));
      w = w - lr * m_hat / (std::sqrt(v_hat) + 1e-8);
    });
  }
}

TEST_CASE("adam and adamw of float: what the betas leave of 1 is the nearest float of the double, as in PyTorch") {
  auto const check = [](auto const& optimizer) {
    float w = 0, m = 0, v = 0;
    optimizer.template prepare<float>(0.1, 1)(w, 1.0F, m, v);
    CHECK(m == static_cast<float>(1 - optimizer.beta1));
    CHECK(v == static_cast<float>(1 - optimizer.beta2));
  };
  check(optim::adam{});
  check(optim::adamw{});
  check(optim::adam{.beta1 = 0.99, .beta2 = 0.9999});
}

TEST_CASE("of float, the state of an optimizer follows that of double to rounding") {
  auto const check = [](auto const& optimizer, int updates) {
    float w = 0, m = 0, v = 0;
    double wide_w = 0, wide_m = 0, wide_v = 0;
    for (int t = 1; t <= updates; ++t) {
      float const g = 0.75F + 0.5F * static_cast<float>(t % 3);
      optimizer.template prepare<float>(0.01, t)(w, g, m, v);
      optimizer.template prepare<double>(0.01, t)(wide_w, g, wide_m, wide_v);
    }
    CHECK(m == Approx(wide_m).epsilon(1e-6));
    CHECK(v == Approx(wide_v).epsilon(1e-6));
    CHECK(w == Approx(wide_w).epsilon(1e-6));
  };
  check(optim::adam{}, 5);
  check(optim::adamw{}, 5);
  check(optim::adam{.beta2 = 0.99999}, 5);
}

TEST_CASE("defaults are PyTorch's") {
  CHECK(optim::adam{}.beta1 == 0.9);
  CHECK(optim::adam{}.beta2 == 0.999);
  CHECK(optim::adam{}.eps == 1e-8);
  CHECK(optim::adam{}.weight_decay == 0);
  CHECK(optim::adamw{}.weight_decay == 0.01);
  CHECK(optim::sgd{}.weight_decay == 0);
  CHECK_FALSE(optim::momentum{}.nesterov);
}

TEMPLATE_TEST_CASE("No number of an update is above what the optimizer says of it", "[optim]", float, double) {
  using S = TestType;
  auto const holds = []<class O>(O const& optimizer) {
    S w = 2, state[2] = {};
    optim::magnitudes m{.w = 2};
    for (int t = 1; t <= steps; ++t) {
      S const g = static_cast<S>(gradient(t));
      m.g = std::abs(static_cast<double>(g));
      optimizer.template bound<S>(rate(t), t, m);
      auto const f = optimizer.template prepare<S>(rate(t), t);
      if constexpr (O::states == 0)
        f(w, g);
      else if constexpr (O::states == 1)
        f(w, g, state[0]);
      else
        f(w, g, state[0], state[1]);
      REQUIRE(std::abs(static_cast<double>(w)) <= m.w * 1.00001);
      for (int k = 0; k < O::states; ++k) REQUIRE(std::abs(static_cast<double>(state[k])) <= m.state[k] * 1.00001);
      REQUIRE(m.most < std::numeric_limits<double>::infinity());
      // Whatever else the stage holds: one more element must not loosen what is said of this one.
      m.w = std::max(std::abs(static_cast<double>(w)), 1.0);
      for (int k = 0; k < O::states; ++k) m.state[k] = std::abs(static_cast<double>(state[k]));
    }
  };
  holds(optim::sgd{.weight_decay = 0.1});
  holds(optim::momentum{.momentum = 1, .weight_decay = 0.1});
  holds(optim::momentum{.momentum = 0.9, .nesterov = true});
  holds(optim::adam{.beta2 = 0.9999999, .weight_decay = 0.1});
  holds(optim::adam{.beta1 = 0, .beta2 = 0});
  holds(optim::adamw{.eps = 1e-30, .weight_decay = 0.1});
  optim::magnitudes m{.w = 1, .g = 1};
  optim::adam{.eps = 0}.template bound<S>(0.1, 1, m);
  CHECK(m.most == std::numeric_limits<double>::infinity());
}
