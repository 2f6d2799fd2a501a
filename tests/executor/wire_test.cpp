// Wires of 8-bit integers: what layers see, the same bits on any workers, error feedback, a quarter of the bytes, the same
// accuracy.
#include <foal/data/handwritten.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
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
using wire::int8;

/// The oracle: rows one after the other, in the plainest way. error: null or what earlier messages lost.
std::vector<float> sent(std::size_t row, std::vector<float> const& x, std::vector<float>* error = nullptr) {
  std::vector<float> back(x.size());
  for (std::size_t first = 0; first < x.size(); first += row) {
    std::vector<float> v(x.begin() + static_cast<std::ptrdiff_t>(first),
                         x.begin() + static_cast<std::ptrdiff_t>(first + row));
    bool zero = true;
    for (float a : v) zero = zero && a == 0;
    if (zero) continue;
    float most = 0;
    for (std::size_t i = 0; i < row; ++i) {
      if (error != nullptr) v[i] = (*error)[first + i] + v[i];
      most = std::max(most, std::abs(v[i]));
    }
    float const scale = most / 127.0F, inverse = 127.0F / most;
    for (std::size_t i = 0; i < row; ++i) {
      back[first + i] = std::nearbyint(v[i] * inverse) * scale;
      if (error != nullptr) (*error)[first + i] = v[i] - back[first + i];
    }
  }
  return back;
}

template <class Schedule, class... More>
using run = trainer<net<4>, loss::cross_entropy, Schedule, optim::momentum, More...>;

template <class Run>
typename Run::config values(int workers, int8 wire = {false, true}) {
  typename Run::config c;
  c.microbatch_size = 3;
  c.microbatches = 4;
  c.workers = workers;
  c.lr.rate = 0.05F;
  if constexpr (std::is_same_v<policy_of<Run, role::wire>, int8>) c.wire = wire;
  if constexpr (requires { c.warmup.minibatches; }) c.warmup.minibatches = 3;
  return c;
}

stream const samples{.classes = 4, .samples = 3};

template <class Run>
std::vector<float> trained(int workers, int8 wire = {false, true}) {
  Run t(values<Run>(workers, wire));
  REQUIRE_FALSE(t.run(samples, {.minibatches = 10}).diverged);
  return everything(t);
}

template <class Schedule, class... More>
std::vector<float> check_workers(int8 wire = {false, true}) {
  using quantised = run<Schedule, int8, More...>;
  auto const one = trained<quantised>(1, wire);
  for (int workers : {2, 3, quantised::most_ranks}) CHECK(trained<quantised>(workers, wire) == one);
  CHECK(trained<run<Schedule, int8, executor::single_thread, More...>>(1, wire) == one);
  double const far = distance(trained<run<Schedule, More...>>(1), one);
  CHECK(far > 1e-6);  // something was rounded
  CHECK(far < 0.3);   // statistics of three samples amplify it
  return one;
}

}  // namespace

TEST_CASE("Layers see what other stages sent as the oracle quantises it, with the errors of messages before", "[wire]") {
  using watch = trainer<watched, loss::cross_entropy, schedule::sequential, int8>;
  for (int8 const wire : {int8{false, false}, int8{false, true}, int8{true, false}, int8{true, true}}) {
    CAPTURE(wire.feedback_forward, wire.feedback_backward);
    for (sight& s : seen) s = {};
    watch t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.1F}, .wire = wire});
    stream const four{.samples = 4};
    t.run(four, {.minibatches = 2});
    t.run(four, {.minibatches = 2});  // errors go on
    REQUIRE(seen[0].x.size() == 8);
    std::vector<float> forward(24, 0.0F), backward(24, 0.0F);
    for (std::size_t m = 0; m < 8; ++m) {
      std::vector<float> in(20);
      four.inputs(static_cast<long long>(m), in.data(), static_cast<float*>(nullptr));
      CHECK(seen[0].x[m] == in);  // no wire
      auto const arrived = sent(6, seen[1].x[m], wire.feedback_forward ? &forward : nullptr);
      auto const returned = sent(6, seen[2].dy[m], wire.feedback_backward ? &backward : nullptr);
      for (std::size_t i = 0; i < 24; ++i) {
        CHECK(seen[2].x[m][i] == Approx(arrived[i]).epsilon(1e-5).margin(1e-8));
        CHECK(seen[1].dy[m][i] == Approx(returned[i]).epsilon(1e-5).margin(1e-8));
      }
      CHECK(seen[2].x[m] != seen[1].x[m]);
      CHECK(seen[1].dy[m] != seen[2].dy[m]);
      for (int i : {1, 2, 3}) CHECK(seen[i].read_back[m] == seen[i].x[m]);  // below the first nothing trains
    }
  }
}

TEST_CASE("What has arrived is the sum of what was sent to half a scale with feedback, and drifts without it", "[wire]") {
  using watch = trainer<watched, loss::cross_entropy, schedule::sequential, int8>;
  struct same {  // one microbatch again and again, at a rate of 0: every gradient is the same
    void inputs(long long, float* x, float*) const { stream{.samples = 4}.inputs(3, x, static_cast<float*>(nullptr)); }
    void targets(long long, std::int32_t* y) const { stream{.samples = 4}.targets(3, y); }
  };
  double worst[2]{};
  for (bool feedback : {false, true}) {
    for (sight& s : seen) s = {};
    watch t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0}, .wire = {.feedback_backward = feedback}});
    t.run(same{}, {.minibatches = 50});
    for (std::size_t i = 0; i < 24; ++i) {
      double given = 0, got = 0, scale = 0;
      for (std::size_t m = 0; m < 100; ++m)
        given += static_cast<double>(seen[2].dy[m][i]), got += static_cast<double>(seen[1].dy[m][i]);
      for (std::size_t k = i / 6 * 6; k < i / 6 * 6 + 6; ++k)
        scale = std::max(scale, std::abs(static_cast<double>(seen[2].dy[0][k])) / 127);
      worst[feedback ? 1 : 0] = std::max(worst[feedback ? 1 : 0], std::abs(given - got) / scale);
    }
  }
  CHECK(worst[0] > 20);   // nearly half a scale, a hundred times
  CHECK(worst[1] < 0.6);  // with the roundings of a hundred sums
}

TEST_CASE("Quantised wires give the same bits on any number of workers and any executor", "[wire]") {
  auto const gpipe = check_workers<schedule::gpipe>();
  CHECK(trained<run<schedule::sequential, int8>>(1) == gpipe);
  CHECK(check_workers<schedule::gpipe>({false, false}) != gpipe);
  CHECK(check_workers<schedule::gpipe>({true, true}) != gpipe);
  check_workers<schedule::pipemare>();
  check_workers<schedule::pipemare, delay::discrepancy_correction>({true, true});
  check_workers<schedule::async_1f1b, versions::stash>();
  check_workers<schedule::pipemare, warmup::synchronous>();
  check_workers<schedule::pipemare, storage::bfloat16>();
}

TEST_CASE("Errors go on from one call of run to the next", "[wire]") {
  using gpipe = run<schedule::gpipe, int8>;
  for (bool forward : {false, true}) {
    gpipe at_once(values<gpipe>(2, {forward, true})), in_two(values<gpipe>(1, {forward, true}));
    at_once.run(samples, {.minibatches = 7});
    in_two.run(samples, {.minibatches = 3});
    in_two.run(samples, {.minibatches = 4});
    CHECK(everything(at_once) == everything(in_two));
  }
}

TEST_CASE("Recomputation sends again what was sent, feedback of activations is refused with it", "[wire]") {
  using again = run<schedule::recomputed<schedule::gpipe>, int8>;
  CHECK(trained<again>(2) == trained<run<schedule::gpipe, int8>>(1));
  CHECK(trained<again>(1, {false, false}) == trained<run<schedule::gpipe, int8>>(1, {false, false}));
  check_workers<schedule::recomputed<schedule::pipemare>, delay::discrepancy_correction>();
  CHECK_THROWS_WITH(again(values<again>(1, {true, true})), Catch::Matchers::Contains("cannot feed back"));
}

TEST_CASE("Weight gradients of a whole minibatch read the same messages", "[wire]") {
  // W is an op of its own, and nothing but wires is stored in another type: the sums are those of BW.
  auto const gpipe = trained<run<schedule::gpipe, int8>>(1);
  CHECK(check_workers<schedule::gpipe, accumulate::thick>() == gpipe);
  CHECK(trained<run<weights_apart, int8>>(1) == gpipe);
  // Beside bfloat16 W reads what that has rounded.
  CHECK(trained<run<weights_apart, int8, storage::bfloat16>>(1) ==
        trained<run<schedule::gpipe, int8, storage::bfloat16, accumulate::thick>>(2));
  check_workers<schedule::pipemare, accumulate::thick>();
}

TEST_CASE("Evaluations, predictions and diagnostics leave errors alone", "[wire]") {
  auto const digits = data::handwritten({.train = 256, .test = 64});
  using small = trainer<digits_net<4>, loss::cross_entropy, schedule::pipemare, int8>;
  typename small::config c;
  c.lr.rate = 0.05F;
  c.wire = {true, true};
  small plain(c), watched(c);
  c.diagnostics = {.every = 4, .fresh = true};
  small measured(c);
  plain.fit(digits.train, {.epochs = 3, .quiet = true});
  watched.fit(digits.train, {.epochs = 3, .evaluate = digits.test, .quiet = true});
  auto const found = measured.fit(digits.train, {.epochs = 3, .quiet = true});
  CHECK(plain.all_weights() == watched.all_weights());
  CHECK(plain.all_weights() == measured.all_weights());
  CHECK(found.diagnostics.size() > 0);
  // An evaluation has no memory: twice the same.
  auto const a = plain.evaluate(digits.test), b = plain.evaluate(digits.test);
  CHECK(a.loss == b.loss);
}

TEST_CASE("A value that is not finite is seen behind a quantised wire", "[wire]") {
  using gpipe = run<schedule::gpipe, int8>;
  gpipe t(values<gpipe>(2));
  stream const bad{.classes = 4, .samples = 3, .poisoned = 40};
  auto const result = t.run(bad, {.minibatches = 10});
  REQUIRE(result.diverged);
  CHECK(result.diverged->update == 3);
}

TEST_CASE("A shorter microbatch leaves the errors of positions that it has not, in every sample", "[wire]") {
  table::run_tables t;
  t.device = lower::device_of<device::host, float>();
  codec::int8 const codec;
  t.codecs = {lower::codec_of<device::host, float>(codec)};
  void* const workspace = t.device.allocate(device::host::workspace_bytes, 0);
  void* const d = t.device.make(workspace, device::host::workspace_bytes, 0);
  int const samples = 3, most = 5, width = 4;
  table::stage_table stage;
  for (int id : {0, 1, 2}) {  // computed, sent, owed
    table::tensor x;
    x.sample = sequence(width, most, 1);
    x.elements = {0, x.sample.size()};
    if (id == 1) x.code = {0, width, codec::int8::bytes(width)};
    stage.tensors.push_back(x);
  }
  table::step const encode{.what = table::step::kind::encode, .x = 0, .y = 1, .other = 2};
  table::step const decode{.what = table::step::kind::decode, .x = 1, .y = 0};
  std::vector<float> owed(static_cast<std::size_t>(samples * most * width), 0.0F), oracle = owed;
  for (int const length : {5, 3, 1, 4, 5, 0}) {  // 0: as long as can be
    lengths_of_axes const n{{length, 0}};
    int const here = length == 0 ? most : length;
    std::size_t const size = static_cast<std::size_t>(samples * here * width);
    std::vector<float> x(size), back(size);
    for (std::size_t i = 0; i < size; ++i)
      x[i] = static_cast<float>((i * 37 + static_cast<std::size_t>(length)) % 101) - 50.3F;
    std::vector<std::byte> message(stage.tensors[1].bytes(samples));
    executor::tensor_moves const moves{t, d, samples, n};
    moves.run(stage, encode, {x.data(), owed.data(), message.data()});
    moves.run(stage, decode, {message.data(), nullptr, back.data()});
    for (int i = 0; i < samples; ++i)
      for (int p = 0; p < here; ++p) {
        auto const at = [](auto& of, int row) { return of.begin() + static_cast<std::ptrdiff_t>(row) * width; };
        std::vector<float> error(at(oracle, i * most + p), at(oracle, i * most + p + 1));
        auto const arrived = sent(width, {at(x, i * here + p), at(x, i * here + p + 1)}, &error);
        std::copy(error.begin(), error.end(), at(oracle, i * most + p));
        for (int c = 0; c < width; ++c)
          CHECK(*(at(back, i * here + p) + c) == Approx(arrived[static_cast<std::size_t>(c)]).margin(1e-4));
      }
    for (std::size_t i = 0; i < owed.size(); ++i) CHECK(owed[i] == Approx(oracle[i]).margin(1e-4));
  }
  t.device.destroy(d);
  t.device.release(workspace);
}

TEST_CASE("Texts of several lengths train with feedback, with the same bits on three workers", "[wire]") {
  using exact = trainer<texts, loss::cross_entropy, schedule::async_1f1b, optim::adam>;
  using quantised = trainer<texts, loss::cross_entropy, schedule::async_1f1b, optim::adam, int8>;
  auto const fit = [](auto& t) { return t.fit(numbers{}, {.epochs = foal_test::repeats(12, 1), .quiet = true}); };
  for (int8 const wire : {int8{false, true}, int8{true, true}}) {
    quantised one({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.003F}, .wire = wire});
    quantised three({.microbatch_size = 4, .microbatches = 2, .workers = 3, .lr = {.rate = 0.003F}, .wire = wire});
    exact plain({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.003F}});
    auto const a = fit(one), b = fit(three), c = fit(plain);
    CHECK(one.all_weights() == three.all_weights());
    if (foal_test::sanitized) continue;
    CHECK(c.epoch_loss.back() < 0.6);
    CHECK(a.epoch_loss.back() == Approx(c.epoch_loss.back()).margin(0.15));
  }
}

TEST_CASE("Wires take a quarter of the bytes, errors are planned, and the facts say so", "[wire]") {
  using net16 = digits_net<16>;
  using exact = trainer<net16, loss::cross_entropy, schedule::gpipe>;
  using quantised = trainer<net16, loss::cross_entropy, schedule::gpipe, int8>;
  using both = trainer<net16, loss::cross_entropy, schedule::gpipe, int8, storage::bfloat16>;
  exact const a({.microbatch_size = 64, .workers = 16});
  quantised const b({.microbatch_size = 64, .workers = 16, .wire = {.feedback_backward = true}});
  quantised const without({.microbatch_size = 64, .workers = 16});
  both const c({.microbatch_size = 64, .workers = 16});
  auto const bytes = [](auto const& t, category what) {
    return static_cast<double>(t.engine().memory().plan().bytes(what));
  };
  CHECK(bytes(b, category::wires) < 0.32 * bytes(a, category::wires));  // targets and the loss's gradient are no wires
  CHECK(bytes(b, category::saved) < bytes(a, category::saved));         // what the receiver keeps is what came
  CHECK(bytes(c, category::saved) < bytes(b, category::saved));         // the input, in two bytes
  CHECK(bytes(b, category::feedback) == 15 * 64 * 32 * sizeof(float));  // a message of gradients for each of 15 wires
  CHECK(bytes(without, category::feedback) == 0);
  CHECK(b.facts().bytes[category::feedback] == 15 * 64 * 32 * 4);
  CHECK_THAT(b.facts().text(), Catch::Matchers::Contains("int8 feedback_forward=false feedback_backward=true"));
  CHECK_THAT(b.facts().text(), Catch::Matchers::Contains("the wires carry 34560 bytes of a microbatch's activations"));
  CHECK_THAT(without.facts().text(), Catch::Matchers::Contains("int8 feedback_forward=false feedback_backward=false"));
  CHECK_THAT(a.facts().text(), !Catch::Matchers::Contains("int8"));
}

TEST_CASE("Digits are learned as well over quantised wires, and predictions are those of evaluations", "[wire]") {
  check_digits<int8>([](auto& config) { config.wire = {true, true}; });
}
