#include <algorithm>
#include <catch2/catch.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/gelu.hpp>
#include <foal/layer/gelu_tanh.hpp>

#include "../support/layer_check.hpp"

using foal::features;
using foal::image;
using namespace foal::test;

TEST_CASE("dropout: gradients, in place, the same mask one sample at a time", "[layer]") {
  CHECK(gradient_error<foal::dropout<30>>(features(23), 4, 1) < 1e-6);
  CHECK(gradient_error<foal::dropout<30>>(foal::sequence(5, 4), 3, 1) < 1e-6);
  CHECK(gradient_error<foal::gelu>(foal::sequence(5, 4), 3, 1) < 1e-6);
  CHECK(same_in_place<foal::dropout<30>, float>(image(3, 2, 3), 5, 2));
  CHECK(same_one_by_one<foal::dropout<1, 2>, float>(features(37), 6, 3));
}

TEST_CASE("dropout: the share that is dropped, the scale, evaluation", "[layer]") {
  layer_run<foal::dropout<1, 4>, double> run(features(10000), 2, 1);
  std::fill(run.x.begin(), run.x.end(), 3.0);
  run.forward();
  auto const dropped = std::count(run.y.begin(), run.y.end(), 0.0);
  CHECK(std::abs(static_cast<double>(dropped) - 5000) < 4 * std::sqrt(20000 * 0.25 * 0.75));
  CHECK(std::count(run.y.begin(), run.y.end(), 4.0) == 20000 - dropped);
  CHECK(!std::equal(run.y.begin(), run.y.begin() + 10000, run.y.begin() + 10000));  // samples have masks of their own
  auto const y = run.y;
  run.phase = foal::phase::recompute;
  run.forward();
  CHECK(run.y == y);
  run.random.layer += 1;
  run.forward();
  CHECK(run.y != y);
  run.phase = foal::phase::evaluate;
  run.forward();
  CHECK(run.y == run.x);
}

TEST_CASE("dropout: an element is dropped when its random number is below the probability", "[layer]") {
  layer_run<foal::dropout<30>, float> run(features(1001), 2, 1);
  run.forward();
  int wrong = 0;
  for (std::uint32_t e = 0; e < 1001; ++e) {
    foal::random_key key{7, foal::purpose::dropout, 3, 101};
    bool const keep = static_cast<double>(foal::random_unit(key, e)) >= 0.30;
    wrong += (run.y[1001 + e] != 0) != keep;
  }
  CHECK(wrong == 0);
}

TEST_CASE("gelu: gradients and values", "[layer]") {
  CHECK(gradient_error<foal::gelu>(features(29), 4, 1) < 1e-6);
  CHECK(same_one_by_one<foal::gelu, float>(features(37), 3, 4));
  CHECK(float_error<foal::gelu>(features(37), 3, 4) < 1e-6);
  layer_run<foal::gelu, double> run(features(3), 1, 1);
  run.x = {0, 1, -2};
  run.forward();
  CHECK(run.y[0] == 0);
  CHECK(run.y[1] == Approx(0.84134474606854293).epsilon(1e-14));
  CHECK(run.y[2] == Approx(-0.045500263896358417).epsilon(1e-13));
}

TEST_CASE("gelu_tanh: gradients and values", "[layer]") {
  CHECK(gradient_error<foal::gelu_tanh>(features(29), 4, 1) < 1e-6);
  CHECK(same_one_by_one<foal::gelu_tanh, float>(features(37), 3, 4));
  CHECK(float_error<foal::gelu_tanh>(features(37), 3, 4) < 1e-6);
  layer_run<foal::gelu_tanh, double> run(features(3), 1, 1);
  run.x = {0, 1, -2};
  run.forward();
  CHECK(run.y[0] == 0);
  CHECK(run.y[1] == Approx(0.84119199060827).epsilon(1e-13));
  CHECK(run.y[2] == Approx(-0.04540230591222).epsilon(1e-12));
}

TEST_CASE("gelu_tanh: in float the tangent is near, its end flat, and no number stays none", "[layer]") {
  using foal::gelu_tanh;
  double apart = 0;
  for (float u = -12; u <= 12; u += 1.0F / 512)
    apart = std::max(apart, std::abs(static_cast<double>(gelu_tanh::tangent(u)) - std::tanh(static_cast<double>(u))));
  CHECK(apart < 4e-7);
  for (float const x : {20.0F, 1000.0F, 1e10F}) {
    float y = 0, dx = 0;
    gelu_tanh::forward_element{}(x, y);
    gelu_tanh::backward_element{}(2.0F, x, dx);
    CHECK(y == Approx(x));
    CHECK(dx == Approx(2));
    gelu_tanh::forward_element{}(-x, y);
    gelu_tanh::backward_element{}(2.0F, -x, dx);
    CHECK(std::abs(y) <= 4e-7F * x);
    CHECK(std::abs(dx) <= 1e-6F);
  }
  float y = 0;
  gelu_tanh::forward_element{}(std::numeric_limits<float>::quiet_NaN(), y);
  CHECK(std::isnan(y));
}
