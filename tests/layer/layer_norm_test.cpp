#include <foal/layer/layer_norm.hpp>

#include <catch2/catch.hpp>

#include "../support/layer_check.hpp"

using foal::features;
using foal::sequence;
using namespace foal::test;

TEST_CASE("layer_norm: gradients of vectors, sequences and feature maps", "[layer]") {
  CHECK(gradient_error<foal::layer_norm>(features(9), 4, 2) < 1e-6);
  CHECK(gradient_error<foal::layer_norm>(sequence(5, 3), 2, 1) < 1e-6);
  CHECK(gradient_error<foal::layer_norm>(sequence(37, 2), 2, 3) < 1e-6);
  CHECK(gradient_error<foal::layer_norm>(foal::image(4, 3, 2), 2, 4) < 1e-6);
  CHECK(float_error<foal::layer_norm>(sequence(256, 24), 3, 5) < 1e-6);
  CHECK(same_one_by_one<foal::layer_norm, float>(sequence(40, 3), 4, 4));
}

TEST_CASE("layer_norm: values, far from zero, in every phase", "[layer]") {
  layer_run<foal::layer_norm, double> run(sequence(4, 2), 1, 1);
  run.x = {1, 2, 3, 6, 1001, 1002, 1003, 1006};
  run.parameters = {{1, 1, 1, 2}, {0, 0, 0, 5}};
  run.constant_parameter_pointers = {run.parameters[0].data(), run.parameters[1].data()};
  run.forward();
  double const inverse = 1 / std::sqrt(3.5 + 1e-5);
  CHECK(run.y[0] == Approx(-2 * inverse).epsilon(1e-12));
  CHECK(run.y[3] == Approx(2 * 3 * inverse + 5).epsilon(1e-12));
  CHECK(run.y[4] == Approx(run.y[0]).epsilon(1e-12));
  CHECK(run.y[7] == Approx(run.y[3]).epsilon(1e-12));
  auto const y = run.y;
  run.phase = foal::phase::recompute;
  run.forward();
  CHECK(run.y == y);
  run.phase = foal::phase::evaluate;
  run.forward();
  CHECK(run.y == y);
  CHECK(run.kept[0] == std::vector<std::byte>(8 * sizeof(double), std::byte{0xff}));
  CHECK(run.kept[1] == std::vector<std::byte>(2 * sizeof(double), std::byte{0xff}));
}

TEST_CASE("layer_norm: a constant row is finite and gives beta", "[layer]") {
  layer_run<foal::layer_norm, float> run(features(20), 1, 1);
  run.x.assign(20, 3);
  run.forward();
  run.backward_input();
  CHECK(run.y == run.parameters[1]);
  bool finite = true;
  for (float const value : run.dx) finite = finite && std::isfinite(value);
  CHECK(finite);
}

TEST_CASE("layer_norm: what it declares", "[layer]") {
  using foal::layer_norm;
  static_assert(layer_norm::output(sequence(4, 7, 1)) == sequence(4, 7, 1));
  static_assert(layer_norm::parameters(sequence(4, 7))[0].extent == features(4));
  static_assert(layer_norm::parameters(features(4))[0].read_in_backward &&
                !layer_norm::parameters(features(4))[1].read_in_backward);
  static_assert(layer_norm::kept(sequence(4, 7))[0].elements.of(2) == 56 &&
                layer_norm::kept(sequence(4, 7))[1].elements.of(2) == 14);
  static_assert(layer_norm::kept(sequence(4, 7))[0].last == foal::until::W &&
                layer_norm::kept(sequence(4, 7))[1].last == foal::until::B);
  SUCCEED();
}
