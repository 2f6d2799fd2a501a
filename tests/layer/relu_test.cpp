#include <catch2/catch.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>

#include "../support/layer_check.hpp"

using foal::features;
using foal::image;
using namespace foal::test;

TEST_CASE("relu: gradients, in place, one by one", "[layer]") {
  CHECK(gradient_error<foal::relu>(features(13), 5, 1) < 1e-6);
  CHECK(gradient_error<foal::relu>(image(3, 4, 5), 2, 2) < 1e-6);
  CHECK(gradient_error<foal::relu>(foal::sequence(3, 4), 2, 2) < 1e-6);
  CHECK(gradient_error<foal::tanh>(foal::sequence(3, 4), 2, 2) < 1e-6);
  CHECK(same_in_place<foal::relu, float>(features(37), 3, 3));
  CHECK(same_one_by_one<foal::relu, float>(features(37), 3, 4));
}

TEST_CASE("relu: zero at and below zero, NaN stays, evaluation keeps nothing", "[layer]") {
  layer_run<foal::relu, float> run(features(4), 1, 1);
  run.x = {-1, 0, 2, std::numeric_limits<float>::quiet_NaN()};
  run.dy = {5, 6, 7, 8};
  run.forward();
  CHECK(run.y[0] == 0);
  CHECK(run.y[1] == 0);
  CHECK(run.y[2] == 2);
  CHECK(std::isnan(run.y[3]));
  run.backward_input();
  CHECK(run.dx == std::vector<float>{0, 0, 7, 0});
  auto const training = run.y;
  run.phase = foal::phase::evaluate;
  run.forward();
  CHECK(std::memcmp(training.data(), run.y.data(), sizeof(float) * 4) == 0);
  CHECK(run.kept[0] == std::vector<std::byte>(4, std::byte{0xff}));
}

TEST_CASE("tanh: gradients, in place, one by one", "[layer]") {
  CHECK(gradient_error<foal::tanh>(features(13), 5, 1) < 1e-6);
  CHECK(same_one_by_one<foal::tanh, float>(features(37), 3, 4));
  CHECK(float_error<foal::tanh>(features(37), 3, 4) < 1e-6);
  layer_run<foal::tanh, double> run(features(3), 1, 1);
  run.x = {0, 1, -30};
  run.forward();
  CHECK(run.y[0] == 0);
  CHECK(run.y[1] == Approx(0.76159415595576488).epsilon(1e-15));
  CHECK(run.y[2] == -1);
  CHECK(run.forward_in_place() == run.y);
}
