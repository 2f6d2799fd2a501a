// Activations stored as bfloat16: what layers see, the same bits on any workers, half the bytes, the same accuracy.
#include <foal/accumulate/accumulate.hpp>
#include <foal/data/handwritten.hpp>
#include <foal/data/sequence_batches.hpp>
#include <foal/delay/discrepancy_correction.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/optim/adam.hpp>
#include <foal/optim/momentum.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/async_1f1b.hpp>
#include <foal/schedule/gpipe.hpp>
#include <foal/schedule/pipemare.hpp>
#include <foal/schedule/recompute.hpp>
#include <foal/schedule/sequential.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/transformer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using half = storage::bfloat16;

float rounded(float x) {
  std::uint16_t y = 0;
  device::host::narrow(1, &x, &y);
  device::host::widen(1, &y, &x);
  return x;
}
std::vector<float> rounded(std::vector<float> v) {
  for (float& x : v) x = rounded(x);
  return v;
}

/// What the layer `spy<N>` saw last.
struct sight {
  std::vector<float> x, read_back, dy, dx;
};
sight seen[4];

/// Passes everything on, and remembers it.
template <int N>
struct spy {
  static constexpr char const* name = "spy";
  static constexpr shape output(shape in) { return in; }
  static constexpr until input_kept = until::B;
  template <class C>
  static void forward(C& ctx, float const* x, weights<float const>, float* y, saved<float>) {
    int const n = ctx.samples * ctx.in.size();
    if (ctx.phase == phase::train) seen[N].x.assign(x, x + n);
    std::copy(x, x + n, y);
  }
  template <class C>
  static void backward_input(C& ctx, float const* dy, weights<float const>, saved<float> s, float* dx) {
    int const n = ctx.samples * ctx.in.size();
    seen[N].read_back.assign(s.x, s.x + n);
    seen[N].dy.assign(dy, dy + n);
    std::copy(dy, dy + n, dx);
    seen[N].dx = seen[N].dy;
  }
};

struct watched : stages<input<5>, stage<spy<0>, linear<6>, foal::tanh, spy<1>>, stage<spy<2>, linear<6>, foal::tanh, spy<3>>,
                        linear<3>> {};

struct tag;
/// Skips within and across stages, statistics, outputs and inputs that are kept.
struct net : stages<input<5>, linear<16>, batch_norm, foal::tanh, save<tag>, residual<linear<16>, relu, linear<16>>,
                    linear<16>, batch_norm, relu, add<tag>, linear<16>, foal::tanh, linear<3>> {};

template <class Schedule, class... More>
using run = trainer<net, loss::cross_entropy, Schedule, optim::momentum, More...>;

template <class Run>
std::vector<float> trained(int workers) {
  Run t({.microbatch_size = 3, .microbatches = 4, .workers = workers, .lr = {.rate = 0.05F}});
  test::stream const data{.samples = 3};
  REQUIRE_FALSE(t.run(data, {.minibatches = 10}).diverged);
  auto all = t.all_weights();
  auto const statistics = t.statistics(1, 0);
  all.insert(all.end(), statistics.begin(), statistics.end());
  return all;
}

double distance(std::vector<float> const& a, std::vector<float> const& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    size += std::pow(static_cast<double>(a[i]), 2);
  }
  return std::sqrt(difference / size);
}

template <class Schedule, class... More>
std::vector<float> check_workers() {
  using stored = run<Schedule, half, More...>;
  auto const one = trained<stored>(1);
  for (int workers : {2, 3, stored::most_ranks}) CHECK(trained<stored>(std::min(workers, stored::most_ranks)) == one);
  double const far = distance(trained<run<Schedule, More...>>(1), one);
  CHECK(far > 1e-6);  // something was rounded
  CHECK(far < 0.1);   // statistics of three samples amplify it
  return one;
}

/// Texts of numbers up to 4999, which bfloat16 does not hold; the target is the next number of the source.
struct numbers {
  static long long size() { return 64; }
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

}  // namespace

TEST_CASE("Layers see their stage's results as computed, those of other stages rounded, and all rounded in B", "[storage]") {
  using watch = trainer<watched, loss::cross_entropy, schedule::sequential, half>;
  watch t({.microbatch_size = 4, .microbatches = 1, .lr = {.rate = 0.1F}});
  test::stream const data{.samples = 4};
  t.run(data, {.minibatches = 3});
  std::vector<float> in(20);
  data.inputs(2, in.data(), static_cast<float*>(nullptr));
  CHECK(seen[0].x == rounded(in));
  CHECK(seen[0].x != in);
  CHECK(seen[1].x != rounded(seen[1].x));  // tanh's, within the stage
  CHECK(seen[2].x == rounded(seen[1].x));  // after the wire
  CHECK(seen[3].x != rounded(seen[3].x));
  for (int i : {1, 2, 3}) CHECK(seen[i].read_back == rounded(seen[i].x));  // below the first nothing trains
  CHECK(seen[3].dy == rounded(seen[3].dy));                                // from the stage after
  CHECK(seen[2].dx != rounded(seen[2].dx));                                // of this one
  CHECK(seen[1].dy == rounded(seen[2].dx));
  CHECK(seen[1].dy != seen[2].dx);
}

TEST_CASE("Training on stored activations gives the same bits on any number of workers", "[storage]") {
  auto const gpipe = check_workers<schedule::gpipe>();
  check_workers<schedule::pipemare>();
  check_workers<schedule::async_1f1b, versions::stash>();
  check_workers<schedule::pipemare, delay::discrepancy_correction>();
  CHECK(trained<run<schedule::sequential, half>>(1) == gpipe);
}

TEST_CASE("What is recomputed is rounded as what was saved", "[storage]") {
  CHECK(trained<run<schedule::recomputed<schedule::gpipe>, half>>(2) == trained<run<schedule::gpipe, half>>(1));
  check_workers<schedule::recomputed<schedule::pipemare>, delay::discrepancy_correction>();
}

TEST_CASE("Weight gradients of a minibatch are taken microbatch by microbatch, with the sums of W as an op of its own",
          "[storage]") {
  auto const thick = check_workers<schedule::gpipe, accumulate::thick>();
  CHECK(trained<run<weights_apart, half>>(1) == thick);
  // W then reads output gradients that have been stored.
  CHECK(distance(trained<run<schedule::gpipe, half>>(1), thick) < 0.01);
  CHECK(distance(trained<run<schedule::gpipe, half>>(1), thick) > 0);
  check_workers<schedule::pipemare, accumulate::thick>();
}

TEST_CASE("Token numbers and lengths cross stages exactly", "[storage]") {
  using exact = trainer<texts, loss::cross_entropy, schedule::async_1f1b, optim::adam>;
  using stored = trainer<texts, loss::cross_entropy, schedule::async_1f1b, optim::adam, half>;
  auto const fit = [](auto& t) { return t.fit(numbers{}, {.epochs = 12, .quiet = true}); };
  stored one({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.003F}});
  stored three({.microbatch_size = 4, .microbatches = 2, .workers = 3, .lr = {.rate = 0.003F}});
  exact plain({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.003F}});
  auto const a = fit(one), b = fit(three), c = fit(plain);
  CHECK(one.all_weights() == three.all_weights());
  // Neighbouring numbers have targets of their own: rounded to multiples of 16 they could not be told apart.
  CHECK(c.epoch_loss.back() < 0.6);
  CHECK(a.epoch_loss.back() == Approx(c.epoch_loss.back()).margin(0.15));
}

TEST_CASE("Saved activations and wires take half the bytes, and the facts say so", "[storage]") {
  using net16 = digits_net<16>;
  using exact = trainer<net16, loss::cross_entropy, schedule::pipemare>;
  using stored = trainer<net16, loss::cross_entropy, schedule::pipemare, half>;
  exact const a({.microbatch_size = 16});
  stored const b({.microbatch_size = 16});
  auto const bytes = [](auto const& t, category c) { return t.engine().memory().plan().bytes(c); };
  CHECK(2 * bytes(b, category::wires) < bytes(a, category::wires) * 11 / 10);
  // masks of relu have a byte an element, before and after
  CHECK(bytes(b, category::saved) < bytes(a, category::saved) * 61 / 100);
  CHECK(bytes(b, category::weights) == bytes(a, category::weights));
  CHECK_THAT(b.facts().text(), Catch::Matchers::Contains("bfloat16"));
  CHECK_THAT(a.facts().text(), !Catch::Matchers::Contains("bfloat16"));
}

TEST_CASE("Digits are learned as well from rounded activations, and predictions are those of evaluations", "[storage]") {
  auto const digits = data::handwritten({.train = 2000, .test = 500});
  using small = digits_net<4>;
  auto const accuracy = [&](auto& t) { return t.fit(digits.train, {.epochs = 10, .evaluate = digits.test, .quiet = true}); };
  trainer<small, loss::cross_entropy, schedule::pipemare, optim::adam> a({.microbatch_size = 8, .lr = {.rate = 0.003F}});
  trainer<small, loss::cross_entropy, schedule::pipemare, optim::adam, half> b(
      {.microbatch_size = 8, .lr = {.rate = 0.003F}});
  double const exact = accuracy(a).accuracy(), stored = accuracy(b).accuracy();
  CHECK(exact > 0.8);
  CHECK(stored > exact - 0.03);

  predictor<small, half> guess({.microbatch_size = 50, .workers = 2});
  guess.take(b);
  struct in_order {
    decltype(digits.test) const& from;
    void inputs(long long m, float* x, float*) const {
      for (int i = 0; i < 50; ++i) from.write_sample(m * 50 + i, x + 64 * i);
    }
  } const batches{digits.test};
  int correct = 0;
  guess.predict(batches, 10, [&](long long m, float const* y, shape of, int samples) {
    for (int i = 0; i < samples; ++i) {
      float const* const row = y + static_cast<std::ptrdiff_t>(i) * of.size();
      correct += std::max_element(row, row + of.size()) - row == digits.test.label(m * 50 + i) ? 1 : 0;
    }
  });
  CHECK(correct == static_cast<int>(std::lround(stored * 500)));
}
