// Sources that do not suit a model are refused with a sentence, before anything is read or written.
#include <foal/executor/check_source.hpp>

#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include <foal/data/memory.hpp>
#include <foal/data/window_source.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/gpt.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using Catch::Contains;

constexpr int vocabulary = 12, longest = 8;

struct language
    : zoo::gpt<zoo::gpt_size{.layers = 1, .width = 8, .heads = 2, .vocabulary = vocabulary, .longest = longest}> {};
using images = trainer<test::mlp<3>, loss::cross_entropy, schedule::gpipe>;
using texts = trainer<language, loss::cross_entropy, schedule::gpipe>;

data::window_source windows(int window, int largest = vocabulary - 1) {
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 400; ++i) ids.push_back(4 + i * 7 % (largest - 3));
  return {ids, {.length = window}};
}

/// Batches that say of themselves what they like.
struct liar {
  int positions = longest;
  lengths_of_axes lengths(long long) const { return {{positions, 0}, false}; }
  void inputs(long long, int, float* x) const { x[0] = 4; }
  void targets(long long, std::int32_t* t) const { t[0] = 4; }
};
struct ragged_liar {
  int positions = longest;
  void sample_lengths(long long, int, int* n) const { n[0] = n[1] = positions; }
  void inputs(long long, int, float* x) const { x[0] = 4; }
  void targets(long long, std::int32_t* t) const { t[0] = 4; }
};

/// A source whose longest() is wrong.
struct understated : data::window_source {
  using data::window_source::window_source;
  explicit understated(data::window_source s) : data::window_source(std::move(s)) {}
  int longest(int) const { return 2; }
};
static_assert(data::sequence_source<understated>);

}  // namespace

TEST_CASE("what a fit evaluates on is checked as what it trains on") {
  images t({.microbatch_size = 2, .microbatches = 2});
  test::first_samples const data;
  data::memory<float, std::int32_t> const wide(features(500), std::vector<float>(500 * 3), std::vector<std::int32_t>(3));
  CHECK_THROWS_WITH(t.fit(data, {.evaluate = wide, .quiet = true}), Contains("500 x") && Contains("5 x"));
  CHECK_THROWS_WITH(t.evaluate(wide), Contains("500 x"));
  data::memory<float, std::int32_t> const none(features(5), {}, {});
  CHECK_THROWS_WITH(t.evaluate(none), Contains("there are 0"));
  CHECK_THROWS_WITH(t.fit(data, {.evaluate = none, .quiet = true}), Contains("there are 0"));
  CHECK(t.updates() == 0);
  CHECK_NOTHROW(t.fit(data, {.evaluate = data, .quiet = true}));
}

TEST_CASE("sequences must fit into the inputs, wherever they come from") {
  texts t({.microbatch_size = 2, .microbatches = 2});
  data::window_source const data = windows(longest);
  CHECK_THROWS_WITH(t.fit(windows(9), {.quiet = true}), Contains("up to 9 values") && Contains("input 8"));
  CHECK_THROWS_WITH(t.fit(data, {.evaluate = windows(400), .quiet = true}), Contains("up to 399 values"));
  CHECK_THROWS_WITH(t.evaluate(windows(400)), Contains("up to 399 values"));
  CHECK_THROWS_WITH(t.evaluate(understated(windows(9))), Contains("9 positions on axis 1") && Contains("0 to 8"));

  CHECK_THROWS_WITH(texts({.microbatch_size = 2}).run(liar{4000}, {.minibatches = 1}),
                    Contains("4000 positions on axis 1") && Contains("0 to 8"));
  CHECK_THROWS_WITH(texts({.microbatch_size = 2}).run(liar{-1}, {.minibatches = 1}), Contains("-1 positions"));
  CHECK_THROWS_WITH(texts({.microbatch_size = 2}).run(ragged_liar{9}, {.minibatches = 1}),
                    Contains("a sample of microbatch 0") && Contains("9 positions"));
  predictor<language> p({.microbatch_size = 2});
  auto const nothing = [](long long, float const*, shape, int) {};
  CHECK_THROWS_WITH(p.predict(liar{4000}, 1, nothing), Contains("4000 positions"));
  CHECK_THROWS_WITH(p.predict(ragged_liar{4}, 1, nothing), Contains("ragged"));
}

TEST_CASE("targets must be among the model's outputs") {
  texts t({.microbatch_size = 2, .microbatches = 2});
  CHECK_THROWS_WITH(t.fit(windows(longest, 29), {.quiet = true}), Contains("30 classes") && Contains("12 outputs"));
  images i({.microbatch_size = 2, .microbatches = 2});
  test::first_samples more;
  more.from.classes = 4;
  CHECK_THROWS_WITH(i.fit(more, {.quiet = true}), Contains("4 classes") && Contains("3 outputs"));
}

TEST_CASE("a model with several inputs is given batches, not samples") {
  struct extra;
  struct two : stages<inputs<input<5>, named<extra, input<1>>>, linear<4>, foal::tanh, linear<3>> {};
  trainer<two, loss::cross_entropy, schedule::gpipe> t({.microbatch_size = 2, .microbatches = 2});
  CHECK_THROWS_WITH(t.fit(test::first_samples{}, {.quiet = true}), Contains("2 inputs") && Contains("fit_batches"));
}
