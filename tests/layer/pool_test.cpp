#include <catch2/catch.hpp>
#include <foal/layer/avg_pool.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/max_pool.hpp>

#include "../support/layer_check.hpp"

using foal::image;
using namespace foal::test;

TEST_CASE("max_pool: gradients, also of overlapping windows", "[layer]") {
  CHECK(gradient_error<foal::max_pool<2>>(image(3, 4, 6), 2, 1) < 1e-6);
  CHECK(gradient_error<foal::max_pool<2>>(image(3, 5, 7), 2, 2) < 1e-6);
  CHECK(gradient_error<foal::max_pool<3, 2>>(image(2, 7, 5), 2, 3) < 1e-6);
  CHECK(same_one_by_one<foal::max_pool<3, 1>, float>(image(5, 4, 4), 3, 4));
  CHECK(float_error<foal::max_pool<2>>(image(70, 4, 4), 3, 5) < 1e-6);
  CHECK(float_error<foal::avg_pool<2>>(image(70, 4, 4), 3, 6) < 1e-6);
  CHECK(gradient_error<foal::max_pool<2>>(image(70, 4, 4), 1, 7) < 1e-6);  // more channels than a tile
}

TEST_CASE("max_pool: the first of equals, NaN wins, evaluation keeps nothing", "[layer]") {
  layer_run<foal::max_pool<2>, float> run(image(1, 2, 4), 1, 1);
  float const nan = std::numeric_limits<float>::quiet_NaN();
  run.x = {3, 3, 9, nan, 1, 3, 10, 11};
  run.dy = {5, 7};
  run.forward();
  CHECK(run.y[0] == 3);
  CHECK(std::isnan(run.y[1]));
  run.backward_input();
  CHECK(run.dx == std::vector<float>{5, 0, 0, 7, 0, 0, 0, 0});
  run.phase = foal::phase::evaluate;
  run.forward();
  CHECK(run.y[0] == 3);
  CHECK(run.kept[0] == std::vector<std::byte>(2, std::byte{0xff}));
}

TEST_CASE("max_pool: padding never wins", "[layer]") {
  CHECK(gradient_error<foal::max_pool<3, 2, 1>>(image(3, 6, 7), 2, 8) < 1e-6);
  CHECK(gradient_error<foal::max_pool<2, 1, 1>>(image(2, 3, 3), 2, 9) < 1e-6);
  CHECK(same_one_by_one<foal::max_pool<3, 2, 1>, float>(image(5, 8, 8), 3, 10));
  layer_run<foal::max_pool<3, 2, 1>, float> run(image(1, 4, 4), 1, 1);
  run.x = {-9, -1, -8, -7, -5, -6, -4, -3, -2, -16, -15, -14, -13, -12, -11, -10};
  run.dy = {1, 2, 3, 4};
  run.forward();
  CHECK(run.y == std::vector<float>{-1, -1, -2, -3});  // rows and columns 0..1, 1..3
  run.backward_input();
  CHECK(run.dx == std::vector<float>{0, 3, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("avg_pool and global_avg_pool: gradients and values", "[layer]") {
  CHECK(gradient_error<foal::avg_pool<2>>(image(3, 4, 5), 2, 1) < 1e-6);
  CHECK(gradient_error<foal::avg_pool<3, 1>>(image(2, 5, 4), 2, 2) < 1e-6);
  CHECK(gradient_error<foal::global_avg_pool>(image(5, 3, 2), 3, 3) < 1e-6);
  layer_run<foal::avg_pool<2>, float> run(image(2, 2, 2), 1, 1);
  run.x = {1, 10, 2, 20, 3, 30, 6, 60};
  run.forward();
  CHECK(run.y == std::vector<float>{3, 30});
  layer_run<foal::global_avg_pool, float> all(image(2, 2, 2), 1, 1);
  all.x = run.x;
  all.forward();
  CHECK(all.y == run.y);
  CHECK(all.out == foal::features(2));
}

TEST_CASE("flatten: a copy, or nothing in place", "[layer]") {
  CHECK(gradient_error<foal::flatten>(image(3, 2, 2), 2, 1) < 1e-6);
  CHECK(same_in_place<foal::flatten, double>(image(3, 2, 2), 2, 1));
  static_assert(foal::flatten::output(image(3, 2, 2)) == foal::features(12));
}

TEST_CASE("pooling: what fits", "[layer]") {
  static_assert(foal::max_pool<2>::output(image(3, 5, 4)) == image(3, 2, 2));
  static_assert(foal::max_pool<3, 2, 1>::output(image(64, 112, 112)) == image(64, 56, 56));
  static_assert(!foal::max_pool<3>::accepts(image(3, 2, 8)) && !foal::avg_pool<3>::accepts(foal::features(9)));
  static_assert(!foal::global_avg_pool::accepts(foal::features(9)));
  SUCCEED();
}
