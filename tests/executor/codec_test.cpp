// Codecs of a user in a run: on storage and on wires in both directions, as the built-in ones.
#include <foal/device/host.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/accumulate.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/codecs.hpp"
#include "tests/support/conversion.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using namespace foal::test;

template <class Schedule, class... More>
std::vector<float> check_workers() {
  using coded = small_run<Schedule, More...>;
  auto const one = trained_by<coded>(1);
  CHECK(trained_by<coded>(std::min(3, coded::most_ranks)) == one);
  CHECK(distance(trained_by<small_run<Schedule>>(1), one) > 1e-6);
  return one;
}

template <class Policy>
void watch(std::vector<std::vector<float>>& in, auto&& check) {
  using seeing = trainer<watched, loss::cross_entropy, schedule::sequential, Policy>;
  for (sight& s : seen) s = {};
  seeing t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.1F}});
  stream const data{.samples = 4};
  t.run(data, {.minibatches = 2});
  in.clear();
  for (long long m = 0; m < 4; ++m) data.inputs(m, in.emplace_back(20).data(), static_cast<float*>(nullptr));
  for (std::size_t m = 0; m < 4; ++m) check(m);
}

/// A policy that calls itself bfloat16 or int8, and has a codec of its own.
template <class Role>
struct in_disguise {
  using role = Role;
  static constexpr char const* name = "in disguise";
  static constexpr bool converts = true;
  using codec_type = fixed_point;
};

}  // namespace

TEST_CASE("Layers see what a user's storage gives back, not what a built-in one would", "[codec]") {
  std::vector<std::vector<float>> in;
  auto const check = [&](auto const& codec) {
    return [&](std::size_t m) {
      auto const back = [&](std::size_t row, std::vector<float> const& x) { return back_from(codec, row, x); };
      CHECK(seen[0].x[m] == back(5, in[m]));
      CHECK(seen[1].x[m] != back(6, seen[1].x[m]));  // within the stage
      CHECK(seen[2].x[m] == back(6, seen[1].x[m]));  // after the wire
      for (int i : {1, 2, 3}) CHECK(seen[i].read_back[m] == back(6, seen[i].x[m]));
      CHECK(seen[1].dy[m] == back(6, seen[2].dy[m]));
    };
  };
  watch<storage::coded<fixed_point>>(in, check(fixed_point{}));
  watch<in_disguise<role::storage>>(in, check(fixed_point{}));
  watch<storage::coded<steps<float>>>(in, check(steps<float>{}));
}

TEST_CASE("Layers see what a user's wires give back, in both directions", "[codec]") {
  std::vector<std::vector<float>> in;
  auto const check = [&](auto const& codec) {
    return [&](std::size_t m) {
      CHECK(seen[0].x[m] == in[m]);  // no wire
      CHECK(seen[2].x[m] == back_from(codec, 6, seen[1].x[m]));
      CHECK(seen[2].x[m] != seen[1].x[m]);
      CHECK(seen[1].dy[m] == back_from(codec, 6, seen[2].dy[m]));
      CHECK(seen[1].dy[m] != seen[2].dy[m]);
      for (int i : {1, 2, 3}) CHECK(seen[i].read_back[m] == seen[i].x[m]);  // what is kept is as it came
    };
  };
  watch<wire::coded<fixed_point>>(in, check(fixed_point{}));
  watch<in_disguise<role::wire>>(in, check(fixed_point{}));
  watch<wire::coded<steps<float>>>(in, check(steps<float>{}));
}

TEST_CASE("Codecs give the same bits on any number of workers, beside each other and the built-in ones", "[codec]") {
  using kept = storage::coded<fixed_point>;
  using sent = wire::coded<steps<float>>;
  auto const gpipe = check_workers<schedule::gpipe, kept, sent>();
  CHECK(trained_by<small_run<schedule::sequential, kept, sent>>(1) == gpipe);
  CHECK(trained_by<small_run<schedule::recomputed<schedule::gpipe>, kept, sent>>(2) == gpipe);
  check_workers<schedule::pipemare, sent>();
  check_workers<schedule::pipemare, kept, wire::int8>();
  check_workers<schedule::async_1f1b, storage::bfloat16, sent>();
  auto const thick = check_workers<schedule::gpipe, kept, sent, accumulate::thick>();
  CHECK(trained_by<small_run<weights_apart, kept, sent>>(1) == thick);
}

TEST_CASE("Built-in codecs go on storage and on wires alike", "[codec]") {
  CHECK(trained_by<small_run<schedule::gpipe, storage::coded<codec::bfloat16>>>(1) ==
        trained_by<small_run<schedule::gpipe, storage::bfloat16>>(1));
  CHECK(trained_by<small_run<schedule::gpipe, wire::coded<codec::int8>>>(1) ==
        trained_by<small_run<schedule::gpipe, wire::int8>>(1));
  check_workers<schedule::pipemare, wire::coded<codec::bfloat16>>();
  check_workers<schedule::pipemare, storage::coded<codec::int8>>();
}

TEST_CASE("A scalar that no built-in codec takes has a user's", "[codec]") {
  using doubles = small_run<schedule::gpipe, scalar<double>, storage::coded<fixed_point>, wire::coded<steps<double>>>;
  using exact = small_run<schedule::gpipe, scalar<double>>;
  auto const losses = [](auto t) {
    t->run(stream{.samples = 3}, {.minibatches = 8});
    return t->all_weights();
  };
  auto const values = [](int workers) {
    return typename doubles::config{.microbatch_size = 3, .microbatches = 4, .workers = workers, .lr = {.rate = 0.05}};
  };
  auto const one = losses(std::make_unique<doubles>(values(1)));
  CHECK(one == losses(std::make_unique<doubles>(values(3))));
  CHECK(one != losses(std::make_unique<exact>(
                   typename exact::config{.microbatch_size = 3, .microbatches = 4, .lr = {.rate = 0.05}})));
}

TEST_CASE("Texts of several lengths go through wires of rows", "[codec]") {
  using sent = trainer<texts, loss::cross_entropy, schedule::async_1f1b, optim::adam, wire::coded<upper_halves>>;
  using plain = trainer<texts, loss::cross_entropy, schedule::async_1f1b, optim::adam>;
  auto const fit = [](auto& t) { return t.fit(numbers{}, {.epochs = foal_test::repeats(12, 1), .quiet = true}); };
  sent one({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.003F}});
  sent three({.microbatch_size = 4, .microbatches = 2, .workers = 3, .lr = {.rate = 0.003F}});
  plain exact({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.003F}});
  auto const a = fit(one), b = fit(three), c = fit(exact);
  CHECK(one.all_weights() == three.all_weights());
  if (foal_test::sanitized) return;
  CHECK(c.epoch_loss.back() < 0.6);
  CHECK(a.epoch_loss.back() == Approx(c.epoch_loss.back()).margin(0.15));
}

TEST_CASE("Errors are fed back by codecs that take them, and refused for others", "[codec]") {
  using fixed = small_run<schedule::gpipe, wire::coded<fixed_point>>;
  auto const with = [](bool forward, bool backward) {
    typename fixed::config c{.microbatch_size = 3, .microbatches = 4, .lr = {.rate = 0.05F}};
    c.wire.feedback_forward = forward;
    c.wire.feedback_backward = backward;
    fixed t(c);
    t.run(stream{.samples = 3}, {.minibatches = 8});
    return everything(t);
  };
  auto const none = with(false, false);
  CHECK(with(true, false) != none);
  CHECK(with(false, true) != none);
  using rows = small_run<schedule::gpipe, wire::coded<steps<float>>>;
  CHECK_THROWS_WITH(rows({.wire = {.feedback_backward = true}}),
                    Catch::Matchers::Contains("cannot feed back what the codec steps loses, because its encode takes no"));
}

TEST_CASE("The facts name a user's codec and its bytes, and the plan's arrays what they are of", "[codec]") {
  using coded =
      trainer<digits_net<4>, loss::cross_entropy, schedule::gpipe, storage::coded<fixed_point>, wire::coded<steps<float>>>;
  coded const t({.microbatch_size = 16});
  CHECK_THAT(t.facts().text(), Catch::Matchers::Contains("coded codec=fixed point"));
  CHECK_THAT(t.facts().text(), Catch::Matchers::Contains("coded codec=steps"));
  CHECK_THAT(t.facts().text(), !Catch::Matchers::Contains("bfloat16") && !Catch::Matchers::Contains("int8"));
  // three wires of 32 values: 4 bytes and one for each
  CHECK_THAT(t.facts().text(), Catch::Matchers::Contains("the wires carry 1728 bytes of a microbatch's activations"));
  CHECK_THAT(t.facts().text(), Catch::Matchers::Contains("as float32 it would be 6144"));
  using half = trainer<digits_net<4>, loss::cross_entropy, schedule::gpipe, storage::bfloat16>;
  int halves = 0, floats = 0, masks = 0;
  half const h({});
  for (plan_entry const& e : h.engine().memory().plan().entries()) {
    if (e.purpose == category::weights) CHECK(e.type == element::float32);
    if (e.what != "saved activations") continue;
    halves += e.type == element::bfloat16 ? 1 : 0;
    floats += e.type == element::float32 ? 1 : 0;
    masks += e.type == element::uint8 ? 1 : 0;
  }
  CHECK(halves > 0);
  CHECK(floats == 0);
  CHECK(masks > 0);
}

TEST_CASE("A predictor's codecs have their own numbers", "[codec]") {
  auto const digits = data::handwritten({.train = 100, .test = 20});
  auto const predicted = [&](float step) {
    predictor<digits_net<4>, wire::coded<steps<float>>> guess({.wire = {.codec = {.step = step}}});
    std::vector<float> all;
    for (auto const& p : guess.predict(digits.test)) all.insert(all.end(), p.values.begin(), p.values.end());
    return all;
  };
  CHECK(predicted(0.125F) == predicted(0.125F));
  CHECK(predicted(0.125F) != predicted(0.25F));
}

TEST_CASE("Digits are learned as well through a user's codec, and predictions are those of evaluations", "[codec]") {
  check_digits<storage::coded<fixed_point>>([](auto&) {});
}
