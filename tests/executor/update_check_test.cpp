// What a run writes is finite: statistics, weights and states are looked at before they change.
#include <foal/executor/update_check.hpp>

#include <foal/data/memory.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/trainer.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using Catch::Contains;

/// A user's optimizer, of which nothing is known; at one of its updates it divides by 0 where the gradient is large.
struct own_step {
  using role = foal::role::optimizer;
  [[maybe_unused]] static constexpr char const* name = "own_step";
  static constexpr int states = 1;
  long long fails_at = 0;
  bool of_state = false;

  template <class S>
  struct step {
    S rate;
    bool fails, of_state;
    FOAL_HOST_DEVICE void operator()(S& w, S g, S& sum) const {
      bool const bad = fails && (g > S(0.01) || g < S(-0.01));
      w -= bad && !of_state ? g / S(0) : rate * g;
      sum += bad && of_state ? g / S(0) : g;
    }
  };
  template <class S>
  step<S> prepare(double rate, long long t) const {
    return {static_cast<S>(rate), t == fails_at, of_state};
  }
};

/// A user's layer whose statistic grows without a look at it.
struct growing {
  static constexpr char const* name = "growing";
  static inline float factor = 1;
  static constexpr shape output(shape in) { return in; }
  static constexpr list<parameter> buffers(shape) {
    return {parameter{"total", features(1), {initial::kind::constant, 1, 1}, false}};
  }
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S>) {
    std::copy_n(x, ctx.samples * ctx.in.size(), y);
    if (ctx.phase == phase::train) ctx.buffers[0][0] *= factor;
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    std::copy_n(dy, ctx.samples * ctx.in.size(), dx);
  }
};

/// The host, which counts the arrays of which it is asked a bound, by their size.
struct looking : device::host {
  using device::host::host;
  static inline std::map<std::size_t, int> looks;
  template <class S>
  static double magnitude_bound(std::size_t n, S const* x) {
    ++looks[n];
    return device::host::magnitude_bound(n, x);
  }
};

/// The first stage looks at its gradient of 20 + 4 numbers in parts, or at all of it, in rooms for 48; and at weights and
/// velocities once, before the first update. A NaN in whichever microbatch of a minibatch is found before anything changes.
template <class Schedule, class... More>
void check_looks(bool in_parts) {
  using run = trainer<test::mlp<2>, loss::cross_entropy, Schedule, on<looking>, More...>;
  looking::looks.clear();
  run t({.microbatch_size = 2, .microbatches = 4, .lr = {.rate = 0.1}});
  REQUIRE_FALSE(t.run(test::stream{}, {.minibatches = 6}).diverged);
  CHECK(looking::looks[20] == (in_parts ? 6 : 0));
  CHECK(looking::looks[48] == (in_parts ? 2 : 8));
  for (int poisoned : {0, 1, 3}) {
    run sick({.microbatch_size = 2, .microbatches = 4, .lr = {.rate = 0.1}}),
        sound({.microbatch_size = 2, .microbatches = 4, .lr = {.rate = 0.1}});
    test::stream source;
    source.poisoned = 2 * (4 * 3 + poisoned);
    auto const r = sick.run(source, {.minibatches = 6});
    REQUIRE(r.diverged);
    CHECK(r.diverged->update == 3);
    sound.run(test::stream{}, {.minibatches = 3});
    CHECK(sick.all_weights() == sound.all_weights());  // nothing was written
  }
}

/// Weights and states of every stage as they are.
template <class Trainer>
std::vector<std::vector<std::byte>> all_of(Trainer const& t) {
  std::vector<std::vector<std::byte>> all;
  for (executor::bound_stage const& b : t.engine().stages()) {
    auto const n = bytes_of(t.tables().types.weights, b.table->trained_elements);
    all.emplace_back(b.w, b.w + n);
    for (int k = 0; k < t.tables().policies.optimizer_states; ++k) all.emplace_back(b.states[k], b.states[k] + n);
  }
  return all;
}

}  // namespace

TEST_CASE("An update that would write what is not finite is not done, and said", "[update_check]") {
  using run = trainer<test::mlp<2>, loss::cross_entropy, schedule::gpipe, optim::adam>;
  for (double eps : {0.0, 1e-60}) {
    run t({.microbatch_size = 2, .microbatches = 2, .optim = {.eps = eps}, .lr = {.rate = 0.01}});
    // The first layer's outputs are 1 and -1 in float, so its gradient is 0 and Adam divides 0 by 0.
    t.set_weights(0, 1, {100, -100, 100, -100});
    auto const before = all_of(t);
    auto const r = t.run(test::stream{}, {.minibatches = 3});
    REQUIRE(r.diverged);
    CHECK(r.diverged->update == 0);
    CHECK(r.diverged->stage == 0);
    CHECK_THAT(r.diverged->text(),
               Contains("because the new value of 0.linear.weight at stage 0 is not finite") && Contains("an eps of 0"));
    auto const after = all_of(t);
    for (std::size_t i = 0; i < 3; ++i) CHECK(after[i] == before[i]);  // of stage 0
    for (float w : t.all_weights()) CHECK(std::isfinite(w));
  }
  run sound({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.01}});
  CHECK_FALSE(sound.run(test::stream{}, {.minibatches = 3}).diverged);
}

TEST_CASE("An optimizer of which nothing is known is tried first, block by block, and trains the same bits",
          "[update_check]") {
  struct wide : stages<input<test::mlp_inputs>, linear<300>, foal::tanh, linear<test::mlp_classes>> {};
  using own = trainer<wide, loss::cross_entropy, schedule::gpipe, own_step>;
  using plain = trainer<wide, loss::cross_entropy, schedule::gpipe>;
  plain other({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.1}});
  own same({.microbatch_size = 2, .microbatches = 2, .optim = {}, .lr = {.rate = 0.1}});
  other.run(test::stream{}, {.minibatches = 3});
  same.run(test::stream{}, {.minibatches = 3});
  CHECK(same.all_weights() == other.all_weights());
  for (bool of_state : {false, true}) {
    std::string first;
    for (int workers : {1, 2}) {
      own t({.microbatch_size = 2, .microbatches = 2, .workers = workers, .optim = {4, of_state}, .lr = {.rate = 0.1}});
      t.run(test::stream{}, {.minibatches = 3});
      auto const before = all_of(t);
      auto const r = t.run(test::stream{}, {.minibatches = 3});
      REQUIRE(r.diverged);
      CHECK(r.diverged->update == 3);
      CHECK(r.diverged->what == (of_state ? "optimizer's new state of 2.linear.weight" : "new value of 2.linear.weight"));
      if (first.empty()) first = r.diverged->text();
      CHECK(r.diverged->text() == first);
      CHECK(all_of(t) == before);
    }
  }
}

TEST_CASE("Bounds are above every number of a stage, and find what overflows", "[update_check]") {
  using run = trainer<test::mlp<2>, loss::cross_entropy, schedule::pipemare, optim::averaged<optim::momentum>,
                      delay::discrepancy_correction>;
  run t({.microbatch_size = 2, .microbatches = 2, .optim = {.base = {.weight_decay = 0.01}}, .lr = {.rate = 0.1}});
  t.run(test::stream{}, {.minibatches = 40});
  for (executor::bound_stage const& b : t.engine().stages()) {
    REQUIRE(b.bounded);
    auto const largest = [](std::byte const* from, long long n) {
      auto const* const x = reinterpret_cast<float const*>(from);
      float most = 0;
      for (long long i = 0; i < n; ++i) most = std::max(most, std::abs(x[i]));
      return static_cast<double>(most);
    };
    CHECK(largest(b.w, b.table->trained_elements) <= b.bounds.w);
    for (int k : {0, 1}) CHECK(largest(b.states[k], b.table->trained_elements) <= b.bounds.state[k]);
    if (b.has_delay_states) CHECK(largest(b.delay_states[0], b.table->backward_elements) <= b.bounds.delay[0]);
  }
  // A rate that takes the weights beyond float, though the gradient is finite.
  run large({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 1e39}});
  auto const r = large.run(test::stream{}, {.minibatches = 4});
  REQUIRE(r.diverged);
  CHECK_THAT(r.diverged->what, Contains("new value of"));
  for (float w : large.all_weights()) CHECK(std::isfinite(w));
}

TEST_CASE("A statistic that would not be finite ends the run before it moves", "[update_check]") {
  struct net : stages<input<1, 2, 2>, batch_norm, growing, flatten, linear<4>, batch_norm, linear<3>> {};
  using run = trainer<net, loss::cross_entropy, schedule::gpipe>;
  for (float value : {1e20F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> x(4 * 24);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 5);
    x[4 * 9 + 1] = value;  // sample 9: microbatch 2, of the second minibatch
    std::vector<std::int32_t> y(24);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<std::int32_t>(i % 3);
    data::memory<> const data(image(1, 2, 2), x, y);
    data::memory<> const good(image(1, 2, 2), std::vector<float>(x.begin(), x.begin() + 32),
                              std::vector<std::int32_t>(y.begin(), y.begin() + 8));
    for (int workers : {1, 2}) {
      run t({.microbatch_size = 4, .microbatches = 2, .workers = workers, .lr = {.rate = 0.1}});
      auto const r = t.fit(data, {.shuffle = false, .quiet = true});
      REQUIRE(r.diverged);
      CHECK(r.diverged->update == 1);
      CHECK(r.diverged->stage == 0);
      CHECK_THAT(r.diverged->text(), Contains("after update 1, because the 0.batch_norm.running_") &&
                                         Contains("at stage 0 is not finite") && Contains("inputs that are huge"));
      run reference({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.1}});
      reference.fit(good, {.shuffle = false, .quiet = true});
      for (std::size_t k : {0U, 1U}) CHECK(t.statistics(0, k) == reference.statistics(0, k));
      CHECK(std::isfinite(t.evaluate(good).loss));
    }
  }
  run t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.1}});
  growing::factor = 1e20F;
  auto const r =
      t.fit(data::memory<>(image(1, 2, 2), std::vector<float>(32, 1), std::vector<std::int32_t>(8, 1)), {.quiet = true});
  growing::factor = 1;
  REQUIRE(r.diverged);
  CHECK(r.diverged->update == 0);
  CHECK_THAT(r.diverged->what, Contains("growing.total"));
}

TEST_CASE("What the last W of a minibatch leaves is looked at then, not once more by U", "[update_check]") {
  check_looks<schedule::gpipe, optim::momentum>(true);
  check_looks<schedule::gpipe, optim::momentum, accumulate::thick>(true);
  check_looks<schedule::zb_h1, optim::momentum>(false);
}
