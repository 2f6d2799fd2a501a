// Training on device::onednn: what the host trains to rounding, the same bits on any workers and executor, no thread more.
#include <foal/layer/flatten.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/onednn.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/resnet.hpp>
#include <foal/zoo/transformer.hpp>

#include <dlfcn.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/layer_check.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using device::onednn;
using test::relative_error;

constexpr int updates = foal_test::repeats(6, 3);

/// Weights after a few updates.
template <class Net, class Schedule, class... More, class Data>
std::vector<float> trained(Data const& data, int workers = 1) {
  trainer<Net, loss::cross_entropy, Schedule, optim::momentum, More...> t(
      {.microbatch_size = data.samples, .microbatches = 2, .workers = workers, .lr = {.rate = 0.02F}});
  auto const result = t.run(data, {.minibatches = updates});
  CHECK_FALSE(result.diverged);
  return t.all_weights();
}

/// Whether oneDNN computes the input gradients of so many rows, which depends on what the host's kernels are compiled for.
bool computes_products(int rows) {
  using namespace device::onednn_ops;
  return serves(way_of_products(), product_kind::nt, rows, 48, 48) ||
         serves(way_of_products(), product_kind::tn, 48, 48, rows);
}

/// `by_onednn`: whether it computes something; else the bits are the host's.
template <class Net, class Schedule, class... More, class Data>
void check_against_host(Data const& data, bool by_onednn) {
  auto const mine = trained<Net, Schedule, More..., on<onednn>>(data);
  auto const hosts = trained<Net, Schedule, More..., on<device::host>>(data);
  CHECK(relative_error(mine, hosts) < 1e-5);
  CHECK((mine != hosts) == by_onednn);
  CHECK(trained<Net, Schedule, More..., on<onednn>>(data, 2) == mine);
  CHECK(trained<Net, Schedule, More..., on<onednn>, executor::single_thread>(data) == mine);
}

struct mlp : stages<input<40>, repeat<3, linear<48>, foal::tanh>, linear<3>> {};

struct convolutional : stages<input<3, 8, 8>, conv_no_bias<16, 3>, batch_norm, relu,
                              zoo::resnet_block<zoo::residual_block::basic, zoo::resnet_block_size{.channels = 16}>,
                              zoo::resnet_block<zoo::residual_block::basic,
                                                zoo::resnet_block_size{.channels = 24, .stride = 2, .projects = true}>,
                              global_avg_pool, linear<3>> {};

constexpr int vocabulary = 11, longest = 7;

struct transformer : zoo::transformer<zoo::transformer_size{.encoder_layers = 1,
                                                            .decoder_layers = 1,
                                                            .width = 16,
                                                            .heads = 2,
                                                            .hidden = 24,
                                                            .source_vocabulary = vocabulary,
                                                            .target_vocabulary = vocabulary,
                                                            .longest = longest,
                                                            .dropout_percent = 0,
                                                            .where = zoo::norm::before,
                                                            .shared = zoo::sharing::all}> {};

/// Texts whose lengths follow from the microbatch: all of them are between 2 and `longest` in turn.
struct texts {
  int samples = 12;
  lengths_of_axes lengths(long long m) const {
    lengths_of_axes n;
    n.length[0] = 2 + static_cast<int>(m % (longest - 1));
    n.length[1] = 2 + static_cast<int>(m * 5 % (longest - 1));
    return n;
  }
  static int token(long long i, int p) { return static_cast<int>((i * 7 + p * 3) % vocabulary); }
  template <class S>
  void inputs(long long m, int entry, S* x) const {
    lengths_of_axes const n = lengths(m);
    int const rows = n.length[entry / 2];
    for (int s = 0; s < samples; ++s) {
      if (entry == 1) {
        x[s] = static_cast<S>(n.length[0]);
        continue;
      }
      for (int p = 0; p < rows; ++p) x[s * rows + p] = static_cast<S>(token(m * samples + s, p + entry));
    }
  }
  void targets(long long m, std::int32_t* t) const {
    int const rows = lengths(m).length[1];
    for (int s = 0; s < samples; ++s)
      for (int p = 0; p < rows; ++p) t[s * rows + p] = token(m * samples + s, p + 3);
  }
  double weight(long long minibatch) const {
    return samples * (lengths(2 * minibatch).length[1] + lengths(2 * minibatch + 1).length[1]);
  }
};

}  // namespace

TEST_CASE("onednn: an MLP on live, corrected, stashed and flushed weights", "[onednn]") {
  for (int const samples : {8, 64}) {
    test::stream const data{.features = 40, .classes = 3, .samples = samples};
    check_against_host<mlp, schedule::pipemare>(data, computes_products(samples));
    check_against_host<mlp, schedule::pipemare, delay::discrepancy_correction>(data, computes_products(samples));
    check_against_host<mlp, schedule::async_1f1b, versions::stash>(data, computes_products(samples));
    check_against_host<mlp, schedule::gpipe>(data, computes_products(samples));
  }
}

TEST_CASE("onednn: a small ResNet on live, corrected, stashed and recomputed weights", "[onednn]") {
  test::stream const data{.features = 3 * 8 * 8, .classes = 3, .samples = 4};
  check_against_host<convolutional, schedule::pipemare, delay::discrepancy_correction>(data, true);
  check_against_host<convolutional, schedule::async_1f1b, versions::stash>(data, true);
  check_against_host<convolutional, schedule::recomputed<schedule::pipemare>>(data, true);
}

TEST_CASE("onednn: a small Transformer with texts of changing lengths", "[onednn]") {
  check_against_host<transformer, schedule::pipemare, delay::discrepancy_correction>(texts{},
                                                                                     computes_products(texts{}.samples * 2));
}

TEST_CASE("onednn: the plan has room for the largest convolution's weights as oneDNN lays them out", "[onednn]") {
  using type = trainer<stages<input<2, 4, 4>, conv<300, 3>, conv<400, 3>, flatten, linear<3>>, loss::cross_entropy,
                       schedule::gpipe, on<onednn>>;
  type const t({.evaluation = false});
  std::size_t const form = sizeof(float) * 9 * 300 * 400;
  CHECK(t.tables().device.workspace_bytes > onednn::workspace_bytes + form);
  CHECK(t.engine().memory().allocated_bytes() > onednn::workspace_bytes + form);
}

TEST_CASE("onednn: weights that were set from outside are read at once", "[onednn]") {
  test::stream const data{.features = 3 * 8 * 8, .classes = 3, .samples = 4};
  using run = trainer<convolutional, loss::cross_entropy, schedule::gpipe, on<onednn>>;
  auto const first_loss = [&](bool set) {
    run t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0}});
    t.run(data, {.minibatches = 1});
    if (set) {
      auto w = t.weights(0, 0);
      for (float& x : w) x = -x;
      t.set_weights(0, 0, w);
    }
    return t.run(data, {.minibatches = 1, .every_loss = true}).losses.front().sum;
  };
  CHECK(first_loss(true) != first_loss(false));
}

TEST_CASE("onednn: a run has as many threads as workers, whatever OpenMP may take", "[onednn]") {
  auto const threads = [] {
    std::filesystem::directory_iterator const all("/proc/self/task");
    return static_cast<int>(std::distance(begin(all), end(all)));
  };
  auto const set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  auto const get = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
  int const before = threads(), mine = get();
  set(4);
  test::stream const data{.features = 3 * 8 * 8, .classes = 3, .samples = 16};
  trainer<convolutional, loss::cross_entropy, schedule::pipemare, on<onednn>> t(
      {.microbatch_size = 16, .microbatches = 2, .workers = 2});
  int most = 0;
  t.run(data, {.minibatches = foal_test::repeats(10, 3), .tick = [&](long long) { most = std::max(most, threads()); }});
  CHECK(most > 0);
  CHECK(most <= before + 2);
  CHECK(threads() == before);
  CHECK(get() == 4);
  set(mine);
}
