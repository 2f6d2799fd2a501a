#include <algorithm>
#include <catch2/catch.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/group_norm.hpp>

#include "../support/layer_check.hpp"

using foal::features;
using foal::image;
using namespace foal::test;

TEST_CASE("batch_norm: gradients", "[layer]") {
  CHECK(gradient_error<foal::batch_norm>(image(3, 4, 5), 3, 1) < 1e-6);
  CHECK(gradient_error<foal::batch_norm>(features(7), 6, 2) < 1e-6);
  CHECK(float_error<foal::batch_norm>(image(20, 8, 8), 8, 4) < 1e-5);
  CHECK(float_error<foal::group_norm<4>>(image(20, 8, 8), 8, 4) < 1e-5);
  CHECK(gradient_error<foal::batch_norm>(image(70, 2, 2), 1, 3) < 1e-6);  // more channels than one tile of the sums
}

TEST_CASE("batch_norm: running values move once per forward of training, and evaluation uses them", "[layer]") {
  layer_run<foal::batch_norm, double> run(features(1), 4, 1);
  run.x = {1, 2, 3, 6};  // mean 3, unbiased variance 14 / 3
  run.microbatches = 3;
  for (int i = 0; i < 3; ++i) run.forward();
  CHECK(run.buffers[0][0] == Approx(0.1 * 3).epsilon(1e-12));
  CHECK(run.buffers[1][0] == Approx(0.9 + 0.1 * 14 / 3).epsilon(1e-12));
  auto const moved = run.buffers;
  auto const y = run.y;
  run.phase = foal::phase::recompute;
  run.forward();
  CHECK(run.y == y);
  CHECK(run.buffers == moved);
  run.phase = foal::phase::evaluate;
  run.forward();
  CHECK(run.buffers == moved);
  CHECK(run.kept[1] == std::vector<std::byte>(sizeof(double), std::byte{0xff}));
  double const inverse = 1 / std::sqrt(moved[1][0] + 1e-5);
  CHECK(run.y[3] == Approx((6 - moved[0][0]) * inverse * run.parameters[0][0] + run.parameters[1][0]).epsilon(1e-12));
}

TEST_CASE("batch_norm: a statistic that would not be finite moves none, and is named", "[layer]") {
  auto const ends_with = [](float value, int wanted) {
    layer_run<foal::batch_norm, float> run(image(2, 3, 3), 4, 1);
    run.x[8] = value;
    auto const before = run.buffers;
    int refused = -1;
    auto ctx = run.make_context();
    ctx.refused = &refused;
    ctx.first_buffer = 10;
    foal::batch_norm::forward(ctx, static_cast<float const*>(run.x.data()),
                              foal::weights<float const>{run.constant_parameter_pointers.data()}, run.y.data(),
                              foal::saved<float>{run.x.data(), run.y.data(), run.kept_pointers.data()});
    CHECK(refused == wanted);
    CHECK((run.buffers == before) == (wanted >= 0));
  };
  ends_with(1, -1);
  ends_with(1e20F, 11);  // its square is beyond float
  ends_with(std::numeric_limits<float>::infinity(), 10);
  ends_with(std::numeric_limits<float>::quiet_NaN(), 10);
}

TEST_CASE("batch_norm: normalised in float, far from zero", "[layer]") {
  layer_run<foal::batch_norm, float> run(image(2, 16, 16), 8, 1);
  for (float& value : run.x) value += 100;
  run.parameters[0] = {1, 1};
  run.parameters[1] = {0, 0};
  run.constant_parameter_pointers = {run.parameters[0].data(), run.parameters[1].data()};
  run.forward();
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < run.y.size(); i += 2) {
    sum += static_cast<double>(run.y[i]);
    squares += static_cast<double>(run.y[i]) * static_cast<double>(run.y[i]);
  }
  double const n = static_cast<double>(run.y.size()) / 2;
  CHECK(std::abs(sum / n) < 1e-4);
  CHECK(squares / n == Approx(1).epsilon(1e-3));
}

TEST_CASE("batch_norm: both gradients at once give the bits of one after the other", "[layer]") {
  layer_run<foal::batch_norm, float> run(image(37, 5, 3), 6, 5);
  run.forward();
  for (auto& g : run.gradients) std::ranges::copy(random_numbers<float>(g.size(), 8), g.begin());  // of other microbatches
  auto both = run.gradients;
  run.backward_input();
  run.backward_weight();
  auto ctx = run.make_context();
  std::vector<float> dx(run.dx.size());
  float* into[] = {both[0].data(), both[1].data()};
  foal::saved<float> const saved{run.x.data(), run.y.data(), run.kept_pointers.data()};
  foal::batch_norm::forward(ctx, static_cast<float const*>(run.x.data()),
                            foal::weights<float const>{run.constant_parameter_pointers.data()}, run.y.data(), saved);
  foal::batch_norm::backward(ctx, static_cast<float const*>(run.dy.data()),
                             foal::weights<float const>{run.constant_parameter_pointers.data()}, saved, dx.data(),
                             foal::weights<float>{into});
  CHECK(dx == run.dx);
  CHECK(both == run.gradients);
}

TEST_CASE("batch_norm: least samples", "[layer]") {
  static_assert(foal::batch_norm::least_samples(features(4)) == 2);
  static_assert(foal::batch_norm::least_samples(image(4, 1, 2)) == 1);
  SUCCEED();
}

TEST_CASE("group_norm: gradients, values, one by one", "[layer]") {
  CHECK(gradient_error<foal::group_norm<2>>(image(4, 3, 5), 3, 1) < 1e-6);
  CHECK(gradient_error<foal::group_norm<1>>(features(9), 4, 2) < 1e-6);
  CHECK(gradient_error<foal::group_norm<3>>(image(3, 4, 4), 2, 3) < 1e-6);
  CHECK(same_one_by_one<foal::group_norm<4>, float>(image(16, 3, 3), 4, 4));
  layer_run<foal::group_norm<1>, double> run(features(4), 1, 1);
  run.x = {1, 2, 3, 6};
  run.parameters = {{1, 1, 1, 2}, {0, 0, 0, 5}};
  run.constant_parameter_pointers = {run.parameters[0].data(), run.parameters[1].data()};
  run.forward();
  CHECK(run.y[0] == Approx(-2 / std::sqrt(3.5 + 1e-5)).epsilon(1e-12));
  CHECK(run.y[3] == Approx(2 * 3 / std::sqrt(3.5 + 1e-5) + 5).epsilon(1e-12));
  auto const y = run.y;
  run.phase = foal::phase::evaluate;
  run.forward();
  CHECK(run.y == y);
  CHECK(run.kept[0] == std::vector<std::byte>(4 * sizeof(double), std::byte{0xff}));
  static_assert(foal::group_norm<2>::accepts(features(4)) && !foal::group_norm<3>::accepts(features(4)));
}
