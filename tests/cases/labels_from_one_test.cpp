// Labels that the model has no class for are named, in training and in evaluation; so is an evaluation that is not finite.
#include <foal/data/memory.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace {

using namespace foal;
using Catch::Contains;

struct net : stages<input<1, 1, 4>, flatten, linear<3>> {};
using run = trainer<net, loss::cross_entropy, schedule::gpipe>;

/// 64 samples whose labels are 0 to 2 and `first` more; the last one is `last`.
data::memory<> labelled(std::int32_t first, std::int32_t last = 0, float value = 0.5F) {
  std::vector<std::int32_t> y(64);
  for (int i = 0; i < 64; ++i) y[static_cast<std::size_t>(i)] = first + i % 3;
  y[63] = last;
  std::vector<float> x(256, 0.5F);
  x[200] = value;
  return {image(1, 1, 4), x, y};
}

/// Says that its labels fit, so that nobody looks before they are met.
struct lying : data::memory<> {
  lying(data::memory<> from) : data::memory<>(std::move(from)) {}  // NOLINT: a source as it is
  int classes() const { return 3; }
};

}  // namespace

TEST_CASE("Labels from 1 are refused before anything is trained, for training and for evaluation", "[cases]") {
  data::memory<> const good = labelled(0), bad = labelled(1);
  std::string const wanted =
      "cannot use sample 2, because its target is 3 and the model has 3 classes, 0 to 2; count classes from 0, widen the "
      "last layer, or give a target that does not count the number that the loss ignores";
  run t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.01}});
  auto const before = t.all_weights();
  CHECK_THROWS_WITH(t.fit(good, {.epochs = 2, .evaluate = bad, .quiet = true}), wanted);
  CHECK_THROWS_WITH(t.fit(bad, {.quiet = true}), wanted);
  CHECK_THROWS_WITH(t.evaluate(bad), wanted);
  CHECK_THROWS_WITH(t.evaluate(labelled(0, -1)), Contains("sample 63") && Contains("its target is -1"));
  CHECK(t.updates() == 0);
  CHECK(t.all_weights() == before);
  CHECK_FALSE(t.fit(good, {.evaluate = good, .quiet = true}).diverged);  // and nothing was lost
}

TEST_CASE("A label that the source did not tell of is named where it is met", "[cases]") {
  lying const bad = labelled(0, 7);
  lying const good = labelled(0);
  for (bool shuffle : {false, true}) {
    run t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.01}});
    CHECK_THROWS_WITH(t.fit(bad, {.shuffle = shuffle, .quiet = true}),
                      Contains("cannot use sample 63,") && Contains("is 7"));
    for (float w : t.all_weights()) CHECK(std::isfinite(w));
  }
  run t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.01}});
  CHECK_THROWS_WITH(t.evaluate(bad), Contains("cannot use sample 63,"));
  // Beside a training the sentence stands in the result, and the training goes on.
  fit_report const r = t.fit(good, {.epochs = 2, .evaluate = bad, .quiet = true});
  CHECK(r.updates == 16);
  REQUIRE(r.evaluations.size() == 2);
  CHECK(std::isnan(r.evaluations[1].loss));
  CHECK_THAT(r.evaluations[1].fault, Contains("cannot use sample 63,"));
}

TEST_CASE("A user's batches are looked at minibatch by minibatch", "[cases]") {
  struct batches {
    void inputs(long long, float* x, float*) const { std::fill_n(x, 16, 0.5F); }
    void targets(long long m, std::int32_t* t) const {
      for (int i = 0; i < 4; ++i) t[i] = m == 5 && i == 1 ? 3 : i % 3;
    }
  } const data;
  run t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.01}});
  CHECK_THROWS_WITH(t.run(data, {.minibatches = 4}), Contains("cannot use sample 1 of microbatch 5,"));
}

TEST_CASE("An evaluation that is not finite says so and where, and the training goes on", "[cases]") {
  data::memory<> const good = labelled(0), holed = labelled(0, 0, std::numeric_limits<float>::quiet_NaN());
  run t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.01}, .evaluation_samples = 16});
  fit_report const r = t.fit(good, {.epochs = 2, .evaluate = holed, .quiet = true});
  CHECK_FALSE(r.diverged);
  CHECK(r.updates == 16);
  REQUIRE(r.evaluations.size() == 2);
  CHECK(std::isnan(r.evaluations[0].loss));
  CHECK_THAT(r.evaluations[0].fault,
             Contains("cannot give a loss of the weights after update 8,") && Contains("that of samples 48 to 63 is nan"));
  CHECK(r.evaluations[0].fault != r.evaluations[1].fault);
  CHECK(t.evaluate(good).fault.empty());
}
