// What a run of a size costs: to construct, its arena, time and the executor's time for an op; nets of any size for it.
#pragma once

#include <ctime>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/gpt.hpp>

#include "cost.hpp"

namespace bench::growth {

/// y = x + w, sixteen numbers: no work to speak of, but everything that a layer can ask of the executor.
struct shift {
  static constexpr char const* name = "shift";
  static constexpr int width = 16;
  static constexpr foal::until input_kept = foal::until::W;
  static constexpr foal::shape output(foal::shape in) { return in; }
  static constexpr foal::list<foal::parameter> parameters(foal::shape) {
    return {foal::parameter{"weight", foal::features(width), {}, true}};
  }
  template <class C, class S = typename C::scalar>
  static void forward(C&, S const* x, foal::weights<S const> w, S* y, foal::saved<S>) {
    for (int i = 0; i < width; ++i) y[i] = x[i] + w[0][i];
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C&, S const* dy, foal::weights<S const>, foal::saved<S>, S* dx) {
    std::copy(dy, dy + width, dx);
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C&, S const* dy, foal::saved<S>, foal::weights<S> dw) {
    for (int i = 0; i < width; ++i) dw[0][i] += dy[i];
  }
};

template <int Stages>
struct deep : foal::stages<foal::input<shift::width>, foal::repeat<Stages, shift>> {
  using loss = foal::loss::mean_squared_error;
  struct samples {
    void inputs(long long m, float* x, float*) const { std::fill_n(x, shift::width, static_cast<float>(m % 7)); }
    void targets(long long, float* t) const { std::fill_n(t, shift::width, 1.0F); }
  };
};

/// One block of a GPT over windows of so many tokens.
template <int Tokens>
struct windows
    : foal::zoo::gpt<foal::zoo::gpt_size{
          .layers = 1, .width = 64, .heads = 4, .vocabulary = 256, .longest = Tokens, .dropout_percent = 0, .tied = false}> {
  using loss = foal::loss::cross_entropy;
  struct samples {
    void inputs(long long m, float* x, float*) const {
      for (int i = 0; i < Tokens; ++i) x[i] = static_cast<float>((m + 3 * i) % 256);
    }
    void targets(long long m, std::int32_t* t) const {
      for (int i = 0; i < Tokens; ++i) t[i] = static_cast<std::int32_t>((m + 3 * i + 3) % 256);
    }
  };
};

/// Seconds that the calling thread has had of a processor: other work on the machine does not lengthen them much.
inline double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// The least of `rounds`, of a run on one thread with microbatches of one sample. Needs N >= 1; ranks 0: one per stage.
template <class Net>
cost measured(int ranks, int microbatches, int rounds) {
  using run = foal::trainer<Net, typename Net::loss, foal::schedule::one_f_one_b, foal::executor::single_thread>;
  typename Net::samples const data;
  cost least;
  for (int round = 0; round < rounds; ++round) {
    double const begun = thread_seconds();
    auto const t = std::make_unique<run>(typename run::config{
        .microbatch_size = 1, .microbatches = microbatches, .ranks = ranks, .lr = {.rate = 0.0}, .evaluation = false});
    double const constructed = thread_seconds() - begun;
    foal::executor::run_request request;
    request.minibatches = 1;
    t->run(data, request);  // touches its memory
    double seconds = 0;
    long long samples = 0;
    while (seconds < 0.05) {
      request.minibatches = samples == 0 ? 1 : 2 * request.minibatches;
      double const before = thread_seconds();
      t->run(data, request);
      seconds = thread_seconds() - before;
      samples = request.minibatches * microbatches;
    }
    // F and BW of every microbatch and U of a minibatch at each stage
    double const ops = run::stages * (2 * static_cast<double>(samples) + static_cast<double>(request.minibatches));
    auto const keep = [round](double& is, double now) { is = round == 0 || now < is ? now : is; };
    keep(least.construction, constructed);
    keep(least.arena, static_cast<double>(t->facts().bytes.total()));
    keep(least.sample, seconds / static_cast<double>(samples));
    keep(least.op, seconds / ops);
  }
  return least;
}

/// As a program of its own prints it, for who has compiled it to read.
inline void print(cost const& c) { std::printf("%.9g %.9g %.9g %.9g\n", c.construction, c.arena, c.sample, c.op); }

}  // namespace bench::growth
