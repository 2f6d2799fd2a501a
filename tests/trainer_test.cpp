// The trainer as users call it: what does not depend on N, M, ranks and workers, evaluations, failures.
#include <foal/data/memory.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <thread>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using test::mlp;

using full = trainer<mlp<4>, loss::cross_entropy, schedule::pipemare, optim::momentum, delay::discrepancy_correction,
                     lr::reschedule<lr::step>, warmup::synchronous, scalar<double>>;

full::config full_values(int n = 2, int workers = 1) {
  return {.microbatch_size = 2,
          .microbatches = n,
          .workers = workers,
          .seed = 3,
          .lr = {.base = {.rate = 0.1, .every = 30}, .steps = 20},
          .warmup = {.minibatches = 5},
          .evaluation_samples = 7};
}

/// Records what reaches the loss, by target (which the data sets to the sample's ordinal); no gradient, so weights stay.
struct spy {
  using role = foal::role::loss;
  static constexpr char const* name = "spy";
  using target = std::int32_t;
  static constexpr int targets(shape) { return 1; }
  static constexpr double weight(shape, int samples) { return samples; }
  std::vector<std::vector<float>>* seen = nullptr;

  template <class C>
  loss::loss_result apply(C& ctx, typename C::scalar const* x, target const* t, double, typename C::scalar* dx) const {
    for (int i = 0; i < ctx.samples; ++i) {
      auto const at = static_cast<std::size_t>(t[i]);
      if (seen->size() <= at) seen->resize(at + 1);
      (*seen)[at].assign(x + i * ctx.in.size(), x + (i + 1) * ctx.in.size());
    }
    std::fill_n(dx, ctx.samples * ctx.in.size(), typename C::scalar(0));
    return {1, static_cast<double>(ctx.samples), 0};
  }
};

struct masked : stages<input<5>, linear<9>, dropout<50>, linear<9>, dropout<20>, linear<3>, dropout<1, 3>> {};

struct ordinals : test::stream {
  template <class T>
  void targets(long long microbatch, T* t) const {
    for (int i = 0; i < samples; ++i) t[i] = static_cast<T>(microbatch * samples + i);
  }
};

template <class Schedule>
std::vector<std::vector<float>> masks(int samples, int n, int ranks, int workers) {
  std::vector<std::vector<float>> seen;
  using type = trainer<masked, spy, Schedule>;
  type t({.microbatch_size = samples,
          .microbatches = n,
          .workers = workers,
          .ranks = ranks,
          .loss = {&seen},
          .evaluation = false});
  ordinals data;
  data.samples = samples;
  t.run(data, {.minibatches = 48 / samples / n});
  return seen;
}

/// Samples numbered by their targets; each handed out is noted.
struct numbered {
  long long count = 0;
  std::vector<std::int32_t>* order = nullptr;
  long long throws_at = -1;

  long long size() const { return count; }
  shape sample() const { return features(test::mlp_inputs); }
  int target_size() const { return 1; }
  int classes() const { return test::mlp_classes; }  // so that a fit asks for no target before it trains
  template <class S>
  void write_sample(long long i, S* x) const {
    if (i == throws_at) throw std::runtime_error("the disk is gone");
    for (int e = 0; e < test::mlp_inputs; ++e) x[e] = static_cast<S>(std::sin(static_cast<double>(i * 7 + e)));
  }
  template <class T>
  void write_target(long long i, T* t) const {
    if (order != nullptr) order->push_back(static_cast<std::int32_t>(i));
    *t = static_cast<T>(i % test::mlp_classes);
  }
};

/// Takes its time.
struct slow : numbered {
  template <class S>
  void write_sample(long long i, S* x) const {
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    numbered::write_sample(i, x);
  }
};

/// Loss and accuracy of the net mlp<S> with these weights (W1, b1, W2, ...), sample by sample.
template <class Source>
std::pair<double, double> plain_evaluation(std::vector<double> const& weights, int stages, Source const& source) {
  std::vector<int> const width = test::mlp_widths(stages);
  double loss = 0, correct = 0;
  for (long long i = 0; i < source.size(); ++i) {
    std::vector<double> x(test::mlp_inputs);
    std::int32_t label = 0;
    source.write_sample(i, x.data());
    source.write_target(i, &label);
    double const* w = weights.data();
    for (int s = 0; s < stages; ++s) {
      auto const in = static_cast<std::size_t>(width[static_cast<std::size_t>(s)]);
      auto const out = static_cast<std::size_t>(width[static_cast<std::size_t>(s) + 1]);
      std::vector<double> y(w + in * out, w + in * out + out);
      for (std::size_t c = 0; c < out; ++c) {
        for (std::size_t e = 0; e < in; ++e) y[c] += x[e] * w[e * out + c];
        if (s + 1 < stages) y[c] = std::tanh(y[c]);
      }
      w += in * out + out;
      x = y;
    }
    double sum = 0;
    for (double v : x) sum += std::exp(v);
    loss += std::log(sum) - x[static_cast<std::size_t>(label)];
    bool largest = true;
    for (double v : x) largest = largest && v <= x[static_cast<std::size_t>(label)];
    correct += largest ? 1 : 0;
  }
  auto const n = static_cast<double>(source.size());
  return {loss / n, correct / n};
}

}  // namespace

TEST_CASE("initial weights depend on the seed and the layer alone") {
  using grouped =
      trainer<stages<input<5>, stage<linear<4>, foal::tanh, linear<4>, foal::tanh>, stage<linear<4>, foal::tanh, linear<3>>>,
              loss::cross_entropy, schedule::gpipe, scalar<double>>;
  using single = trainer<mlp<4>, loss::cross_entropy, schedule::async_1f1b>;
  std::vector<double> const first = full(full_values()).all_weights();
  full::config other = full_values(5, 3);
  other.microbatch_size = 9;
  other.ranks = 3;
  CHECK(full(other).all_weights() == first);
  CHECK(grouped({.seed = 3}).all_weights() == first);
  std::vector<float> const narrow = single({.seed = 3}).all_weights();
  REQUIRE(narrow.size() == first.size());
  for (std::size_t i = 0; i < first.size(); ++i) REQUIRE(narrow[i] == static_cast<float>(first[i]));
  other.seed = 4;
  CHECK(full(other).all_weights() != first);
}

TEST_CASE("a sample's dropout masks are the same for any M, N, ranks, workers and schedule") {
  auto const reference = masks<schedule::pipemare>(1, 1, 3, 1);
  REQUIRE(reference.size() == 48);
  std::size_t zeros = 0, kinds = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    for (float v : reference[i]) zeros += v == 0 ? 1U : 0U;
    kinds += i > 0 && (reference[i][0] == 0) != (reference[i - 1][0] == 0) ? 1U : 0U;
  }
  CHECK((zeros > 20 && zeros < 80));
  CHECK(kinds > 5);
  CHECK(masks<schedule::pipemare>(4, 1, 3, 3) == reference);
  CHECK(masks<schedule::pipemare>(3, 4, 2, 2) == reference);
  CHECK(masks<schedule::gpipe>(2, 3, 3, 2) == reference);
  CHECK(masks<schedule::gpipe>(48, 1, 1, 1) == reference);
  CHECK(masks<schedule::gpipe>(1, 48, 3, 1) == reference);
}

TEST_CASE("the order of samples is the same for any M, N and workers, and shuffled anew in each epoch") {
  auto const order = [](int samples, int n, int workers, bool shuffle) {
    full::config values = full_values(n, workers);
    values.microbatch_size = samples;
    full t(values);
    numbered data{24, nullptr};
    std::vector<std::int32_t> seen;
    data.order = &seen;
    t.fit(data, {.epochs = 3, .shuffle = shuffle, .quiet = true});
    return seen;
  };
  std::vector<std::int32_t> const reference = order(1, 1, 1, true);
  REQUIRE(reference.size() == 72);
  CHECK(order(2, 3, 1, true) == reference);
  CHECK(order(3, 4, 4, true) == reference);
  CHECK(order(24, 1, 2, true) == reference);
  CHECK(!std::equal(reference.begin(), reference.begin() + 24, reference.begin() + 24));
  std::vector<std::int32_t> const straight = order(4, 2, 3, false);
  for (std::size_t i = 0; i < straight.size(); ++i) REQUIRE(straight[i] == static_cast<std::int32_t>(i % 24));
}

TEST_CASE("one stage is plain SGD, and SGD delayed by one microbatch on pipemare") {
  constexpr int n = 3, samples = 2;
  constexpr long long updates = 30;
  constexpr double rate = 0.2;
  test::stream const data{.samples = samples};
  auto const train = [&]<class Schedule>(Schedule, int microbatches) {
    trainer<mlp<1>, loss::cross_entropy, Schedule, scalar<double>> t(
        {.microbatch_size = samples, .microbatches = microbatches, .lr = {.rate = rate}, .evaluation = false});
    std::vector<double> const first = t.all_weights();
    t.run(data, {.minibatches = updates});
    return std::pair(first, t.all_weights());
  };
  // Gradient of the minibatch; microbatch j at weights w[j]. [in, out] then [out].
  auto const gradient = [&](int microbatches, long long k, auto const& w) {
    std::vector<double> g(18, 0);
    for (int j = 0; j < microbatches; ++j)
      for (int i = 0; i < samples; ++i) {
        std::vector<double> x(static_cast<std::size_t>(samples * 5));
        std::vector<int> t(samples);
        data.inputs(k * microbatches + j, x.data(), static_cast<double*>(nullptr));
        data.targets(k * microbatches + j, t.data());
        std::vector<double> const& v = w(j);
        double y[3], sum = 0;
        for (std::size_t c = 0; c < 3; ++c) {
          y[c] = v[15 + c];
          for (std::size_t e = 0; e < 5; ++e) y[c] += x[static_cast<std::size_t>(i) * 5 + e] * v[e * 3 + c];
          sum += std::exp(y[c]);
        }
        for (std::size_t c = 0; c < 3; ++c) {
          double const d =
              (std::exp(y[c]) / sum - (static_cast<int>(c) == t[static_cast<std::size_t>(i)] ? 1 : 0)) / samples;
          for (std::size_t e = 0; e < 5; ++e) g[e * 3 + c] += x[static_cast<std::size_t>(i) * 5 + e] * d;
          g[15 + c] += d;
        }
      }
    for (double& v : g) v /= microbatches;
    return g;
  };
  auto const distance = [](std::vector<double> const& a, std::vector<double> const& b) {
    double most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
    return most;
  };

  auto const [first, sequential] = train(schedule::sequential{}, n);
  CHECK(train(schedule::gpipe{}, n).second == sequential);
  CHECK(train(schedule::one_f_one_b{}, n).second == sequential);
  CHECK(train(schedule::async_1f1b{}, n).second == sequential);
  std::vector<double> w = first;
  for (long long k = 0; k < updates; ++k) {
    std::vector<double> const g = gradient(n, k, [&](int) -> auto const& { return w; });
    for (std::size_t i = 0; i < w.size(); ++i) w[i] -= rate * g[i];
  }
  CHECK(distance(w, sequential) < 1e-14);

  // With N microbatches only the first of a minibatch is late; with one, every gradient is.
  for (int microbatches : {1, n}) {
    std::vector<double> const delayed = train(schedule::pipemare{}, microbatches).second;
    std::vector<double> now = first, before = first;
    for (long long k = 0; k < updates; ++k) {
      std::vector<double> const g = gradient(microbatches, k, [&](int j) -> auto const& { return j == 0 ? before : now; });
      before = now;
      for (std::size_t i = 0; i < now.size(); ++i) now[i] -= rate * g[i];
    }
    CHECK(distance(now, delayed) < 1e-14);
    CHECK(distance(now, w) > 1e-6);
  }
}

TEST_CASE("evaluations, slow ones too, leave training as it is") {
  numbered const data{40, nullptr};
  slow const test_data{{20, nullptr}};
  std::vector<double> reference;
  std::vector<double> losses;
  for (int workers : {1, 2, 4})
    for (bool evaluate : {false, true}) {
      full t(full_values(2, workers));
      full::fit_options options{.epochs = 4, .quiet = true};
      if (evaluate) options.evaluate = test_data;
      fit_report const report = t.fit(data, options);
      if (reference.empty()) reference = t.all_weights();
      CHECK(t.all_weights() == reference);
      REQUIRE(report.evaluations.size() == (evaluate ? 4U : 0U));
      for (std::size_t i = 0; i < report.evaluations.size(); ++i) {
        if (losses.size() < 4) losses.push_back(report.evaluations[i].loss);
        CHECK(report.evaluations[i].loss == losses[i]);
        CHECK(report.evaluations[i].update == 10 * (static_cast<long long>(i) + 1));
      }
    }
  CHECK(losses[3] != losses[2]);
}

TEST_CASE("an evaluation is a plain forward of every stage's weights after the k-th update") {
  numbered const data{24, nullptr}, other{33, nullptr};
  full t(full_values(2, 2));
  test::recorder seen(4);
  full::fit_options options{.epochs = 3, .evaluate = other, .quiet = true};
  options.hooks.watch = seen.observer();
  fit_report const report = t.fit(data, options);
  REQUIRE(report.evaluations.size() == 3);
  std::vector<int> const width = test::mlp_widths(4);
  for (auto const& e : report.evaluations) {
    std::vector<double> weights;
    for (int s = 0; s < 4; ++s) {
      auto const size =
          static_cast<std::size_t>((width[static_cast<std::size_t>(s)] + 1) * width[static_cast<std::size_t>(s) + 1]);
      auto const part = seen.after<double>(s, static_cast<std::size_t>(e.update - 1), size);
      weights.insert(weights.end(), part.begin(), part.end());
    }
    auto const [loss, accuracy] = plain_evaluation(weights, 4, other);
    CHECK(e.loss == Approx(loss).epsilon(1e-13));
    CHECK(e.accuracy == Approx(accuracy).epsilon(1e-13));
    CHECK(e.samples == 33);
  }
  evaluation_result const last = t.evaluate(other);
  CHECK(last.loss == report.evaluations.back().loss);
  CHECK(last.update == 18);
}

TEST_CASE("evaluations closer together than the stages' distance in updates are refused by a run, and fewer in a fit") {
  full t(full_values(1));
  numbered const data{4, nullptr};
  executor::any_source<double, std::int32_t> const any(data);
  executor::run_request request{.minibatches = 18};
  request.evaluation = any.functions;
  request.evaluate_every = 2;
  CHECK_THROWS_WITH(t.run(test::stream{.samples = 2}, request),
                    Catch::Contains("cannot evaluate every 2 updates") && Catch::Contains("at most every 4 updates"));
  full few(full_values(1));
  fit_report const fewer = few.fit(data, {.epochs = 9, .evaluate = data, .quiet = true});
  REQUIRE(fewer.evaluations.size() == 5);
  for (std::size_t i = 0; i < 4; ++i) CHECK(fewer.evaluations[i].update == 4 * (static_cast<long long>(i) + 1));
  CHECK(fewer.evaluations[4].update == 18);
  CHECK(fewer.notes.size() == 1);
  CHECK_NOTHROW(t.fit(data, {.epochs = 2, .quiet = true}));
  numbered const enough{8, nullptr};
  for (int workers : {1, 2, 4})
    CHECK(full(full_values(1, workers)).fit(enough, {.epochs = 6, .evaluate = data, .quiet = true}).evaluations.size() == 6);
}

TEST_CASE("two synchronous fits are one, an asynchronous pipeline drains between them") {
  numbered const data{40, nullptr};
  auto const split = []<class Trainer>(Trainer one, Trainer two, numbered const& samples) {
    one->fit(samples, {.epochs = 2, .shuffle = false, .quiet = true});
    two->fit(samples, {.epochs = 1, .shuffle = false, .quiet = true});
    two->fit(samples, {.epochs = 1, .shuffle = false, .quiet = true});
    REQUIRE(one->updates() == two->updates());
    return one->all_weights() == two->all_weights();
  };
  using synchronous = trainer<mlp<4>, loss::cross_entropy, schedule::one_f_one_b, optim::momentum>;
  using asynchronous = trainer<mlp<4>, loss::cross_entropy, schedule::async_1f1b, optim::momentum>;
  CHECK(split(std::make_unique<synchronous>(synchronous::config{}), std::make_unique<synchronous>(synchronous::config{}),
              data));
  asynchronous::config const one_each{.microbatch_size = 2, .microbatches = 1};
  CHECK_FALSE(split(std::make_unique<asynchronous>(one_each), std::make_unique<asynchronous>(one_each), data));
}

TEST_CASE("a loss that is not finite stops the run, at the same op for any number of workers") {
  test::stream data{.samples = 2};
  data.poisoned = 83;  // microbatch 41, minibatch 20
  for (int workers : {1, 2, 3, 4}) {
    full t(full_values(2, workers));
    auto const result = t.run(data, {.minibatches = 40});
    REQUIRE(result.diverged);
    CHECK(result.diverged->stage == 3);
    CHECK(result.diverged->what == "loss");
    CHECK(result.diverged->update == 20);
    CHECK(result.diverged->text().find("after update 20") != std::string::npos);
    CHECK(t.updates() == t.engine().stages()[0].updates);  // the first stage is the last to update
    // Update 20 is of minibatch 19, whose gradients the last stage sent before: a quick first stage still makes it.
    CHECK(t.updates() >= 15);
    CHECK(t.updates() <= 20);
    CHECK_THROWS_WITH(t.run(data, {.minibatches = 1}), Catch::Contains("make a new trainer"));
  }
}

namespace {

/// Passes its input on; the gradient of its parameter is NaN where an input is large.
struct spike {
  static constexpr char const* name = "spike";
  static constexpr until input_kept = until::W;
  static constexpr shape output(shape in) { return in; }
  static constexpr list<parameter> parameters(shape) { return {parameter{"tilt", features(1), {}, false}}; }
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S>) {
    std::copy_n(x, ctx.samples * ctx.in.size(), y);
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    std::copy_n(dy, ctx.samples * ctx.in.size(), dx);
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const*, saved<S> s, weights<S> dw) {
    for (int i = 0; i < ctx.samples * ctx.in.size(); ++i)
      dw[0][0] += s.x[i] > S(100) ? std::numeric_limits<S>::quiet_NaN() : S(0.01);
  }
};

struct spiked : stages<input<5>, spike, linear<4>, foal::tanh, linear<3>> {};

struct outlier : test::stream {
  template <class S>
  void inputs(long long microbatch, S* x, S* scratch) const {
    test::stream::inputs(microbatch, x, scratch);
    if (microbatch == 24) x[3] = 1000;
  }
};

}  // namespace

TEST_CASE("a gradient that is not finite names stage, parameter and update, and is not applied") {
  for (int workers : {1, 2, 3}) {
    trainer<spiked, loss::cross_entropy, schedule::pipemare, scalar<double>> t(
        {.microbatch_size = 2, .microbatches = 3, .workers = workers, .evaluation = false});
    test::recorder seen(3);
    executor::run_request request{.minibatches = 20};
    request.watch = seen.observer();
    outlier const data{{.samples = 2}};
    auto const result = t.run(data, request);
    REQUIRE(result.diverged);
    CHECK(result.diverged->what == "gradient of 0.spike.tilt");
    CHECK(result.diverged->stage == 0);
    CHECK(result.diverged->update == 8);
    CHECK(t.updates() == 8);
    REQUIRE(seen.bytes()[0].size() == 8 * sizeof(double));
    CHECK(t.weights(0, 0) == seen.after<double>(0, 7, 1));
    for (double w : t.all_weights()) REQUIRE(std::isfinite(w));
    CHECK_THROWS_WITH(t.run(data, {.minibatches = 1}), Catch::Contains("cannot train on"));
  }
}

TEST_CASE("what a data source or a callback throws reaches the caller") {
  for (int workers : {1, 2, 4}) {
    numbered broken{40, nullptr};
    broken.throws_at = 17;
    full t(full_values(2, workers));
    CHECK_THROWS_WITH(t.fit(broken, {.epochs = 2, .quiet = true}), "the disk is gone");
    CHECK_THROWS_WITH(t.fit(broken, {.epochs = 2, .quiet = true}), Catch::Contains("ended by an exception"));

    numbered const data{40, nullptr};
    full u(full_values(2, workers));
    CHECK_THROWS_WITH(u.fit(data, {.epochs = 3, .evaluate = broken, .quiet = true}), "the disk is gone");
    full v(full_values(2, workers));
    full::fit_options options{.epochs = 3, .evaluate = data, .quiet = true};
    options.hooks.evaluated = [](evaluation_result const&) { throw std::runtime_error("enough"); };
    CHECK_THROWS_WITH(v.fit(data, options), "enough");
    CHECK(v.updates() > 20);  // what was trained is kept, and trained on
    CHECK_NOTHROW(v.fit(data, {.quiet = true}));
  }
}

TEST_CASE("hooks of a fit that say what a fit decides are refused with a sentence") {
  numbered const data{40, nullptr};
  full t(full_values(2, 1));
  full::fit_options options{.quiet = true};
  options.hooks.minibatches = 5;
  CHECK_THROWS_WITH(t.fit(data, options), Catch::Contains("cannot fit with these .hooks, because they give minibatches"));
  options.hooks = {};
  options.hooks.pause = executor::run_place{0, 7};
  CHECK_THROWS_WITH(t.fit(data, options), Catch::Contains("or call run()"));
  CHECK(t.updates() == 0);
}

TEST_CASE("a report after a divergence says how many updates there were") {
  struct epochs : test::stream {
    long long minibatches_per_epoch() const { return 5; }
  };
  trainer<mlp<1>, loss::cross_entropy, schedule::gpipe, scalar<double>> t({.microbatch_size = 2, .microbatches = 3});
  fit_report const r = t.fit_batches(epochs{{.samples = 2, .poisoned = 45}}, {.epochs = 9, .quiet = true});
  REQUIRE(r.diverged);
  CHECK(r.diverged->update == 7);
  CHECK(r.updates == 7);
  CHECK(t.updates() == 7);
  CHECK(r.epoch_loss.size() == 2);
}

TEST_CASE("a disk without room for the metrics is told once, and the training goes on") {
  numbered const data{40, nullptr};
  full t(full_values(2)), reference(full_values(2));
  std::string const path = "/dev/full";  // the system's file that is always full
  if (!std::filesystem::exists(path)) return;
  fit_report const r = t.fit(data, {.epochs = 3, .evaluate = data, .quiet = true, .metrics = path});
  reference.fit(data, {.epochs = 3, .quiet = true});
  CHECK(r.evaluations.size() == 3);
  REQUIRE(r.notes.size() == 1);
  CHECK_THAT(r.notes[0], Catch::Contains(path) && Catch::Contains("goes on"));
  CHECK(t.all_weights() == reference.all_weights());
}

TEST_CASE("a callback that ends a fit leaves its last epoch begun, and the next fit trains epochs of its own") {
  for (int workers : {1, 3}) {
    std::vector<std::int32_t> order;
    numbered const data{40, &order};
    numbered const tests{20, nullptr};
    full t(full_values(2, workers));
    full::fit_options options{.epochs = 9, .evaluate = tests, .quiet = true};
    std::vector<double> best;
    options.hooks.evaluated = [&](evaluation_result const& r) {
      best = t.all_weights();
      return r.update >= 20 ? training::ends : training::goes_on;
    };
    fit_report const r = t.fit(data, options);
    CHECK(r.ended);
    CHECK(r.evaluations.size() == 2);
    CHECK(r.updates == t.updates());
    CHECK((r.updates > 20 && r.updates < 30));
    CHECK(r.epoch_loss.size() == 3);
    CHECK(best != t.all_weights());
    for (int s = 0, at = 0; s < 4; ++s)
      for (std::size_t i = 0; i < 2; ++i) {
        std::size_t const size = t.weights(s, i).size();
        t.set_weights(s, i, {best.begin() + at, best.begin() + at + static_cast<std::ptrdiff_t>(size)});
        at += static_cast<int>(size);
      }
    CHECK(t.evaluate(tests).loss == r.evaluations.back().loss);
    order.clear();
    t.fit(data, {.quiet = true});
    std::sort(order.begin(), order.end());
    for (std::int32_t i = 0; i < 40; ++i) REQUIRE(order[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("numbers that cannot work are refused with both values") {
  full::config values = full_values();
  values.workers = 5;
  CHECK_THROWS_WITH(full(values), Catch::Contains("5 workers") && Catch::Contains("4 ranks"));
  values = full_values();
  values.ranks = 6;
  CHECK_THROWS_WITH(full(values), Catch::Contains("4 stages over 6 ranks"));
  values.ranks = -5;
  CHECK_THROWS_WITH(full(values), Catch::Contains("4 stages over -5 ranks"));
  values = full_values(0);
  CHECK_THROWS_WITH(full(values), Catch::Contains("0 microbatches"));
  values = full_values(2'000'000'000);
  CHECK_THROWS_WITH(full(values), Catch::Contains("2000000000 microbatches") && Catch::Contains("1 to 1048576"));
  values = full_values();
  values.evaluation = false;
  full t(values);
  numbered const data{40, nullptr};
  CHECK_THROWS_WITH(t.fit(data, {.evaluate = data, .quiet = true}), Catch::Contains(".evaluation = true"));
  CHECK_THROWS_WITH(t.weights(7, 0), Catch::Contains("stage 7") && Catch::Contains("0 to 3"));
  CHECK_THROWS_WITH(t.weights(-1, 0), Catch::Contains("stage -1"));
  CHECK_THROWS_WITH(t.weights(0, 2), Catch::Contains("parameter 2 of stage 0") && Catch::Contains("it has 2"));
  CHECK_THROWS_WITH(t.statistics(0, 0), Catch::Contains("statistic 0 of stage 0") && Catch::Contains("it has 0"));
  CHECK_THROWS_WITH(t.set_weights(0, 0, {1, 2}), Catch::Contains("20 elements") && Catch::Contains("2 were given"));
  data::memory<float, std::int32_t> const wide(features(6), std::vector<float>(60), std::vector<std::int32_t>(10));
  CHECK_THROWS_WITH(t.fit(wide, {.quiet = true}), Catch::Contains("6 x") && Catch::Contains("5 x"));
  test::stream const stream{.samples = 2};
  CHECK_THROWS_WITH(t.run(stream, {.minibatches = 1LL << 31}), Catch::Contains("in several calls"));
  report::trace none(0, 100);
  CHECK_THROWS_WITH(t.run(stream, {.minibatches = 1, .traces = &none}), Catch::Contains("the trace has 0 buffers"));
  CHECK_NOTHROW(t.run(stream, {.minibatches = 3}));
}

TEST_CASE("a fit reports what it trained") {
  numbered const data{43, nullptr};  // 3 samples are dropped in every epoch
  full t(full_values(2));
  test::recorder seen(4);
  long long ticks = 0;
  full::fit_options options{.epochs = 3, .quiet = true};
  options.hooks.watch = seen.observer();
  options.hooks.tick = [&](long long microbatches) { ticks = microbatches; };
  fit_report const report = t.fit(data, options);
  CHECK(report.updates == 30);
  CHECK(t.updates() == 30);
  CHECK(ticks == 60);
  CHECK(report.epoch_loss.size() == 3);
  CHECK(report.samples_per_second > 0);
  CHECK_FALSE(report.diverged);
  CHECK(seen.reads()[0].size() == 60);
}

TEST_CASE("every fit trains whole epochs of its own source") {
  full t(full_values(2));
  t.run(test::stream{.samples = 2}, {.minibatches = 3});  // no epoch at all
  for (long long const size : {40, 12, 20}) {
    std::vector<std::int32_t> order, all;
    numbered const data{size, &order};
    t.fit(data, {.epochs = 2, .quiet = true});
    REQUIRE(order.size() == static_cast<std::size_t>(2 * size));
    for (std::int32_t i = 0; i < size; ++i) all.push_back(i);
    std::vector<std::int32_t> first(order.begin(), order.begin() + size), second(order.begin() + size, order.end());
    CHECK(first != second);
    for (auto* epoch : {&first, &second}) {
      std::sort(epoch->begin(), epoch->end());
      CHECK(*epoch == all);
    }
  }
}

TEST_CASE("progress counts microbatches, whatever the last stage does with them") {
  struct ends_frozen : stages<input<test::mlp_inputs>, linear<4>, foal::tanh, frozen<linear<3>>> {};
  trainer<ends_frozen, loss::cross_entropy, schedule::gpipe> t({.microbatch_size = 2, .microbatches = 2});
  long long ticks = 0;
  t.run(test::stream{.samples = 2}, {.minibatches = 5, .tick = [&](long long microbatches) { ticks = microbatches; }});
  CHECK(ticks == 10);
}
