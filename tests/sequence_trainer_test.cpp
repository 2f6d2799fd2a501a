// Training on sequences of different lengths: batches, evaluation, weights of losses, refusals.
#include <foal/data/sequence_batches.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/transformer.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <span>

#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;

constexpr int vocabulary = 8, longest_sentence = 7;

/// The target is the source backwards; texts of 1 to 6 tokens 3 .. 7.
struct reversed {
  long long samples = 96;
  static int words(long long i) { return 1 + static_cast<int>(i * 11 % 6); }
  static int token(long long i, int p) { return 3 + static_cast<int>((i * 7 + p * 3 + i / 6) % 5); }
  long long size() const { return samples; }
  int axes() const { return 2; }
  int length(long long i, int) const { return words(i) + 1; }
  int longest(int) const { return longest_sentence; }
  int entries() const { return 3; }
  int entry_axis(int e) const { return e == 0 ? 1 : e == 1 ? 0 : 2; }
  long long weight(long long i) const { return words(i) + 1; }
  template <class S>
  void write_entry(long long i, int e, int row, S* x) const {
    int const n = words(i);
    if (e == 1) {
      *x = static_cast<S>(n + 1);
      return;
    }
    for (int p = 0; p < row; ++p) {
      if (e == 0) x[p] = static_cast<S>(p < n ? token(i, p) : p == n ? 2 : 0);
      if (e == 2) x[p] = static_cast<S>(p == 0 ? 1 : p <= n ? token(i, n - p) : 0);
    }
  }
  void write_target(long long i, int row, std::int32_t* t) const {
    int const n = words(i);
    for (int p = 0; p < row; ++p) t[p] = p < n ? token(i, n - 1 - p) : p == n ? 2 : data::ignored_target;
  }
};
static_assert(data::sequence_source<reversed>);

struct net : zoo::transformer<zoo::transformer_size{.encoder_layers = 1,
                                                    .decoder_layers = 1,
                                                    .width = 32,
                                                    .heads = 2,
                                                    .hidden = 48,
                                                    .source_vocabulary = vocabulary,
                                                    .target_vocabulary = vocabulary,
                                                    .longest = longest_sentence,
                                                    .dropout_percent = 0,
                                                    .where = zoo::norm::before}> {};

/// Batches as they are, but for the weight of a minibatch.
struct weightless {
  data::sequence_batches<reversed> const& from;
  bool ragged() const { return from.ragged(); }
  lengths_of_axes lengths(long long m) const { return from.lengths(m); }
  void sample_lengths(long long m, int axis, int* n) const { from.sample_lengths(m, axis, n); }
  void inputs(long long m, int entry, float* x) const { from.inputs(m, entry, x); }
  void targets(long long m, std::int32_t* t) const { from.targets(m, t); }
};

template <class Schedule>
using run = trainer<net, loss::cross_entropy, Schedule, optim::adam>;

}  // namespace

TEST_CASE("A Transformer learns to reverse, with buckets of lengths and losses by token", "[sequences]") {
  run<schedule::async_1f1b> t({.microbatch_size = 4, .microbatches = 4, .workers = 2, .lr = {.rate = 0.003F}});
  reversed const data;
  auto const r = t.fit(data, {.epochs = foal_test::repeats(50, 4), .evaluate = data, .quiet = true});
  REQUIRE_FALSE(r.diverged);
  CHECK(r.epoch_loss.front() > 1.2);
  CHECK(r.evaluations.back().samples == 96);
  if (foal_test::sanitized) return;
  CHECK(r.epoch_loss.back() < 0.3);
  CHECK(r.accuracy() > 0.9);
}

TEST_CASE("The mean loss counts tokens, whatever the microbatches are", "[sequences]") {
  reversed const data;
  auto const first = [&](int m, int n) {
    run<schedule::gpipe> t({.microbatch_size = m, .microbatches = n, .lr = {.rate = 0.003F}});
    auto const r = t.fit(data, {.epochs = 1, .shuffle = false, .quiet = true});
    return std::pair(r.epoch_loss.front(), t.evaluate(data).loss);
  };
  auto const whole = first(8, 1), cut = first(2, 4);
  CHECK(whole.first == Approx(cut.first).epsilon(1e-4));
  CHECK(whole.second == Approx(cut.second).epsilon(1e-4));
}

TEST_CASE("Batches of sequences without a weight are weighed by their tokens, padded or ragged", "[sequences]") {
  reversed const data;
  for (data::layout lie : {data::layout::padded, data::layout::ragged}) {
    data::sequence_batches<reversed> const from(data, {.microbatch_size = 4, .microbatches = 2, .seed = 3}, lie);
    run<schedule::gpipe> with({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 3e-3}}),
        without({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 3e-3}});
    with.run(from, {.minibatches = 5});
    without.run(weightless{from}, {.minibatches = 5});
    CHECK(without.all_weights() == with.all_weights());
  }
}

TEST_CASE("A token that the model does not have is named with its sample", "[sequences]") {
  struct wrong : reversed {
    void write_target(long long i, int row, std::int32_t* t) const {
      reversed::write_target(i, row, t);
      if (i == 41) t[1] = 99;
    }
  };
  struct lying : wrong {
    int classes() const { return vocabulary; }
  };
  run<schedule::gpipe> t({.microbatch_size = 4, .microbatches = 2});
  auto const named = Catch::Matchers::Contains("cannot use sample 41, because its target is 99 and the model has 8 classes");
  CHECK_THROWS_WITH(t.fit(wrong{}, {.quiet = true}), named);
  CHECK_THROWS_WITH(t.evaluate(wrong{}), named);
  CHECK(t.updates() == 0);
  CHECK_THROWS_WITH(t.evaluate(lying{}), named);
  CHECK_THROWS_WITH(t.fit(lying{}, {.quiet = true}), named);
}

TEST_CASE("Sequences that do not fit are refused in a sentence", "[sequences]") {
  struct longer : reversed {
    int longest(int) const { return 9; }
  };
  run<schedule::gpipe> t({});
  CHECK_THROWS_WITH(t.fit(longer{}, {.quiet = true}), Catch::Matchers::Contains("has up to 9 values on axis 1"));
}

TEST_CASE("Sequences are predicted without their padding, in the source's order", "[sequences]") {
  run<schedule::gpipe> t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 3e-3}});
  reversed const data{.samples = 26};
  t.fit(data, {.epochs = 2, .quiet = true});
  predictor<net> p({.microbatch_size = 4, .microbatches = 2, .workers = 2});
  p.take(t);
  auto const all = p.predict(data);
  auto const passed = p.predict(data::sequences_in_order(data, 4));
  REQUIRE(all.size() == 26);
  REQUIRE(passed.size() == 26);
  for (long long i = 0; i < 26; ++i) {
    auto const& y = all[static_cast<std::size_t>(i)];
    CHECK(y.of.positions() == data.length(i, 2));
    CHECK(y.of.channels() == vocabulary);
    CHECK(y.values.size() == static_cast<std::size_t>(y.of.size()));
    CHECK(passed[static_cast<std::size_t>(i)].values == y.values);
  }
  // The mean over tokens of what evaluation scores.
  double tokens = 0, sum = 0;
  p.evaluate(data, [&](std::span<float const> y, std::span<std::int32_t const> target) {
    for (std::size_t k = 0; k < target.size(); ++k) {
      auto const row = y.subspan(k * vocabulary, vocabulary);
      double total = 0;
      for (float const v : row) total += std::exp(static_cast<double>(v));
      sum += std::log(total) - static_cast<double>(row[static_cast<std::size_t>(target[k])]);
      ++tokens;
    }
    return 0.0;
  });
  CHECK(sum / tokens == Approx(t.evaluate(data).loss).epsilon(1e-5));
}
