// Training by lists that are read: PyTorch's own files, to the bits of sequential; a list that cannot run is refused.
#include <foal/schedule/rules/listed.hpp>

#include <catch2/catch.hpp>

#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/csv.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include "tests/support/nets.hpp"
#include "tests/support/torch_lists.hpp"

namespace {

using namespace foal;

struct four : stages<input<5>, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<3>> {};
struct eight : stages<input<5>, repeat<7, linear<4>, foal::tanh>, linear<3>> {};

template <class Net, class Schedule>
std::vector<float> trained(int microbatches, int ranks, int workers, Schedule schedule = {}) {
  using run = trainer<Net, loss::cross_entropy, Schedule, optim::momentum>;
  typename run::config c;
  c.microbatch_size = 2;
  c.microbatches = microbatches;
  c.ranks = ranks;
  c.workers = workers;
  c.lr = {.rate = 0.1F};
  c.schedule = std::move(schedule);
  run t(c);
  t.run(test::stream{.samples = 2}, {.minibatches = 6});
  return t.all_weights();
}

}  // namespace

TEST_CASE("PyTorch's lists train on any workers to the bits of sequential", "[executor]") {
  static_assert(four::description.stages == 4 && eight::description.stages == 8);
  schedule::listed const zb1p{schedule::from_csv(test::torch_zb1p)}, dual{schedule::from_csv(test::torch_dual_pipe_v)};
  auto const small = trained<four, schedule::sequential>(8, 1, 1);
  for (int workers : {1, 2}) CHECK(trained<four>(8, 2, workers, zb1p) == small);
  CHECK(trained<four>(8, 2, 2, schedule::listed{schedule::from_csv(test::torch_zb1p_with_messages)}) == small);
  auto const large = trained<eight, schedule::sequential>(10, 1, 1);
  for (int workers : {1, 2, 3, 4}) CHECK(trained<eight>(10, 4, workers, dual) == large);
}

TEST_CASE("a list that cannot run, or is of another size, is refused before it trains", "[executor]") {
  schedule::listed const stuck{schedule::from_csv("0F0,0B0,0F1,0B1,2F0,2F1,2B0,2B1\n1F0,1F1,1B0,1B1,3F0,3F1,3B0,3B1\n")};
  CHECK_THROWS_WITH(trained<four>(2, 2, 1, stuck),
                    Catch::Contains("B(stage 0, microbatch 0) on rank 0") || Catch::Contains("because it waits for"));
  schedule::listed const lost{schedule::from_csv("0F0,0B0,0F1,0B1,2F0,2F1,2B0,2B1\n1F0,1F1,1B0,1B1,3F0,3B0,3B1\n")};
  CHECK_THROWS_WITH(trained<four>(2, 2, 1, lost),
                    Catch::Contains("F(stage 3, microbatch 1) on rank 1 is in no list; add it once"));
  schedule::listed const zb1p{schedule::from_csv(test::torch_zb1p)};
  CHECK_THROWS_WITH(trained<four>(4, 2, 1, zb1p), Catch::Contains("with 4 microbatches by this list, because it is for 4 "
                                                                  "stages on 2 ranks with 8 microbatches"));
}
