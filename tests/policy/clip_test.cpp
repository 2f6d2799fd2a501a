// Clipping by the norm of a stage's gradient: each stage for itself, after the division by N.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/clip.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using test::mlp;

/// A user's rate that is none after some updates.
struct own_rate {
  using role = foal::role::learning_rate;
  [[maybe_unused]] static constexpr char const* name = "own_rate";
  long long last = 1000;
  double at(lr::moment m) const { return m.update < last ? 0.1 : std::numeric_limits<double>::quiet_NaN(); }
};

/// A user's clipping: per_stage by another name, and all steps half as long.
struct halved {
  using role = foal::role::clip;
  [[maybe_unused]] static constexpr char const* name = "halved";
  static constexpr clip::scope norm_of = clip::scope::stage;
  double norm = 1;
  double scale(double of_gradient) const { return 0.5 * clip::per_stage{.norm = norm}.scale(of_gradient); }
};

/// Inputs whose gradients are finite and their squares are not.
struct huge : test::stream {
  void inputs(long long m, double* x, double*) const {
    test::stream::inputs(m, x, static_cast<double*>(nullptr));
    for (int i = 0; i < samples * features; ++i) x[i] *= 1e160;
  }
};

std::vector<double> stage_weights(auto const& t, int stage) {
  std::vector<double> all = t.weights(stage, 0);
  std::vector<double> const bias = t.weights(stage, 1);
  all.insert(all.end(), bias.begin(), bias.end());
  return all;
}

}  // namespace

TEST_CASE("a stage's step is shortened to the norm, and only where it is longer") {
  using plain = trainer<mlp<3>, loss::cross_entropy, schedule::gpipe, scalar<double>>;
  using clipped = trainer<mlp<3>, loss::cross_entropy, schedule::gpipe, clip::per_stage, scalar<double>>;
  test::stream const data{.samples = 2};
  plain free({.microbatch_size = 2, .microbatches = 4, .lr = {.rate = 1}});
  std::vector<std::vector<double>> before, step;
  std::vector<double> norm;
  for (int s = 0; s < 3; ++s) before.push_back(stage_weights(free, s));
  free.run(data, {.minibatches = 1});
  for (int s = 0; s < 3; ++s) {
    auto const i = static_cast<std::size_t>(s);
    step.push_back(stage_weights(free, s));
    double sum = 0;
    for (std::size_t e = 0; e < step[i].size(); ++e) {
      step[i][e] -= before[i][e];  // -gradient, as the rate is 1
      sum += step[i][e] * step[i][e];
    }
    norm.push_back(std::sqrt(sum));
  }
  double const least = std::min({norm[0], norm[1], norm[2]}), most = std::max({norm[0], norm[1], norm[2]});
  REQUIRE(most > 1.2 * least);

  for (double const limit : {0.5 * least, std::sqrt(least * most), 2 * most}) {
    clipped t({.microbatch_size = 2, .microbatches = 4, .lr = {.rate = 1}, .clip = {.norm = limit}});
    t.run(data, {.minibatches = 1});
    for (int s = 0; s < 3; ++s) {
      auto const i = static_cast<std::size_t>(s);
      std::vector<double> const after = stage_weights(t, s);
      double const scale = std::min(1.0, limit / (norm[i] + 1e-6));  // as torch.nn.utils.clip_grad_norm_
      double worst = 0;
      for (std::size_t e = 0; e < after.size(); ++e)
        worst = std::max(worst, std::abs(after[e] - before[i][e] - scale * step[i][e]));
      CHECK(worst < 1e-14);
    }
  }
}

TEST_CASE("a user's clipping scales by what it says") {
  using own = trainer<mlp<3>, loss::cross_entropy, schedule::gpipe, halved, scalar<double>>;
  using clipped = trainer<mlp<3>, loss::cross_entropy, schedule::gpipe, clip::per_stage, scalar<double>>;
  own a({.microbatch_size = 2, .microbatches = 4, .lr = {.rate = 1}, .clip = {.norm = 0.01}});
  clipped b({.microbatch_size = 2, .microbatches = 4, .lr = {.rate = 0.5}, .clip = {.norm = 0.01}});
  a.run(test::stream{.samples = 2}, {.minibatches = 3});
  b.run(test::stream{.samples = 2}, {.minibatches = 3});
  CHECK(a.all_weights() == b.all_weights());  // a power of 2: the same bits
}

TEST_CASE("a norm or a rate that is not finite ends the run and changes nothing") {
  using run = trainer<mlp<1>, loss::cross_entropy, schedule::gpipe, clip::per_stage, own_rate, scalar<double>>;
  run t({.microbatch_size = 2, .microbatches = 2, .lr = {.last = 3}, .clip = {.norm = 1}});
  auto const first = t.all_weights();
  auto const r = t.run(huge{{.samples = 2}}, {.minibatches = 2});
  REQUIRE(r.diverged);
  CHECK(r.diverged->update == 0);
  CHECK(r.diverged->what == "norm of the gradient");
  CHECK(t.all_weights() == first);

  run u({.microbatch_size = 2, .microbatches = 2, .lr = {.last = 3}, .clip = {.norm = 1}});
  u.run(test::stream{.samples = 2}, {.minibatches = 3});
  auto const before = u.all_weights();
  auto const s = u.run(test::stream{.samples = 2}, {.minibatches = 2});
  REQUIRE(s.diverged);
  CHECK(s.diverged->update == 3);
  CHECK(s.diverged->what == "learning rate");
  CHECK(u.all_weights() == before);
}
