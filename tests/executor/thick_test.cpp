// Weight gradients once a minibatch: the same training up to rounding, the same bits on any workers, what the plan keeps.
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/accumulate.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

// 16 and 32 features of 4 samples fill multiples of 64 bytes, 5 and 3 do not: both ways are taken.
struct shared;
struct net : stages<input<5>, linear<16>, foal::tanh, tied<shared, linear<16>>, relu,
                    residual<linear<32>, foal::tanh, linear<16>>, tied<shared, linear<16>>, linear<3>> {};
struct images : stages<input<1, 4, 4>, conv_no_bias<4, 3>, batch_norm, relu, conv<2, 3>, flatten, linear<3>> {};

template <class Net, class Schedule, class... More>
using run = trainer<Net, loss::cross_entropy, Schedule, optim::momentum, More...>;

template <class Run>
std::vector<typename Run::scalar_type> trained(int workers, int features) {
  Run t({.microbatch_size = 4, .microbatches = 4, .workers = workers, .lr = {.rate = 0.05F}});
  test::stream const data{.features = features, .samples = 4};
  t.run(data, {.minibatches = 8});
  return t.all_weights();
}

template <class Net, class Schedule, class... More>
void check_same_training(int features) {
  auto const each = trained<run<Net, Schedule, scalar<double>, More...>>(1, features);
  using thick = run<Net, Schedule, scalar<double>, accumulate::thick, More...>;
  auto const one = trained<thick>(1, features);
  REQUIRE(one.size() == each.size());
  for (std::size_t i = 0; i < one.size(); ++i) REQUIRE(one[i] == Approx(each[i]).epsilon(1e-9).margin(1e-12));
  for (int workers = 2; workers <= std::min(5, thick::most_ranks); ++workers)
    CHECK(trained<thick>(workers, features) == one);
}

}  // namespace

TEST_CASE("Weight gradients once a minibatch train the same, up to rounding", "[thick]") {
  check_same_training<net, schedule::sequential>(5);
  check_same_training<net, schedule::gpipe>(5);
  check_same_training<net, schedule::pipemare>(5);
  check_same_training<net, schedule::async_1f1b, versions::stash>(5);
  check_same_training<net, schedule::recomputed<schedule::pipemare>>(5);
  check_same_training<images, schedule::gpipe>(16);
  check_same_training<images, schedule::async_1f1b>(16);
}

TEST_CASE("A minibatch's saved inputs lie one after the other, and the plan counts them", "[thick]") {
  run<net, schedule::sequential, accumulate::thick> const t({.microbatch_size = 4, .microbatches = 4});
  for (executor::bound_stage const& b : t.engine().stages())
    for (std::size_t x = 0; x < b.tensors.size(); ++x)
      if (b.table->tensors[x].last == until::W && b.table->tensors[x].where == table::place::kept)
        CHECK(b.tensors[x].count % 4 == 0);
  run<net, schedule::sequential> const each({.microbatch_size = 4, .microbatches = 4});
  CHECK(t.engine().memory().plan().bytes(category::saved) > 2 * each.engine().memory().plan().bytes(category::saved));
}
