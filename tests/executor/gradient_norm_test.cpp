// Clipping by the norm of the whole model: the plain loop's steps, the same bits for any R and any number of workers.
#include <foal/executor/gradient_norm.hpp>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/accumulate.hpp>
#include <foal/policy/clip.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using test::mlp;

struct shared;
struct tied_net : stages<input<5>, linear<4>, foal::tanh, tied<shared, linear<4>>, foal::tanh, linear<4>, foal::tanh,
                         tied<shared, linear<4>>, foal::tanh, linear<3>> {};

struct straight : stages<input<5>, linear<4>, linear<4>, linear<3>> {};  // nothing saturates

template <class Net, class Schedule, class... More>
using plain = trainer<Net, loss::cross_entropy, Schedule, scalar<double>, More...>;
template <class Net, class Schedule, class... More>
using clipped = plain<Net, Schedule, clip::global_norm, More...>;

template <class Net>
void one_step_is_shortened() {
  test::stream const stream{.samples = 2};
  plain<Net, schedule::gpipe> free({.microbatch_size = 2, .microbatches = 4, .lr = {.rate = 1}});
  std::vector<double> const before = free.all_weights();
  free.run(stream, {.minibatches = 1});
  std::vector<double> step = free.all_weights();
  double norm = 0;
  for (std::size_t i = 0; i < step.size(); ++i) {
    step[i] -= before[i];
    norm += step[i] * step[i];
  }
  norm = std::sqrt(norm);
  for (double const limit : {0.3 * norm, 2 * norm}) {
    clipped<Net, schedule::gpipe> t(
        {.microbatch_size = 2, .microbatches = 4, .workers = 2, .lr = {.rate = 1}, .clip = {.norm = limit}});
    t.run(stream, {.minibatches = 1});
    std::vector<double> const after = t.all_weights();
    double const scale = std::min(1.0, limit / (norm + 1e-6));
    double worst = 0;
    for (std::size_t i = 0; i < step.size(); ++i) worst = std::max(worst, std::abs(after[i] - before[i] - scale * step[i]));
    CHECK(worst < 1e-14);
  }
}

template <class Net, class Schedule, class... More>
std::vector<double> trained(int ranks, int workers, Schedule schedule = {}) {
  INFO(Schedule::name << ", R " << ranks << ", workers " << workers);
  clipped<Net, Schedule, optim::momentum, More...> t({.microbatch_size = 2,
                                                      .microbatches = 3,
                                                      .workers = workers,
                                                      .ranks = ranks,
                                                      .lr = {.rate = 0.1},
                                                      .clip = {.norm = 0.2},
                                                      .schedule = schedule});
  REQUIRE_FALSE(t.run(test::stream{.samples = 2}, {.minibatches = 7}).diverged);
  t.run(test::stream{.samples = 2}, {.minibatches = 4});
  return t.all_weights();
}

/// Inputs whose gradients are finite and their squares are not.
struct huge : test::stream {
  void inputs(long long m, double* x, double*) const {
    test::stream::inputs(m, x, static_cast<double*>(nullptr));
    for (int i = 0; i < samples * features; ++i) x[i] *= m < 4 ? 1 : 1e160;
  }
};

}  // namespace

TEST_CASE("the whole model's step is shortened to the norm, and only where it is longer", "[gradient_norm]") {
  one_step_is_shortened<mlp<4>>();
  one_step_is_shortened<tied_net>();  // the gradient of shared weights is whole before it is measured
}

TEST_CASE("the same bits for any R and any number of workers", "[gradient_norm]") {
  std::vector<double> const first = trained<mlp<4>, schedule::gpipe>(1, 1);
  for (int ranks : {2, 3, 4})
    for (int workers = 1; workers <= ranks; ++workers) {
      CHECK(trained<mlp<4>, schedule::gpipe>(ranks, workers) == first);
      CHECK(trained<mlp<4>, schedule::one_f_one_b>(ranks, workers) == first);
    }
  CHECK(trained<mlp<4>, schedule::zb_h1>(4, 3) == first);
  std::vector<double> const thick = trained<mlp<4>, schedule::gpipe, accumulate::thick>(1, 1);
  CHECK(trained<mlp<4>, schedule::gpipe, accumulate::thick>(4, 4) == thick);
}

TEST_CASE("a norm that is not finite ends the run at one update of all stages, and changes nothing", "[gradient_norm]") {
  std::vector<double> first;
  for (int workers : {1, 3}) {
    clipped<straight, schedule::gpipe> t({.microbatch_size = 2, .microbatches = 2, .workers = workers, .lr = {.rate = 0.1}});
    auto const r = t.run(huge{{.samples = 2}}, {.minibatches = 5});
    REQUIRE(r.diverged);
    CHECK(r.diverged->update == 2);
    CHECK(r.diverged->what == "norm of all stages' gradients");
    CHECK(t.updates() == 2);
    if (first.empty()) first = t.all_weights();
    CHECK(t.all_weights() == first);
  }
}
