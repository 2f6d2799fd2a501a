#include <foal/layer/attention.hpp>

#include <catch2/catch.hpp>
#include <limits>

#include "../support/layer_check.hpp"

using foal::features;
using foal::mask;
using foal::sequence;
using foal::shape;
using namespace foal::test;

namespace {

struct lengths {};
struct memory {};

/// Attention from its formula: q, k, v of sample n as functions (position, channel) -> value.
template <class Q, class K, class V>
std::vector<double> plain_attention(int queries, int keys, int width, int heads, bool causal, int length, Q q, K k, V v) {
  std::vector<double> y;
  int const d = width / heads;
  for (int i = 0; i < queries; ++i)
    for (int h = 0; h < heads; ++h) {
      std::vector<double> share(static_cast<std::size_t>(keys), 0.0);
      double sum = 0;
      for (int j = 0; j < std::min(keys, length); ++j) {
        if (causal && j > i) continue;
        double score = 0;
        for (int c = h * d; c < (h + 1) * d; ++c) score += q(i, c) * k(j, c);
        sum += share[static_cast<std::size_t>(j)] = std::exp(score / std::sqrt(d));
      }
      for (int c = h * d; c < (h + 1) * d; ++c) {
        double value = 0;
        for (int j = 0; j < keys; ++j) {
          if (share[static_cast<std::size_t>(j)] != 0) value += share[static_cast<std::size_t>(j)] / sum * v(j, c);
        }
        y.push_back(value);
      }
    }
  return y;
}

/// The worst of: y against the formula, dx against central differences.
template <class Layer>
double self_error(int positions, int width, int heads, bool causal, std::vector<double> const& length, unsigned seed) {
  int const samples = static_cast<int>(length.size());
  layer_run<Layer, double> run(sequence(3 * width, positions), samples, seed);
  if constexpr (Layer::reads::size == 1) run.read_also(features(1), length);
  for (double& value : run.x) value *= 2;
  run.forward();
  std::vector<double> wanted;
  for (int n = 0; n < samples; ++n) {
    auto const at = [&, n](int p, int c) { return run.x[static_cast<std::size_t>((n * positions + p) * 3 * width + c)]; };
    auto const part = plain_attention(
        positions, positions, width, heads, causal,
        Layer::reads::size == 1 ? static_cast<int>(length[static_cast<std::size_t>(n)]) : positions, at,
        [&](int p, int c) { return at(p, width + c); }, [&](int p, int c) { return at(p, 2 * width + c); });
    wanted.insert(wanted.end(), part.begin(), part.end());
  }
  double const forward = relative_error(run.y, wanted);
  auto const gradient = numeric_gradient(run, run.x);
  run.forward();
  run.backward_input();
  return std::max(forward, relative_error(run.dx, gradient) / 1e3);  // differences are good to 1e-9 or so
}

}  // namespace

TEST_CASE("attention: values by the formula, gradients against central differences", "[layer]") {
  CHECK(self_error<foal::attention<1>>(3, 4, 1, false, {3, 3}, 1) < 1e-11);
  CHECK(self_error<foal::attention<2>>(5, 8, 2, false, {5, 5, 5}, 2) < 1e-11);
  CHECK(self_error<foal::attention<3, mask::causal>>(7, 15, 3, true, {7, 7}, 3) < 1e-11);
  CHECK(self_error<foal::attention<2, mask::none, lengths>>(6, 6, 2, false, {4, 6, 1}, 4) < 1e-11);
  CHECK(self_error<foal::attention<2, mask::causal, lengths>>(6, 4, 2, true, {2, 6}, 5) < 1e-11);
}

TEST_CASE("attention: more positions than one block", "[layer]") {
  CHECK(self_error<foal::attention<1>>(66, 2, 1, false, {66}, 1) < 1e-10);
  CHECK(self_error<foal::attention<1, mask::causal>>(67, 2, 1, true, {67}, 2) < 1e-10);
  CHECK(self_error<foal::attention<1, mask::causal, lengths>>(130, 1, 1, true, {65}, 3) < 1e-10);
  CHECK(self_error<foal::attention<1, mask::none, lengths>>(70, 2, 1, false, {64}, 4) < 1e-10);
  CHECK(self_error<foal::attention<1, mask::none, lengths>>(70, 2, 1, false, {69}, 4) < 1e-10);
}

TEST_CASE("attention: scores of any size, far apart between blocks", "[layer]") {
  // Scores that grow from block to block, and scores that fall: both directions of the running maximum.
  for (double const sign : {1.0, -1.0}) {
    layer_run<foal::attention<1>, double> run(sequence(6, 130), 1, 1);
    for (std::size_t p = 0; p < 130; ++p) {
      for (std::size_t c = 0; c < 4; ++c) run.x[p * 6 + c] = (c < 2 ? 3 : sign * static_cast<double>(p) / 4);
    }
    run.forward();
    auto const at = [&](int p, int c) { return run.x[static_cast<std::size_t>(p * 6 + c)]; };
    auto const wanted = plain_attention(
        130, 130, 2, 1, false, 130, at, [&](int p, int c) { return at(p, 2 + c); },
        [&](int p, int c) { return at(p, 4 + c); });
    CHECK(relative_error(run.y, wanted) < 1e-12);
  }
}

TEST_CASE("attention: a sample without keys gives zeros and has no gradient, and masked positions do not matter",
          "[layer]") {
  using layer = foal::attention<2, mask::none, lengths>;
  layer_run<layer, float> run(sequence(24, 5), 2, 1);
  run.read_also(features(1), {0, 3});
  float const nan = std::numeric_limits<float>::quiet_NaN();
  for (std::size_t p = 3; p < 5; ++p) {  // k and v of the second sample's padding
    for (std::size_t c = 8; c < 24; ++c) run.x[(5 + p) * 24 + c] = nan;
  }
  run.forward();
  run.backward_input();
  CHECK(std::vector<float>(run.y.begin(), run.y.begin() + 40) == std::vector<float>(40, 0));
  CHECK(std::vector<float>(run.dx.begin(), run.dx.begin() + 120) == std::vector<float>(120, 0));
  bool finite = true;
  for (std::size_t i = 0; i < run.y.size(); ++i) finite = finite && std::isfinite(run.y[i]);
  for (std::size_t i = 0; i < run.dx.size(); ++i) finite = finite && std::isfinite(run.dx[i]);
  CHECK(finite);
  for (std::size_t p = 3; p < 5; ++p) {
    for (std::size_t c = 8; c < 24; ++c) CHECK(run.dx[(5 + p) * 24 + c] == 0);
  }
}

TEST_CASE("attention: float against double, sample by sample, in evaluation and at shorter lengths", "[layer]") {
  CHECK(float_error<foal::attention<8>>(sequence(768, 24), 3, 5) < 1e-6);
  CHECK(float_error<foal::attention<2, mask::causal>>(sequence(192, 100), 2, 6) < 1e-6);
  CHECK(same_one_by_one<foal::attention<4>, float>(sequence(96, 13), 4, 4));

  layer_run<foal::attention<4>, float> run(sequence(96, 13), 2, 4);
  run.forward();
  auto const y = run.y;
  run.phase = foal::phase::recompute;
  run.forward();
  CHECK(run.y == y);
  run.phase = foal::phase::evaluate;
  run.forward();
  CHECK(run.y == y);
  CHECK(run.kept[0] == std::vector<std::byte>(run.kept[0].size(), std::byte{0xff}));

  // A context of 7 of 13 positions, tightly packed.
  layer_run<foal::attention<4>, float> shorter(sequence(96, 7), 2, 4);
  run.phase = foal::phase::train;
  run.in = sequence(96, 7), run.out = sequence(32, 7);
  shorter.x.assign(run.x.begin(), run.x.begin() + 2 * 96 * 7);
  shorter.dy.assign(run.dy.begin(), run.dy.begin() + 2 * 32 * 7);
  run.forward(), run.backward_input();
  shorter.forward(), shorter.backward_input();
  CHECK(std::memcmp(run.y.data(), shorter.y.data(), shorter.y.size() * sizeof(float)) == 0);
  CHECK(std::memcmp(run.dx.data(), shorter.dx.data(), shorter.dx.size() * sizeof(float)) == 0);
}

namespace {

/// The worst of y against the formula and of dx and the memory's gradient against central differences.
template <class Layer>
double cross_error(int queries, int keys, int width, int heads, std::vector<double> const& length, unsigned seed) {
  int const samples = static_cast<int>(length.size());
  layer_run<Layer, double> run(sequence(width, queries), samples, seed);
  run.read_also(sequence(2 * width, keys),
                random_numbers<double>(static_cast<std::size_t>(samples * keys * 2 * width), seed + 9));
  if constexpr (Layer::reads::size == 2) run.read_also(features(1), length);
  run.forward();
  std::vector<double> wanted;
  for (int n = 0; n < samples; ++n) {
    auto const q = [&, n](int p, int c) { return run.x[static_cast<std::size_t>((n * queries + p) * width + c)]; };
    auto const m = [&, n](int p, int c) { return run.reads[0][static_cast<std::size_t>((n * keys + p) * 2 * width + c)]; };
    auto const part = plain_attention(queries, keys, width, heads, false,
                                      Layer::reads::size == 2 ? static_cast<int>(length[static_cast<std::size_t>(n)]) : keys,
                                      q, m, [&](int p, int c) { return m(p, width + c); });
    wanted.insert(wanted.end(), part.begin(), part.end());
  }
  double const forward = relative_error(run.y, wanted);
  auto const dx = numeric_gradient(run, run.x);
  auto const dm = numeric_gradient(run, run.reads[0]);
  run.forward();
  run.backward_input();
  double worst = std::max(forward, relative_error(run.dx, dx) / 1e3);
  worst = std::max(worst, relative_error(run.read_gradients[0], dm) / 1e3);
  run.backward_input();  // adds
  for (double& value : run.read_gradients[0]) value /= 2;
  return std::max(worst, relative_error(run.read_gradients[0], dm) / 1e3);
}

}  // namespace

TEST_CASE("cross_attention: values, gradients of the sequence and of the memory", "[layer]") {
  CHECK(cross_error<foal::cross_attention<2, memory>>(3, 5, 4, 2, {5, 5}, 1) < 1e-11);
  CHECK(cross_error<foal::cross_attention<3, memory, lengths>>(4, 6, 9, 3, {2, 6}, 2) < 1e-11);
  CHECK(cross_error<foal::cross_attention<1, memory, lengths>>(3, 70, 1, 1, {66}, 3) < 1e-10);
  CHECK(cross_error<foal::cross_attention<1, memory>>(70, 3, 1, 1, {3}, 4) < 1e-10);
}

TEST_CASE("cross_attention: without a place for the memory's gradient, and without keys", "[layer]") {
  using layer = foal::cross_attention<2, memory, lengths>;
  layer_run<layer, float> run(sequence(8, 3), 2, 1);
  run.read_also(sequence(16, 4), random_numbers<float>(128, 2));
  run.read_also(features(1), {4, 0});
  run.forward();
  run.backward_input();
  auto const dx = run.dx, dm = run.read_gradients[0];
  CHECK(std::vector<float>(run.y.begin() + 24, run.y.end()) == std::vector<float>(24, 0));
  CHECK(std::vector<float>(dx.begin() + 24, dx.end()) == std::vector<float>(24, 0));
  CHECK(std::vector<float>(dm.begin() + 64, dm.end()) == std::vector<float>(64, 0));
  CHECK(run.read_gradients[1] == std::vector<float>(2, 0));
  run.read_gradient_pointers = {nullptr, nullptr};
  run.backward_input();
  CHECK(run.dx == dx);
  CHECK(run.read_gradients[0] == dm);
}

TEST_CASE("attention: what the layers declare", "[layer]") {
  using self = foal::attention<2, mask::none, lengths>;
  static_assert(self::accepts(sequence(24, 5)) && !self::accepts(sequence(8, 5)) && !self::accepts(features(24)));
  static_assert(self::output(sequence(24, 5, 1)) == sequence(8, 5, 1));
  static_assert(self::reads::size == 1 && foal::attention<2>::reads::size == 0);
  static_assert(self::accepts_read(0, sequence(24, 5), features(1)) && !self::accepts_read(0, sequence(24, 5), features(2)));
  static_assert(self::kept(sequence(24, 5))[0].elements.of(3) == 3 * 2 * 2 * 5);
  static_assert(self::flops(sequence(24, 5)) == 2 * 2 * 5 * 5 * 8);
  using cross = foal::cross_attention<2, memory>;
  static_assert(cross::accepts(sequence(8, 5)) && !cross::accepts(sequence(7, 5)));
  static_assert(cross::output(sequence(8, 5, 2)) == sequence(8, 5, 2));
  static_assert(cross::accepts_read(0, sequence(8, 5), sequence(16, 9)) &&
                !cross::accepts_read(0, sequence(8, 5), features(16)));
  static_assert(foal::cross_attention<2, memory, lengths>::accepts_read(1, sequence(8, 5), features(1)));
  SUCCEED();
}
