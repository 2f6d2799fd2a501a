// What tests of converted wires and saved values share: layers that remember what they were given, a network with every kind
// of wire, texts, digits, and how far two runs are apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <foal/data/handwritten.hpp>
#include <foal/data/sequence_batches.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/transformer.hpp>

#include <catch2/catch.hpp>

#include "nets.hpp"
#include "sanitized.hpp"

namespace foal::test {

/// What the layer `spy<N>` saw in training, microbatch by microbatch.
struct sight {
  std::vector<std::vector<float>> x, read_back, dy;
};
inline sight seen[4];

/// Passes everything on, and remembers it.
template <int N>
struct spy {
  static constexpr char const* name = "spy";
  static constexpr shape output(shape in) { return in; }
  static constexpr until input_kept = until::B;
  template <class C>
  static void forward(C& ctx, float const* x, weights<float const>, float* y, saved<float>) {
    int const n = ctx.samples * ctx.in.size();
    if (ctx.phase == phase::train) seen[N].x.emplace_back(x, x + n);
    std::copy(x, x + n, y);
  }
  template <class C>
  static void backward_input(C& ctx, float const* dy, weights<float const>, saved<float> s, float* dx) {
    int const n = ctx.samples * ctx.in.size();
    seen[N].read_back.emplace_back(s.x, s.x + n);
    seen[N].dy.emplace_back(dy, dy + n);
    std::copy(dy, dy + n, dx);
  }
};

struct watched
    : stages<input<5>, stage<spy<0>, linear<6>, tanh, spy<1>>, stage<spy<2>, linear<6>, tanh, spy<3>>, linear<3>> {};

struct tag;
/// Skips within and across stages, statistics, outputs and inputs that are kept.
template <int Classes>
struct net : stages<input<5>, linear<16>, batch_norm, tanh, save<tag>, residual<linear<16>, relu, linear<16>>, linear<16>,
                    batch_norm, relu, add<tag>, linear<16>, tanh, linear<Classes>> {};

/// Weights, and the first norm's statistics.
template <class Trainer>
std::vector<float> everything(Trainer const& t) {
  auto all = t.all_weights();
  auto const statistics = t.statistics(1, 0);
  all.insert(all.end(), statistics.begin(), statistics.end());
  return all;
}

template <class Schedule, class... More>
using small_run = trainer<net<3>, loss::cross_entropy, Schedule, optim::momentum, More...>;

/// What a run of ten minibatches leaves.
template <class Run>
std::vector<float> trained_by(int workers) {
  Run t({.microbatch_size = 3, .microbatches = 4, .workers = workers, .lr = {.rate = 0.05F}});
  stream const data{.samples = 3};
  REQUIRE_FALSE(t.run(data, {.minibatches = 10}).diverged);
  return everything(t);
}

/// |a - b| / |a|
inline double distance(std::vector<float> const& a, std::vector<float> const& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    size += std::pow(static_cast<double>(a[i]), 2);
  }
  return std::sqrt(difference / size);
}

/// Texts of numbers up to 4999, of several lengths; the target is half of the number.
struct numbers {
  static long long size() { return foal_test::repeats(64, 24); }
  static int axes() { return 2; }
  static int length(long long i, int) { return 2 + static_cast<int>(i % 4); }
  static int longest(int) { return 5; }
  static int entries() { return 3; }
  static int entry_axis(int e) { return e == 0 ? 1 : e == 1 ? 0 : 2; }
  static long long weight(long long i) { return length(i, 0); }
  static int token(long long i, int p) { return 4001 + static_cast<int>((i * 13 + p * 7) % 64); }
  template <class S>
  void write_entry(long long i, int e, int row, S* x) const {
    for (int p = 0; p < (e == 1 ? 1 : row); ++p)
      x[p] = static_cast<S>(e == 1 ? length(i, 0) : p >= length(i, 0) ? 0 : token(i, p));
  }
  void write_target(long long i, int row, std::int32_t* t) const {
    for (int p = 0; p < row; ++p) t[p] = p < length(i, 0) ? (token(i, p) - 4001) / 2 : data::ignored_target;
  }
};
static_assert(data::sequence_source<numbers>);

struct texts : zoo::transformer<zoo::transformer_size{.encoder_layers = 1,
                                                      .decoder_layers = 1,
                                                      .width = 32,
                                                      .heads = 2,
                                                      .hidden = 32,
                                                      .source_vocabulary = 5000,
                                                      .target_vocabulary = 5000,
                                                      .longest = 5,
                                                      .dropout_percent = 0,
                                                      .where = zoo::norm::before}> {};

/// One microbatch after the other, with W as an op of its own.
struct weights_apart {
  static constexpr char const* name = "weights_apart";
  static constexpr bool asynchronous = false;

  constexpr void emit(schedule::extent e, schedule::program& sink) const {
    schedule::program fused = schedule::generate(schedule::sequential{}, e);
    for (int r = 0; r < e.ranks; ++r)
      for (schedule::op o : fused.view().rank(r)) {
        o.slot = -1;
        o.lane = 0;
        bool const both = o.kind == schedule::op_kind::BW;
        if (both) o.kind = schedule::op_kind::B;
        sink(r, o);
        o.kind = schedule::op_kind::W;
        if (both) sink(r, o);
      }
  }
};

template <int Stages>
struct digits_net : stages<input<1, 8, 8>, flatten, linear<32>, relu, repeat<Stages - 2, linear<32>, relu>, linear<10>> {};

/// Trains on digits without and with the policy Conversion, whose settings set(config) makes; the accuracies are near each
/// other, and a predictor that converts gives what the evaluation has counted.
template <class Conversion, class Set>
void check_digits(Set set) {
  auto const digits = data::handwritten({.train = 2000, .test = 500});
  using small = digits_net<4>;
  auto const accuracy = [&](auto& t) {
    return t.fit(digits.train, {.epochs = foal_test::repeats(10, 1), .evaluate = digits.test, .quiet = true}).accuracy();
  };
  trainer<small, loss::cross_entropy, schedule::pipemare, optim::adam> a({.microbatch_size = 8, .lr = {.rate = 0.003F}});
  using converting = trainer<small, loss::cross_entropy, schedule::pipemare, optim::adam, Conversion>;
  typename converting::config c{.microbatch_size = 8, .lr = {.rate = 0.003F}};
  set(c);
  converting b(c);
  double const exact = accuracy(a), converted = accuracy(b);
  if (!foal_test::sanitized) {
    CHECK(exact > 0.8);
    CHECK(converted > exact - 0.03);
  }

  constexpr int at_once = 50;
  predictor<small, Conversion> guess({.microbatch_size = at_once, .workers = 2});
  guess.take(b);
  struct in_order {
    decltype(digits.test) const& from;
    void inputs(long long m, float* x, float*) const {
      for (int i = 0; i < at_once; ++i) from.write_sample(m * at_once + i, x + 64 * i);
    }
  } const batches{digits.test};
  int correct = 0;
  guess.predict(batches, 10, [&](long long m, float const* y, shape of, int samples) {
    for (int i = 0; i < samples; ++i) {
      float const* const row = y + static_cast<std::ptrdiff_t>(i) * of.size();
      correct += std::max_element(row, row + of.size()) - row == digits.test.label(m * at_once + i) ? 1 : 0;
    }
  });
  CHECK(correct == static_cast<int>(std::lround(converted * 500)));
}

}  // namespace foal::test
