// Nesterov's momentum for asynchronous pipelines against its two sequences w and d, written out here.
#include <foal/policy/optim/asynchronous_nesterov.hpp>

#include "tests/support/followed.hpp"

using namespace foal;

TEST_CASE("asynchronous nesterov reads w + d of the paper's two sequences", "[asynchronous_nesterov]") {
  double w = 1.3, d = 0;
  test::follow_steps(optim::asynchronous_nesterov{.momentum = 0.95}, [&](double& x, double g, double lr, int) {
    double const next = w + d - lr * (1 - 0.95) * g;
    d = 0.95 * (next - w);
    w = next;
    x = w + d;
  });
}

TEST_CASE("Its momentum grows with the delay where that is asked for", "[asynchronous_nesterov]") {
  optim::asynchronous_nesterov const o{.momentum = 0.99, .least = 0.9, .spread = 8};
  CHECK(o.momentum_at(0) == Approx(0.9));
  CHECK(o.momentum_at(4) == Approx(0.945));
  CHECK(o.momentum_at(8) == Approx(0.99));
  CHECK(o.momentum_at(20) == Approx(0.99));
  double v = 0;
  test::follow_steps(o,
                     [&](double& x, double g, double lr, int) {
                       double const before = v;
                       v = 0.945 * v - lr * 0.055 * g;
                       x += (1 + 0.945) * v - 0.945 * before;  // w + d, w moved by v
                     },
                     {.tau_fwd = 4});
  CHECK_THROWS_AS(optim::asynchronous_nesterov{.momentum = 1}.check(), foal::error);
  CHECK_THROWS_AS(optim::asynchronous_nesterov{.spread = -1}.check(), foal::error);
}
