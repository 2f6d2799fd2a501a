// The stage sizes of ResNet-50, and what old weight versions of 107 stages cost: the figures that examples/memory shows.
#include <catch2/catch.hpp>
#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/pipemare.hpp>

#include "examples/utilisation/resnet50_sizes.hpp"

namespace {

using namespace utilisation;

/// Weights, gradients, momentum and whole old versions over three times the weights.
template <class Schedule>
double stashed(std::array<int, stages> const& sizes, int microbatches) {
  foal::schedule::program p = foal::schedule::generate(Schedule{}, {stages, stages, microbatches});
  auto const facts = foal::schedule::analyse(p.view());
  double old = 0;
  for (std::size_t s = 0; s < stages; ++s) old += static_cast<double>(sizes[s]) * facts.stage[s].version_gap;
  return 1 + old / (3 * static_cast<double>(total(sizes)));
}

}  // namespace

TEST_CASE("107 stages have the sizes of ResNet-50 and end in the classifier") {
  auto const sizes = resnet50_sizes();
  CHECK(sizes[0] == 9408);
  CHECK(sizes[1] == 128);
  CHECK(sizes[106] == 20490);
  long long batch_norms = 0;
  for (std::size_t s = 1; s < 106; s += 2) batch_norms += sizes[s];
  CHECK(batch_norms == 53'120);
  CHECK(total(sizes) + 2048 * 1000 + 1000 - 20490 == 25'557'032);  // with ImageNet's classifier
  CHECK(foal::parameter_count<resnet50>() == total(sizes));
  CHECK(foal::parameter_count<resnet50_all_read>() == total(sizes) + 1);
  CHECK(foal::parameter_count<equal>() == 107LL * 65536);
}

TEST_CASE("memory of PipeDream in whole versions") {
  using foal::schedule::async_1f1b;
  using foal::schedule::pipemare;
  CHECK(stashed<pipemare>(resnet50_sizes(), 8) == Approx(3.204).margin(0.001));
  CHECK(stashed<pipemare>(resnet50_sizes(), 16) == Approx(2.190).margin(0.001));
  CHECK(stashed<async_1f1b>(resnet50_sizes(), 8) == Approx(2.124).margin(0.001));
  CHECK(stashed<async_1f1b>(resnet50_sizes(), 16) == Approx(1.653).margin(0.001));
  CHECK(stashed<pipemare>(equal_sizes(), 8) == Approx(5.626).margin(0.001));
  CHECK(stashed<pipemare>(equal_sizes(), 16) == Approx(3.399).margin(0.001));
  CHECK(stashed<async_1f1b>(equal_sizes(), 8) == Approx(3.355).margin(0.001));
  CHECK(stashed<async_1f1b>(equal_sizes(), 16) == Approx(2.265).margin(0.001));
}
