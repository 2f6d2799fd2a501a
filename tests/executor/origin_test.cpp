// A loss that is not finite is told with the layer whose output was the first that was not.
#include <foal/executor/origin.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <foal/foal.hpp>
#include <limits>

namespace {

using namespace foal;

/// Adds to its input; what is above a bound becomes NaN.
template <int Bound>
struct shift {
  static constexpr char const* name = "shift";
  static constexpr until input_kept = until::W;
  static constexpr shape output(shape in) { return in; }
  static constexpr list<parameter> parameters(shape) { return {parameter{"by", features(1), {}, false}}; }
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S>) {
    for (int i = 0; i < ctx.samples * ctx.in.size(); ++i)
      y[i] = x[i] > S(Bound) ? std::numeric_limits<S>::quiet_NaN() : x[i] + w[0][0];
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    std::copy_n(dy, ctx.samples * ctx.in.size(), dx);
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C&, S const* dy, saved<S>, weights<S> dw) {
    dw[0][0] += S(1e-6) * dy[0];
  }
};

struct net : stages<input<4>, shift<1000>, shift<100>, shift<1000>, linear<3>> {};
struct tanh_net : stages<input<4>, shift<1000>, shift<100>, foal::tanh, shift<1000>, linear<3>> {};

struct samples {
  float large = 0;
  void inputs(long long m, float* x, float*) const {
    std::fill(x, x + 8, 0.25F);
    if (m == 9) x[5] = large;
  }
  void targets(long long, float* t) const { std::fill(t, t + 6, 0.5F); }
};

template <class Schedule, class Net = net>
divergence diverged(float large, int workers) {
  trainer<Net, loss::mean_squared_error, Schedule, optim::sgd> t(
      {.microbatch_size = 2, .microbatches = 4, .workers = workers, .lr = {.rate = 1e-6}});
  executor::run_request request;
  request.minibatches = 6;
  auto const result = t.run(samples{large}, request);
  REQUIRE(result.diverged);
  return *result.diverged;
}

}  // namespace

TEST_CASE("the input of the model is named where that is not finite") {
  auto const d = diverged<schedule::gpipe>(std::numeric_limits<float>::quiet_NaN(), 1);
  CHECK(d.stage == 3);
  CHECK(d.from.stage == 0);
  CHECK(d.from.what == "input of the model");
  CHECK_THAT(d.text(), Catch::Contains("because the loss at stage 3 is not finite, which begins with the input of the model "
                                       "at stage 0; lower the learning rate"));
}

TEST_CASE("the first stage or layer whose output is not finite is named, whoever runs it") {
  for (int workers : {1, 2, 4}) {
    INFO(workers << " workers");
    for (divergence const& d : {diverged<schedule::gpipe>(200, workers), diverged<schedule::one_f_one_b>(200, workers),
                                diverged<schedule::pipemare>(200, workers)}) {
      CHECK(d.what == "loss");
      CHECK(d.update == 2);
      CHECK(d.from.stage == 1);
      CHECK(d.from.what == "output");
    }
    CHECK(diverged<schedule::pipemare, tanh_net>(200, workers).from.what == "output of 1.shift");
  }
}

TEST_CASE("of recomputed stages the group is named before which it begins, or nothing") {
  auto const d = diverged<schedule::recomputed<schedule::pipemare>>(std::numeric_limits<float>::quiet_NaN(), 2);
  CHECK(d.from.what == "input of the model");
  CHECK(diverged<schedule::recomputed<schedule::pipemare>>(200, 2).from.stage <= 1);
}

TEST_CASE("of several processes the first stage counts, and of that what names a layer") {
  CHECK(executor::first_of(std::vector<divergence::origin>{}).stage == -1);
  CHECK(executor::first_of({{}, {3, "output"}, {}}).stage == 3);
  CHECK(executor::first_of({{2, "output"}, {2, "output of 4.conv"}}).what == "output of 4.conv");
  CHECK(executor::first_of({{2, "output of 4.conv"}, {2, "output"}}).what == "output of 4.conv");
  CHECK(executor::first_of({{5, "output of 9.tanh"}, {1, "output"}, {0, "input of the model"}}).stage == 0);
}
