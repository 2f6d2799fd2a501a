// Layers on sequences in segments give what they give on whole ones.
#include <foal/layer/attention.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/embedding.hpp>
#include <foal/layer/gelu.hpp>
#include <foal/layer/layer_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/position.hpp>

#include <catch2/catch.hpp>

#include "../support/segments.hpp"

using foal::features;
using foal::mask;
using foal::sequence;
using namespace foal::test;

namespace {

struct lengths_of_samples {};

/// The worst of y, dx and the gradients, in segments against whole.
template <class Layer, class S = double>
double difference_in_segments(layer_run<Layer, S>& run, int count) {
  run.forward();
  run.backward_input();
  for (auto& g : run.gradients) std::fill(g.begin(), g.end(), S(0));
  run.backward_weight();
  auto const y = run.y, dx = run.dx;
  auto const gradients = run.gradients;
  for (auto& g : run.gradients) std::fill(g.begin(), g.end(), S(0));
  layer_run<Layer, S>::spoil(run.y);
  layer_run<Layer, S>::spoil(run.dx);
  layer_in_segments<Layer, S>(run, count).run();
  double worst = std::max(relative_error(run.y, y), relative_error(run.dx, dx));
  for (std::size_t i = 0; i < gradients.size(); ++i) worst = std::max(worst, relative_error(run.gradients[i], gradients[i]));
  return worst;
}

template <class Layer>
double difference_in_segments(foal::shape in, int samples, int count) {
  layer_run<Layer, double> run(in, samples, 3);
  return difference_in_segments(run, count);
}

template <int Heads>
using causal = foal::attention<Heads, mask::causal>;

}  // namespace

TEST_CASE("attention: in segments as whole, of any lengths", "[layer]") {
  for (int const count : {1, 2, 3, 7}) {
    INFO(count << " segments");
    CHECK(difference_in_segments<causal<1>>(sequence(6, 7), 1, count) < 1e-12);
    CHECK(difference_in_segments<causal<2>>(sequence(24, 21), 3, count) < 1e-12);
    CHECK(difference_in_segments<causal<3>>(sequence(45, 10), 2, count) < 1e-12);
    CHECK(difference_in_segments<causal<2>>(sequence(24, 150), 2, count) < 1e-12);  // several blocks, which segments cut
    CHECK(difference_in_segments<causal<1>>(sequence(24, 512), 1, count) < 1e-12);
  }
}

TEST_CASE("attention: in segments with lengths, whichever segment they end in", "[layer]") {
  using layer = foal::attention<2, mask::causal, lengths_of_samples>;
  for (int const count : {2, 3, 5}) {
    layer_run<layer, double> run(sequence(24, 15), 5, 3);
    run.read_also(features(1), {0, 1, 7, 14, 15});
    INFO(count << " segments");
    CHECK(difference_in_segments(run, count) < 1e-12);
  }
}

TEST_CASE("attention: in one segment to the bits of no segments", "[layer]") {
  layer_run<causal<2>, float> run(sequence(24, 100), 2, 3);
  CHECK(difference_in_segments(run, 1) == 0);
}

TEST_CASE("positions and dropout: the numbers of whole sequences, to the bit", "[layer]") {
  for (int const count : {1, 2, 3, 4, 11}) {
    for (int const width : {1, 3, 8}) {
      INFO(count << " segments of width " << width);
      layer_run<foal::sinusoidal_position, float> sinusoids(sequence(width, 11), 2, 3);
      CHECK(difference_in_segments(sinusoids, count) == 0);
      layer_run<foal::dropout<40>, float> dropped(sequence(width, 11), 3, 3);
      CHECK(difference_in_segments(dropped, count) == 0);
      layer_run<foal::learned_position, float> learned(sequence(width, 11), 1, 3);
      CHECK(difference_in_segments(learned, count) == 0);
    }
  }
  CHECK(difference_in_segments<foal::learned_position>(sequence(4, 10), 5, 3) < 1e-15);
}

TEST_CASE("dropout: elements of which others lie before draw their own numbers", "[layer]") {
  foal::alone::host_device host;
  std::vector<float> const x(1000, 1.0F);
  std::vector<float> whole(1000), part(1000);
  foal::random_key const key{3, foal::purpose::dropout, 1, 7};
  host.device.dropout(1, 1000, key, 1U << 23U, 2.0F, x.data(), whole.data());
  for (int const before : {0, 1, 2, 3, 4, 63, 64, 65, 500, 998}) {
    INFO(before << " elements before");
    std::fill(part.begin(), part.end(), -1.0F);
    host.device.dropout_from(1, 1000 - before, key, 1U << 23U, 2.0F, x.data(), part.data(), before);
    CHECK(std::equal(whole.begin() + before, whole.end(), part.begin()));
    CHECK(std::all_of(part.end() - before, part.end(), [](float v) { return v == -1.0F; }));
  }
}

TEST_CASE("layers that take every position alone take segments as they come", "[layer]") {
  CHECK(difference_in_segments<foal::linear<5>>(sequence(3, 10), 2, 3) < 1e-14);
  CHECK(difference_in_segments<foal::layer_norm>(sequence(6, 10), 2, 4) < 1e-14);
  CHECK(difference_in_segments<foal::gelu>(sequence(6, 10), 2, 4) == 0);
  CHECK(difference_in_segments<foal::logits<7, foal::bias::per_channel>>(sequence(6, 9), 2, 4) < 1e-14);
}

TEST_CASE("segments of a sequence: all positions, each once, none longer than the longest", "[layer]") {
  for (int whole = 0; whole < 40; ++whole)
    for (int count = 1; count <= 9; ++count) {
      foal::segment_range const of{0, count, whole};
      CHECK(of.first(0) == 0);
      CHECK(of.first(count) == whole);
      bool right = true;
      for (int i = 0; i < count; ++i) {
        right = right && of.positions(i) <= foal::longest_segment(whole, count) && of.positions(i) >= whole / count;
        for (int p = of.first(i); p < of.first(i + 1); ++p) right = right && of.segment_at(p) == i;
      }
      CHECK(right);
    }
}
