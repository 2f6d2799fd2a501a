#include <catch2/catch.hpp>
#include <foal/layer/linear.hpp>

#include "../support/layer_check.hpp"

using foal::features;
using foal::test::float_error;
using foal::test::gradient_error;
using foal::test::layer_run;

TEST_CASE("linear: gradients against central differences, float against double", "[layer]") {
  CHECK(gradient_error<foal::linear<3>>(features(5), 4, 1) < 1e-6);
  CHECK(gradient_error<foal::linear<17>>(features(9), 1, 2) < 1e-6);
  CHECK(float_error<foal::linear<100>>(features(300), 8, 5) < 1e-6);
  CHECK(float_error<foal::linear<10>>(features(33), 70, 6) < 1e-6);
  CHECK(gradient_error<foal::linear<1>>(features(33), 19, 3) < 1e-6);
  CHECK(gradient_error<foal::linear<4, foal::bias::none>>(features(7), 3, 4) < 1e-6);
}

TEST_CASE("linear: y = x W + b with W [in, out] row-major", "[layer]") {
  layer_run<foal::linear<2>, float> run(features(3), 1, 1);
  run.x = {1, 2, 3};
  run.parameters[0] = {1, 10, 100, 1000, 10000, 100000};
  run.parameters[1] = {0.5f, -0.5f};
  run.constant_parameter_pointers = {run.parameters[0].data(), run.parameters[1].data()};
  run.forward();
  CHECK(run.y == std::vector<float>{30201.5f, 302009.5f});
}

TEST_CASE("linear: a sequence position by position", "[layer]") {
  CHECK(gradient_error<foal::linear<3>>(foal::sequence(5, 4), 2, 1) < 1e-6);
  CHECK(gradient_error<foal::linear<3, foal::bias::none>>(foal::sequence(5, 4), 2, 2) < 1e-6);
  layer_run<foal::linear<3>, float> rows(features(5), 8, 3), positions(foal::sequence(5, 4), 2, 3);
  for (auto* run : {&rows, &positions}) run->forward(), run->backward_input(), run->backward_weight();
  CHECK(positions.y == rows.y);
  CHECK(positions.dx == rows.dx);
  CHECK(positions.gradients == rows.gradients);
}

TEST_CASE("linear: what it declares", "[layer]") {
  using layer = foal::linear<10>;
  static_assert(layer::accepts(features(4)) && !layer::accepts(foal::image(1, 2, 2)));
  static_assert(layer::output(features(4)) == features(10));
  static_assert(layer::parameters(features(4)).size == 2);
  static_assert(layer::parameters(features(4))[0].start.fan_in == 4);
  static_assert(layer::parameters(features(4))[0].read_in_backward && !layer::parameters(features(4))[1].read_in_backward);
  static_assert(foal::linear<10, foal::bias::none>::parameters(features(4)).size == 1);
  static_assert(layer::flops(features(4)) == 80);
  static_assert(layer::accepts(foal::sequence(4, 6)) && layer::output(foal::sequence(4, 6, 1)) == foal::sequence(10, 6, 1));
  static_assert(layer::parameters(foal::sequence(4, 6))[0].extent == layer::parameters(features(4))[0].extent);
  static_assert(layer::flops(foal::sequence(4, 6)) == 480);
  SUCCEED();
}
