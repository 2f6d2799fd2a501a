// Delay diagnostics against what recorders saw of the same run, and that they change no bit of it.
#include <algorithm>
#include <cmath>

#include <foal/layer/batch_norm.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/versions.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"
#include "tests/support/watcher.hpp"

namespace {

using namespace foal;
using numbers = std::vector<double>;
using updates_seen = std::vector<std::vector<test::seen_update<double>>>;

constexpr int count = 3, samples = 2, n = 2;
constexpr long long updates = 24;

/// Dropout draws by the sample's ordinal in the run, batch norm takes statistics: both must be the same in a second copy.
struct net : foal::stages<input<test::mlp_inputs>, stage<linear<6>, batch_norm, dropout<25>>, linear<5>, foal::tanh,
                          linear<test::mlp_classes>> {};
template <class Schedule, class... Policies>
using run = trainer<net, loss::cross_entropy, Schedule, optim::momentum, scalar<double>, Policies...>;
using watcher = test::watcher<double>;

template <class Trainer>
executor::run_result train(Trainer& t, test::recorder& seen, long long minibatches = updates) {
  executor::run_request request;
  request.minibatches = minibatches;
  request.watch = seen.observer();
  return t.run(test::stream{.samples = samples}, request);
}

template <class Trainer>
typename Trainer::config config(int every, bool fresh = false) {
  typename Trainer::config c;
  c.microbatch_size = samples;
  c.microbatches = n;
  c.lr.rate = 0.1;
  c.evaluation = false;
  c.diagnostics = {every, fresh};
  return c;
}

double dot(numbers const& a, numbers const& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
numbers minus(numbers a, numbers const& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return a;
}
double cosine(numbers const& a, numbers const& b) { return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b)); }

template <class Trainer>
std::vector<numbers> all_of(Trainer const& t) {
  std::vector<numbers> w;
  for (int s = 0; s < count; ++s) {
    w.emplace_back();
    for (std::size_t i = 0; i < t.tables().stages[static_cast<std::size_t>(s)].parameters.size(); ++i) {
      auto const part = t.weights(s, i);
      w.back().insert(w.back().end(), part.begin(), part.end());
    }
  }
  return w;
}

}  // namespace

TEST_CASE("diagnostics are what recorders saw, and change no bit") {
  using type = run<schedule::pipemare, delay::discrepancy_correction, watcher>;
  updates_seen all(count), plain(count);
  auto c = config<type>(5);
  c.workers = GENERATE(1, 3);
  c.hook = {&all};
  type t(c);
  auto const start = all_of(t);
  test::recorder seen(count), other(count);
  auto const found = train(t, seen).diagnostics;

  c.diagnostics = {};
  c.hook = {&plain};
  type without(c);
  CHECK(train(without, other).diagnostics.empty());
  CHECK(seen.bytes() == other.bytes());
  CHECK(t.statistics(0, 0) == without.statistics(0, 0));

  REQUIRE(found.size() == 4 * count);
  for (std::size_t i = 0; i < found.size(); ++i) {
    auto const& d = found[i];
    auto const s = i % count;
    CHECK(d.update == 5 * (static_cast<long long>(i / count) + 1));
    CHECK(d.stage == static_cast<int>(s));
    CHECK(d.rate == 0.1);
    CHECK(std::isnan(d.fresh));
    auto const version = [&](long long v) { return v == 0 ? start[s] : all[s][static_cast<std::size_t>(v) - 1].weights; };
    auto const& w = version(d.update);
    auto const old = version(d.update - 1);
    CHECK(d.update_norm == Approx(std::sqrt(dot(minus(w, old), minus(w, old)) / dot(old, old))).epsilon(1e-12));

    double lag = 0, discrepancy = 0, prediction = 0;
    int reads = 0, predictions = 0;
    for (auto const& r : seen.reads()[s]) {
      if (r.microbatch / n != d.update - 1) continue;
      ++reads;
      numbers const live = version(r.backward), past = version(r.forward), apart = minus(past, live);
      lag += static_cast<double>(r.backward - r.forward) / n;
      discrepancy += std::sqrt(dot(apart, apart) / dot(live, live)) / n;
      auto const& then = all[s][static_cast<std::size_t>(r.backward) - 1];
      numbers delta(then.delta.size()), masked(then.delta.size());  // of the parameters that B reads
      std::size_t at = 0;
      for (std::size_t i = 0; i < t.tables().stages[s].parameters.size(); ++i) {
        bool const kept = std::count(then.with_delta.begin(), then.with_delta.end(), i) > 0;
        for (std::size_t const end = at + t.weights(static_cast<int>(s), i).size(); at < end; ++at)
          if (kept) delta[at] = -then.delta[at], masked[at] = apart[at];
      }
      if (dot(delta, delta) > 0 && dot(masked, masked) > 0) {
        prediction += cosine(delta, masked);
        ++predictions;
      }
    }
    REQUIRE(reads == n);
    CHECK(d.lag == Approx(lag).epsilon(1e-12));
    CHECK(d.discrepancy == Approx(discrepancy).epsilon(1e-12));
    CHECK(d.lag > 0.4);
    CHECK(d.discrepancy > 0);
    // Of the last stage's two microbatches one has its F and its B at the same version.
    REQUIRE(predictions == (s + 1 == count ? 1 : 2));
    CHECK(d.prediction == Approx(prediction / predictions).epsilon(1e-9));
  }
}

TEST_CASE("a stash reads what F read, live weights predict nothing, a flush has no discrepancy") {
  using stashed = run<schedule::pipemare, versions::stash>;
  using live = run<schedule::pipemare>;
  using synchronous = run<schedule::gpipe>;
  test::recorder a(count), b(count), c(count);
  stashed one(config<stashed>(6));
  for (auto const& d : train(one, a).diagnostics) {
    CHECK(d.prediction == Approx(1).epsilon(1e-12));
    CHECK(d.lag > 0.4);
  }
  live two(config<live>(6));
  for (auto const& d : train(two, b).diagnostics) {
    CHECK(std::isnan(d.prediction));
    CHECK(d.discrepancy > 0);
  }
  synchronous three(config<synchronous>(6, true));
  auto const rows = train(three, c).diagnostics;
  REQUIRE(rows.size() == 4 * count);
  for (auto const& d : rows) {
    CHECK(d.lag == 0);
    CHECK(d.discrepancy == 0);
    CHECK(std::isnan(d.prediction));
    CHECK(d.fresh == Approx(1).epsilon(1e-12));
    CHECK(d.update_norm > 0);
  }
}

TEST_CASE("the fresh gradient is that of a synchronous run from the same weights") {
  using type = run<schedule::pipemare, delay::discrepancy_correction, watcher>;
  updates_seen all(count);
  auto c = config<type>(updates, true);
  c.hook = {&all};
  type t(c);
  test::recorder seen(count), other(count), more(count);
  auto const found = train(t, seen).diagnostics;
  REQUIRE(found.size() == count);

  // A run of nothing but standing still brings the synchronous trainer to the same minibatch.
  using synchronous = run<schedule::gpipe, watcher>;
  updates_seen reference(count);
  auto still = config<synchronous>(0);
  still.hook = {&reference};
  still.lr.rate = 0;
  synchronous u(still);
  train(u, other, updates - 1);
  for (int s = 0; s < count; ++s) {
    auto const& w = all[static_cast<std::size_t>(s)][updates - 2].weights;
    std::ptrdiff_t at = 0;
    for (std::size_t i = 0; i < u.tables().stages[static_cast<std::size_t>(s)].parameters.size(); ++i) {
      auto const size = static_cast<std::ptrdiff_t>(u.tables().stages[static_cast<std::size_t>(s)].parameters[i].size);
      u.set_weights(s, i, numbers(w.begin() + at, w.begin() + at + size));
      at += size;
    }
  }
  executor::run_request request;
  request.minibatches = 1;
  u.run(test::stream{.samples = samples}, request);
  for (std::size_t s = 0; s < count; ++s) {
    double const expected = cosine(all[s].back().gradient, reference[s].back().gradient);
    CHECK(found[s].fresh == Approx(expected).epsilon(1e-12));
    CHECK(found[s].fresh < 1 - 1e-6);
  }

  // Looking with fresh gradients changes no bit either.
  c.diagnostics = {};
  updates_seen again(count);
  c.hook = {&again};
  type without(c);
  train(without, more);
  CHECK(seen.bytes() == more.bytes());
}

TEST_CASE("diagnostics of a warm-up and of injected delays, in several calls") {
  using type = run<schedule::pipemare, warmup::synchronous>;
  auto c = config<type>(4, true);
  c.warmup.minibatches = 8;
  type t(c);
  test::recorder seen(count);
  auto rows = train(t, seen, 6).diagnostics;
  REQUIRE(rows.size() == count);
  auto const later = train(t, seen, 10).diagnostics;
  REQUIRE(later.size() == 3 * count);
  rows.insert(rows.end(), later.begin(), later.end());
  for (auto const& d : rows) CHECK((d.discrepancy > 0) == (d.update > 8));
  for (auto const& d : rows) CHECK((d.fresh > 1 - 1e-12) == (d.update <= 8));

  using injected = run<schedule::injected>;
  auto other = config<injected>(4, true);
  other.schedule = {{6, 0, 2}};
  injected i(other);
  test::recorder read(count);
  for (auto const& d : train(i, read).diagnostics) CHECK(d.lag == (d.stage == 0 ? 3 : d.stage == 1 ? 0 : 1));
}

TEST_CASE("what diagnostics keep is in the facts, and what they cannot do is said") {
  using type = run<schedule::pipemare>;
  auto c = config<type>(3);
  CHECK(type(c).facts().bytes[category::diagnostics] > 0);
  c.diagnostics.every = 0;
  CHECK(type(c).facts().bytes[category::diagnostics] == 0);

  c.diagnostics.every = -1;
  CHECK_THROWS_WITH(type(c), Catch::Contains("cannot take diagnostics every -1 updates"));
  c.diagnostics = {4, true};
  c.workers = 2;
  CHECK_THROWS_WITH(type(c), Catch::Contains("cannot compute fresh gradients on 2 workers"));
  c.workers = 1;
  c.diagnostics.every = 1;
  type t(c);
  test::recorder seen(count);
  CHECK_THROWS_WITH(train(t, seen), Catch::Contains("cannot compute fresh gradients every 1 updates"));
}

TEST_CASE("without a delay the gradient is fresh, frozen stages or not") {
  struct part : stages<input<test::mlp_inputs>, frozen<linear<6>, foal::tanh>, linear<5>, foal::tanh, frozen<linear<5>>,
                       foal::tanh, linear<test::mlp_classes>> {};
  using still = trainer<part, loss::cross_entropy, schedule::gpipe, optim::momentum, scalar<double>>;
  still t(config<still>(1, true));
  auto const result = t.run(test::stream{.samples = samples}, {.minibatches = 6});
  std::size_t rows = 0;
  for (auto const& d : result.diagnostics) {
    if (d.stage % 2 == 0) continue;
    ++rows;
    INFO("stage " << d.stage << ", update " << d.update);
    CHECK(d.fresh == Approx(1).epsilon(1e-12));
  }
  CHECK(rows == 2 * 6);
}
