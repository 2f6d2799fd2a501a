// What was saved on the GPU loads on the host, and back: weights alone, and a fit that goes on.
#include <catch2/catch.hpp>
#include <foal/checkpoint.hpp>
#include <foal/checkpoint/safetensors.hpp>
#include <foal/cuda.hpp>
#include <foal/data/memory.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "../support/cuda_array.hpp"
#include "../support/files.hpp"
#include "../support/plain_device.hpp"

namespace {

using namespace foal::test;

struct net : foal::stages<foal::input<6>, foal::linear<8>, foal::tanh, foal::linear<7>, foal::tanh, foal::linear<1>> {};

template <class Device>
using run_on = foal::trainer<net, foal::loss::mean_squared_error, foal::schedule::pipemare, foal::on<Device>,
                             foal::optim::adam, foal::delay::discrepancy_correction>;
using on_gpu = run_on<foal::device::cuda>;
using on_host = run_on<plain_device>;
using in_bfloat16 = run_on<foal::device::cuda_bf16>;

foal::data::memory<float, float> table() { return {foal::features(6), numbers<float>(48 * 6, 1), numbers<float>(48, 2)}; }

template <class Run>
typename Run::config config(std::uint64_t seed = 3) {
  typename Run::config c{.microbatch_size = 4, .microbatches = 2, .seed = seed};
  c.lr.rate = 0.01;
  return c;
}

template <class Run>
void fit(Run& run, int epochs, std::string const& directory = {}) {
  typename Run::fit_options options{.epochs = epochs, .quiet = true};
  if (!directory.empty()) options.checkpoint = foal::checkpoints{.directory = directory, .resume = true};
  REQUIRE_FALSE(run.fit(table(), options).diverged);
}

/// First saves, a trainer of Second that began elsewhere loads: the same bits.
template <class First, class Second>
void weights_go_over() {
  foal_test::temporary_directory const dir;
  First first(config<First>());
  fit(first, 1);
  foal::checkpoint::write_safetensors(dir / "net.safetensors", first);
  Second second(config<Second>(8));
  CHECK(second.all_weights() != first.all_weights());
  foal::checkpoint::read_safetensors(dir / "net.safetensors", second);
  CHECK(second.all_weights() == first.all_weights());
}

/// A fit of First that ends after two epochs goes on in Second as it would have in First.
template <class First, class Second>
void fits_go_over() {
  foal_test::temporary_directory const dir;
  First whole(config<First>()), first(config<First>());
  fit(first, 2, dir / "run");
  {
    Second second(config<Second>());
    fit(second, 2, dir / "run");
    CHECK(second.all_weights() == first.all_weights());
  }
  Second second(config<Second>());
  fit(second, 4, dir / "run");
  fit(whole, 2, dir / "other");
  First rest(config<First>());
  fit(rest, 4, dir / "other");
  CHECK(second.updates() == rest.updates());
  CHECK(second.all_weights() != first.all_weights());
  CHECK(distance(second.all_weights(), rest.all_weights()) < 1e-5);
}

}  // namespace

TEST_CASE("weights that are saved on the GPU load on the host, and back", "[cuda]") {
  weights_go_over<on_gpu, on_host>();
  weights_go_over<on_host, on_gpu>();
}

TEST_CASE("weights of a run in bfloat16 are floats, which the host loads", "[cuda]") {
  weights_go_over<in_bfloat16, on_host>();
  weights_go_over<on_host, in_bfloat16>();
  // And a fit that goes on.
  foal_test::temporary_directory const dir;
  in_bfloat16 first(config<in_bfloat16>());
  fit(first, 2, dir / "run");
  {
    on_host second(config<on_host>());
    fit(second, 2, dir / "run");
    CHECK(second.all_weights() == first.all_weights());
  }
  on_host second(config<on_host>());
  fit(second, 3, dir / "run");
  CHECK(second.updates() == first.updates() / 2 * 3);
}

TEST_CASE("a fit on the GPU goes on on the host, and back", "[cuda]") {
  fits_go_over<on_gpu, on_host>();
  fits_go_over<on_host, on_gpu>();
}
