#include <foal/layer/embedding.hpp>

#include <catch2/catch.hpp>
#include <foal/layer/linear.hpp>
#include <limits>

#include "../support/layer_check.hpp"

using foal::embedding;
using foal::embedding_scale;
using foal::logits;
using foal::sequence;
using namespace foal::test;

TEST_CASE("embedding: rows of the table, and their gradient in the order of positions", "[layer]") {
  layer_run<embedding<4, 3>, double> run(sequence(1, 3), 2, 1);
  run.x = {2, 0, 2, 3, 2, 3};
  run.parameters[0] = {1, 2, 3, 10, 20, 30, 100, 200, 300, 1000, 2000, 3000};
  run.constant_parameter_pointers = {run.parameters[0].data()};
  run.forward();
  CHECK(run.y ==
        std::vector<double>{100, 200, 300, 1, 2, 3, 100, 200, 300, 1000, 2000, 3000, 100, 200, 300, 1000, 2000, 3000});
  for (std::size_t i = 0; i < 18; ++i) run.dy[i] = static_cast<double>(i + 1);
  run.backward_input();
  CHECK(run.dx == std::vector<double>(6, 0));
  run.backward_weight();
  CHECK(run.gradients[0] == std::vector<double>{4, 5, 6, 0, 0, 0, 1 + 7 + 13, 2 + 8 + 14, 3 + 9 + 15, 26, 28, 30});
  run.backward_weight();
  CHECK(run.gradients[0][0] == 8);
}

TEST_CASE("embedding: times the square root of the width", "[layer]") {
  layer_run<embedding<5, 9>, float> plain(sequence(1, 4), 1, 1);
  layer_run<embedding<5, 9, embedding_scale::sqrt_width>, float> scaled(sequence(1, 4), 1, 1);
  plain.x = scaled.x = {4, 1, 1, 0};
  plain.forward(), scaled.forward();
  plain.backward_weight(), scaled.backward_weight();
  for (float& value : plain.y) value *= 3;
  CHECK(scaled.y == plain.y);
  for (float& value : plain.gradients[0]) value *= 3;
  CHECK(relative_error(scaled.gradients[0], plain.gradients[0]) < 1e-6);
}

TEST_CASE("embedding: an id outside the vocabulary gives NaN and no gradient", "[layer]") {
  layer_run<embedding<2, 2>, float> run(sequence(1, 5), 1, 1);
  run.x = {-1, 2, std::numeric_limits<float>::quiet_NaN(), 1e9F, 1};
  run.forward();
  for (std::size_t i = 0; i < 8; ++i) CHECK(std::isnan(run.y[i]));
  CHECK(run.y[8] == run.parameters[0][2]);
  run.dy.assign(10, 1);
  run.backward_weight();
  CHECK(run.gradients[0] == std::vector<float>{0, 0, 1, 1});
}

TEST_CASE("logits: gradients, and a linear layer of the transposed weight", "[layer]") {
  CHECK(gradient_error<logits<7>>(sequence(5, 3), 2, 1) < 1e-6);
  CHECK(gradient_error<logits<7, foal::bias::per_channel>>(sequence(5, 3), 2, 2) < 1e-6);
  CHECK(gradient_error<logits<3>>(foal::features(4), 2, 3) < 1e-6);
  CHECK(float_error<logits<100>>(sequence(64, 6), 3, 4) < 1e-6);
  layer_run<logits<3>, double> run(sequence(2, 2), 1, 5);
  layer_run<foal::linear<3, foal::bias::none>, double> linear(sequence(2, 2), 1, 5);
  for (std::size_t v = 0; v < 3; ++v) {
    for (std::size_t c = 0; c < 2; ++c) linear.parameters[0][c * 3 + v] = run.parameters[0][v * 2 + c];
  }
  run.forward(), linear.forward();
  CHECK(relative_error(run.y, linear.y) < 1e-14);
}

TEST_CASE("embedding and logits: what they declare", "[layer]") {
  static_assert(embedding<10, 4>::accepts(sequence(1, 6)) && !embedding<10, 4>::accepts(sequence(2, 6)));
  static_assert(!embedding<10, 4>::accepts(foal::features(1)));
  static_assert(embedding<10, 4>::output(sequence(1, 6, 2)) == sequence(4, 6, 2));
  static_assert(logits<10>::output(sequence(4, 6, 2)) == sequence(10, 6, 2));
  constexpr auto table = embedding<10, 4>::parameters(sequence(1, 6))[0], scores = logits<10>::parameters(sequence(4, 6))[0];
  static_assert(table.extent == scores.extent && table.extent == foal::shape{2, {10, 4, 1, 1}});
  static_assert(!table.read_in_backward && scores.read_in_backward);
  static_assert(logits<10>::flops(sequence(4, 6)) == 2 * 10 * 4 * 6);
  SUCCEED();
}
