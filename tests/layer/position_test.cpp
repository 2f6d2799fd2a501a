#include <foal/layer/position.hpp>

#include <catch2/catch.hpp>

#include "../support/layer_check.hpp"

using foal::sequence;
using namespace foal::test;

TEST_CASE("sinusoidal_position: the formula at every position, for every sample", "[layer]") {
  layer_run<foal::sinusoidal_position, double> run(sequence(7, 500), 2, 1);
  run.forward();
  std::vector<double> wanted;
  for (int n = 0; n < 2; ++n)
    for (int p = 0; p < 500; ++p)
      for (int c = 0; c < 7; ++c) {
        double const angle = p / std::pow(10000.0, (c / 2 * 2) / 7.0);
        wanted.push_back(run.x[static_cast<std::size_t>((n * 500 + p) * 7 + c)] +
                         (c % 2 == 0 ? std::sin(angle) : std::cos(angle)));
      }
  CHECK(relative_error(run.y, wanted) < 1e-12);
  run.backward_input();
  CHECK(run.dx == run.dy);
  CHECK(same_in_place<foal::sinusoidal_position, float>(sequence(6, 5), 3, 2));
}

TEST_CASE("learned_position: gradients, in place, and the first rows for a shorter sequence", "[layer]") {
  CHECK(gradient_error<foal::learned_position>(sequence(3, 4), 5, 1) < 1e-6);
  CHECK(same_in_place<foal::learned_position, float>(sequence(6, 5), 3, 2));
  layer_run<foal::learned_position, double> run(sequence(2, 3), 2, 3);
  run.in = run.out = sequence(2, 2);
  run.forward();
  run.backward_weight();
  for (std::size_t i = 0; i < 8; ++i) CHECK(run.y[i] == run.x[i] + run.parameters[0][i % 4]);
  for (std::size_t i = 0; i < 4; ++i) CHECK(run.gradients[0][i] == run.dy[i] + run.dy[i + 4]);
  CHECK(run.gradients[0][4] == 0);
  static_assert(foal::learned_position::parameters(sequence(2, 3))[0].extent == foal::shape{2, {3, 2, 1, 1}});
}
