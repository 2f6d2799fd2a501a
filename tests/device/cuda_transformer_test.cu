// Transformers train on the CUDA device as on the host, and every layer's ops are there.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/data/parallel_source.hpp>
#include <foal/data/sequence_batches.hpp>
#include <foal/layer/avg_pool.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/gelu.hpp>
#include <foal/layer/gelu_tanh.hpp>
#include <foal/layer/group_norm.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/layer/max_pool.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/gpt.hpp>
#include <foal/zoo/transformer.hpp>

#include "../support/host_and_gpu.hpp"

namespace {

using namespace foal::test;
using foal::device::cuda;

/// The ops that these layers call, all but those of segments.
template <class... Layers>
constexpr bool serves = (foal::device::ops::serve<Layers, cuda, float> && ...);
struct ids;
static_assert(serves<foal::attention<2>, foal::cross_attention<2, ids>, foal::avg_pool<2>, foal::global_avg_pool,
                     foal::batch_norm, foal::conv<4, 3>, foal::dropout<10>, foal::embedding<9, 8>, foal::logits<9>,
                     foal::gelu, foal::gelu_tanh, foal::group_norm<2>, foal::layer_norm, foal::learned_position,
                     foal::linear<4>, foal::max_pool<2>, foal::relu, foal::sinusoidal_position, foal::tanh,
                     foal::embedding_part<9, 3, 1, 8, ids>, foal::logits_part<9, 3, 1, 8, ids, ids>>);
static_assert(serves<foal::loss::cross_entropy, foal::loss::mean_squared_error, foal::loss::vocabulary_cross_entropy<9>>);
static_assert(foal::device::ops::serve_segments<foal::attention<2, foal::mask::causal>, cuda, float> &&
              foal::device::ops::serve_segments<foal::sinusoidal_position, cuda, float> &&
              foal::device::ops::serve_segments<foal::dropout<10>, cuda, float>);

constexpr int vocabulary = 9;

/// Encoder and decoder, with one matrix for both embeddings and the output.
struct translator : foal::zoo::transformer<foal::zoo::transformer_size{.encoder_layers = 1,
                                                                       .decoder_layers = 1,
                                                                       .width = 8,
                                                                       .heads = 2,
                                                                       .hidden = 12,
                                                                       .source_vocabulary = vocabulary,
                                                                       .target_vocabulary = vocabulary,
                                                                       .longest = 9,
                                                                       .dropout_percent = 10,
                                                                       .where = foal::zoo::norm::after,
                                                                       .shared = foal::zoo::sharing::all,
                                                                       .stages = foal::zoo::cut::layers}> {};

/// Pairs of texts of 1 to 8 tokens and 1 to 6.
foal::data::parallel_source pairs() {
  std::vector<std::vector<std::int32_t>> source, target;
  for (int i = 0; i < 40; ++i) {
    source.emplace_back(1 + i * 5 % 8, 4 + i % 5);
    target.emplace_back(1 + i * 7 % 6, 4 + i * 3 % 5);
  }
  return {source, target};
}

/// The weights after 20 updates.
template <class Device>
std::vector<float> trained(foal::data::layout lie) {
  constexpr int m = 3, n = 1;
  using run = foal::trainer<translator, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::momentum,
                            foal::on<Device>, foal::executor::single_thread>;
  run t({.microbatch_size = m, .microbatches = n, .workers = 1, .seed = 5, .lr = {.rate = 0.05F}});
  auto const source = pairs();
  foal::data::sequence_batches<foal::data::parallel_source> const batches(
      source, {.microbatch_size = m, .microbatches = n, .seed = 3}, lie, 2);
  auto const result = t.run(batches, {.minibatches = 20});
  REQUIRE_FALSE(result.diverged);
  return t.all_weights();
}

}  // namespace

TEST_CASE("a Transformer with tied weights trains on the GPU as on the host, padded and ragged", "[cuda]") {
  for (auto const lie : {foal::data::layout::ragged, foal::data::layout::padded}) {
    auto const host = trained<host_apart<float>>(lie), gpu = trained<cuda>(lie);
    CHECK(distance(gpu, host) < 1e-5);
    if (lie == foal::data::layout::ragged) CHECK(trained<cuda>(lie) == gpu);
  }
}
