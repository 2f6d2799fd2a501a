// Ragged microbatches, layer by layer: every sample as if it were alone.
#include <foal/layer/attention.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/embedding.hpp>
#include <foal/layer/gelu.hpp>
#include <foal/layer/layer_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/position.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/samples.hpp>
#include <foal/layer/tanh.hpp>

#include <catch2/catch.hpp>

#include "../support/layer_check.hpp"

using foal::mask;
using foal::sequence;
using namespace foal::test;

namespace {

using numbers = std::vector<double>;

struct lengths {};
struct memory {};

/// Lengths of samples, and where each begins.
struct texts {
  std::vector<int> begin{0};
  explicit texts(std::vector<int> const& length) {
    for (int n : length) begin.push_back(begin.back() + n);
  }
  int samples() const { return static_cast<int>(begin.size()) - 1; }
  int all() const { return begin.back(); }
  int length(int i) const { return begin[static_cast<std::size_t>(i) + 1] - begin[static_cast<std::size_t>(i)]; }
  foal::sample_bounds bounds() const { return {samples(), begin.data()}; }

  /// What sample i has of all positions' `width` values.
  numbers part(numbers const& all, int i, int width) const {
    auto const from = all.begin() + begin[static_cast<std::size_t>(i)] * width;
    return {from, from + length(i) * width};
  }
};

template <class Run>
void go(Run& run) {
  run.forward();
  run.backward_input();
  run.backward_weight();
}

/// Whether a ragged microbatch of these texts gives every sample the bits that it gets alone (y, dx), and the sum of its
/// gradients. prepare(run, i): entries to read, and values of x, of sample i; -1: of all.
template <class Layer, class Prepare>
bool as_if_alone(int channels, texts const& t, Prepare prepare) {
  layer_run<Layer, double> all(sequence(channels, t.all()), 1, 3);
  all.bounds = t.bounds();
  prepare(all, -1);
  go(all);
  std::vector<numbers> sum;
  for (numbers const& g : all.gradients) sum.emplace_back(g.size(), 0.0);
  bool same = true;
  for (int i = 0; i < t.samples(); ++i) {
    layer_run<Layer, double> one(sequence(channels, t.length(i)), 1, 3);
    one.random.sample = all.random.sample + static_cast<std::uint64_t>(i);
    one.x = t.part(all.x, i, channels);
    one.dy = t.part(all.dy, i, one.out.channels());
    for (std::size_t p = 0; p < one.parameters.size(); ++p)  // a position's vector is the longest sample's
      std::copy_n(all.parameters[p].begin(), one.parameters[p].size(), one.parameters[p].begin());
    prepare(one, i);
    go(one);
    same = same && one.y == t.part(all.y, i, one.out.channels()) && one.dx == t.part(all.dx, i, channels);
    for (std::size_t p = 0; p < sum.size(); ++p)
      for (std::size_t k = 0; k < one.gradients[p].size(); ++k) sum[p][k] += one.gradients[p][k];
  }
  for (std::size_t p = 0; p < sum.size(); ++p) same = same && relative_error(all.gradients[p], sum[p]) < 1e-13;
  return same;
}

template <class Layer>
bool as_if_alone(int channels, texts const& t) {
  return as_if_alone<Layer>(channels, t, [](auto&, int) {});
}

texts const few({3, 1, 7, 2}), many({5, 70, 1, 130});

}  // namespace

TEST_CASE("ragged: layers that take each position alone", "[layer]") {
  CHECK(as_if_alone<foal::linear<5>>(6, few));
  CHECK(as_if_alone<foal::logits<9>>(6, few));
  CHECK(as_if_alone<foal::layer_norm>(6, few));
  CHECK(as_if_alone<foal::relu>(6, few));
  CHECK(as_if_alone<foal::gelu>(6, few));
  CHECK(as_if_alone<foal::tanh>(6, few));
  CHECK(as_if_alone<foal::embedding<11, 6>>(1, few, [](auto& run, int i) {
    if (i < 0)
      for (std::size_t p = 0; p < run.x.size(); ++p) run.x[p] = static_cast<double>(p * 7 % 11);
  }));
}

TEST_CASE("ragged: layers that go by the samples' bounds", "[layer]") {
  CHECK(as_if_alone<foal::sinusoidal_position>(6, few));
  CHECK(as_if_alone<foal::learned_position>(6, few));
  CHECK(as_if_alone<foal::dropout<30>>(6, few));
  CHECK(as_if_alone<foal::attention<2>>(12, few));
  CHECK(as_if_alone<foal::attention<2, mask::causal>>(12, many));
  CHECK(as_if_alone<foal::attention<1>>(3, many));
}

TEST_CASE("ragged: attention with the number of keys that exist, and to another ragged text", "[layer]") {
  // Two positions of each sample's end are masked.
  CHECK(as_if_alone<foal::attention<2, mask::none, lengths>>(12, few, [](auto& run, int i) {
    numbers keys;
    for (int k = 0; k < few.samples(); ++k)
      if (i < 0 || i == k) keys.push_back(few.length(k) - 2);
    run.read_also(foal::features(static_cast<int>(keys.size())), keys);
  }));

  texts const source({4, 2, 66, 1});
  numbers const tokens = random_numbers<double>(static_cast<std::size_t>(source.all()) * 12, 8);
  CHECK(as_if_alone<foal::cross_attention<2, memory>>(6, few, [&](auto& run, int i) {
    run.read_also(sequence(12, i < 0 ? source.all() : source.length(i)), i < 0 ? tokens : source.part(tokens, i, 12));
    if (i < 0) run.read_bounds = {source.bounds()};
  }));
}

TEST_CASE("ragged: the gradient of a ragged memory", "[layer]") {
  texts const source({4, 2, 66, 1});
  using layer = foal::cross_attention<2, memory>;
  layer_run<layer, double> all(sequence(6, few.all()), 1, 3);
  all.bounds = few.bounds();
  all.read_also(sequence(12, source.all()), random_numbers<double>(static_cast<std::size_t>(source.all()) * 12, 8));
  all.read_bounds = {source.bounds()};
  go(all);
  for (int i = 0; i < few.samples(); ++i) {
    layer_run<layer, double> one(sequence(6, few.length(i)), 1, 3);
    one.x = few.part(all.x, i, 6);
    one.dy = few.part(all.dy, i, 6);
    one.read_also(sequence(12, source.length(i)), source.part(all.reads[0], i, 12));
    go(one);
    CHECK(one.read_gradients[0] == source.part(all.read_gradients[0], i, 12));
  }
}

TEST_CASE("where samples lie, padded and ragged", "[layer]") {
  layer_run<foal::relu, double> run(sequence(2, 5), 3, 1);
  auto const padded = run.make_context();
  CHECK(foal::samples_of(padded) == 3);
  CHECK(foal::place_of_sample(padded, 2).first == 10);
  CHECK(foal::place_of_sample(padded, 2).positions == 5);
  CHECK(foal::longest_sample(padded) == 5);
  run.bounds = few.bounds();
  auto const ragged = run.make_context();
  CHECK(foal::samples_of(ragged) == 4);
  CHECK(foal::place_of_sample(ragged, 2).first == 4);
  CHECK(foal::place_of_sample(ragged, 2).positions == 7);
  CHECK(foal::longest_sample(ragged) == 7);
  CHECK(foal::elements_before(ragged, 4) == 8);
}
