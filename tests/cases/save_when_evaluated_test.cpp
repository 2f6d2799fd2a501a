// The weights that a callback of an evaluation saves, "the best so far", are those that were evaluated.
#include <foal/checkpoint/safetensors.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "tests/support/files.hpp"
#include "tests/support/nets.hpp"

namespace {

using namespace foal;

struct net
    : stages<input<test::mlp_inputs>, linear<8>, batch_norm, foal::tanh, linear<8>, foal::tanh, linear<test::mlp_classes>> {
};

template <class Schedule>
using run = trainer<net, loss::cross_entropy, Schedule, optim::momentum>;

/// Saves at every evaluation, while the workers go on; a file then holds what was evaluated.
template <class Run>
void check_files(int workers) {
  foal_test::temporary_directory const files;
  test::first_samples const data{48};
  typename Run::config const values{.microbatch_size = 4, .microbatches = 2, .workers = workers, .lr = {.rate = 0.1F}};
  Run t(values);
  std::vector<evaluation_result> told;
  typename Run::fit_options options{.epochs = 4, .evaluate = data, .quiet = true};
  options.hooks.evaluated = [&](evaluation_result const& r) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the others have time to train on
    checkpoint::write_safetensors(files / sentence(told.size()), t);
    CHECK(t.updates() == r.update);
    told.push_back(r);
  };
  t.fit(data, options);
  REQUIRE(told.size() == 4);
  CHECK(told[0].loss != told[1].loss);
  for (std::size_t i = 0; i < told.size(); ++i) {
    Run other(values);
    checkpoint::read_safetensors(files / sentence(i), other);
    evaluation_result const again = other.evaluate(data);
    CHECK(again.loss == told[i].loss);
    CHECK(again.accuracy == told[i].accuracy);
  }
}

}  // namespace

TEST_CASE("A file that a callback of an evaluation writes holds the weights that were evaluated", "[cases]") {
  for (int const workers : {1, 2}) {
    INFO(workers << " workers");
    check_files<run<schedule::gpipe>>(workers);
    check_files<run<schedule::pipemare>>(workers);
  }
}
