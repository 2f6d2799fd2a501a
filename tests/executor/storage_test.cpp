// Activations stored as bfloat16: what layers see, the same bits on any workers, half the bytes, the same accuracy.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/accumulate.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/conversion.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using namespace foal::test;
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

template <class Schedule, class... More>
std::vector<float> check_workers() {
  using stored = small_run<Schedule, half, More...>;
  auto const one = trained_by<stored>(1);
  for (int workers : {2, 3, stored::most_ranks}) CHECK(trained_by<stored>(std::min(workers, stored::most_ranks)) == one);
  double const far = distance(trained_by<small_run<Schedule, More...>>(1), one);
  CHECK(far > 1e-6);  // something was rounded
  CHECK(far < 0.1);   // statistics of three samples amplify it
  return one;
}

}  // namespace

TEST_CASE("Layers see their stage's results as computed, those of other stages rounded, and all rounded in B", "[storage]") {
  using watch = trainer<watched, loss::cross_entropy, schedule::sequential, half>;
  watch t({.microbatch_size = 4, .microbatches = 1, .lr = {.rate = 0.1F}});
  stream const data{.samples = 4};
  t.run(data, {.minibatches = 3});
  std::vector<float> in(20);
  data.inputs(2, in.data(), static_cast<float*>(nullptr));
  auto const last = [](auto const& rows) { return rows.back(); };
  CHECK(last(seen[0].x) == rounded(in));
  CHECK(last(seen[0].x) != in);
  CHECK(last(seen[1].x) != rounded(last(seen[1].x)));  // tanh's, within the stage
  CHECK(last(seen[2].x) == rounded(last(seen[1].x)));  // after the wire
  CHECK(last(seen[3].x) != rounded(last(seen[3].x)));
  for (int i : {1, 2, 3}) CHECK(last(seen[i].read_back) == rounded(last(seen[i].x)));  // below the first nothing trains
  CHECK(last(seen[3].dy) == rounded(last(seen[3].dy)));                                // from the stage after
  CHECK(last(seen[2].dy) != rounded(last(seen[2].dy)));                                // of this one
  CHECK(last(seen[1].dy) == rounded(last(seen[2].dy)));
  CHECK(last(seen[1].dy) != last(seen[2].dy));
}

TEST_CASE("Training on stored activations gives the same bits on any number of workers", "[storage]") {
  auto const gpipe = check_workers<schedule::gpipe>();
  check_workers<schedule::pipemare>();
  check_workers<schedule::async_1f1b, versions::stash>();
  check_workers<schedule::pipemare, delay::discrepancy_correction>();
  CHECK(trained_by<small_run<schedule::sequential, half>>(1) == gpipe);
}

TEST_CASE("What is recomputed is rounded as what was saved", "[storage]") {
  CHECK(trained_by<small_run<schedule::recomputed<schedule::gpipe>, half>>(2) ==
        trained_by<small_run<schedule::gpipe, half>>(1));
  check_workers<schedule::recomputed<schedule::pipemare>, delay::discrepancy_correction>();
}

TEST_CASE("Weight gradients of a minibatch are taken microbatch by microbatch, with the sums of W as an op of its own",
          "[storage]") {
  auto const thick = check_workers<schedule::gpipe, accumulate::thick>();
  CHECK(trained_by<small_run<weights_apart, half>>(1) == thick);
  // W then reads output gradients that have been stored.
  CHECK(distance(trained_by<small_run<schedule::gpipe, half>>(1), thick) < 0.01);
  CHECK(distance(trained_by<small_run<schedule::gpipe, half>>(1), thick) > 0);
  check_workers<schedule::pipemare, accumulate::thick>();
}

TEST_CASE("Token numbers and lengths cross stages exactly", "[storage]") {
  using exact = trainer<texts, loss::cross_entropy, schedule::async_1f1b, optim::adam>;
  using stored = trainer<texts, loss::cross_entropy, schedule::async_1f1b, optim::adam, half>;
  auto const fit = [](auto& t) { return t.fit(numbers{}, {.epochs = foal_test::repeats(12, 1), .quiet = true}); };
  stored one({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.003F}});
  stored three({.microbatch_size = 4, .microbatches = 2, .workers = 3, .lr = {.rate = 0.003F}});
  exact plain({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.003F}});
  auto const a = fit(one), b = fit(three), c = fit(plain);
  CHECK(one.all_weights() == three.all_weights());
  if (foal_test::sanitized) return;
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
  check_digits<half>([](auto&) {});
}
