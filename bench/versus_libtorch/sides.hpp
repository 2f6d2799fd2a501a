// What both sides of the comparison with libtorch share: a network as data, batches, and something that trains.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <foal/core/random.hpp>
#include <foal/core/recording.hpp>

#include "../support/texts.hpp"

namespace bench::versus {

/// One step of a network. Entry 0 holds the activations, the others what a skip connection keeps.
struct step {
  enum class kind { layer, save, add } what = kind::layer;
  std::string name;                            ///< of the layer, as foal calls it
  int entry = 0;                               ///< that it acts on
  int kernel = 0, stride = 0, padding = 0;     ///< of a convolution or pooling
  std::vector<std::vector<float>> parameters;  ///< initial ones, in foal's layout; empty arrays in a child that needs none
  std::vector<std::vector<int>> extents;       ///< of the parameters
};

/// A network with its initial weights. Samples are features, or images whose elements lie channels last.
struct network {
  int channels = 0, height = 1, width = 1, classes = 0;
  std::vector<step> steps;
  double product_flops = 0;        ///< of one sample's forward: convolutions and linear layers, a multiply-add counts 2
  double first_product_flops = 0;  ///< of the first of them, whose input needs no gradient

  int sample() const { return channels * height * width; }
  /// Counted products of a training step with `samples` samples: forward, input gradient, weight gradient.
  double step_flops(int samples) const { return samples * (3 * product_flops - first_product_flops); }
};

/// Different minibatches that are gone through again and again: numbers in [0, 1), labels that depend on them.
struct batches {
  static constexpr int count = 8;
  int minibatch, sample;
  std::vector<float> x;
  std::vector<std::int32_t> y;

  batches(int minibatch_size, int sample_size, int classes) : minibatch(minibatch_size), sample(sample_size) {
    auto const samples = static_cast<std::size_t>(count * minibatch), size = static_cast<std::size_t>(sample);
    x.resize(samples * size);
    y.resize(samples);
    foal::random_key const key{1, foal::purpose::user, 0, 0};
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(foal::random_unit(key, static_cast<std::uint32_t>(i)));
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<std::int32_t>(x[i * size] * static_cast<float>(classes));
  }
};

inline constexpr double momentum = 0.9;

/// What foal's side computes with.
#if defined(FOAL_BENCH_ONEDNN)
inline constexpr char const* backend_name = "onednn";
#else
inline constexpr char const* backend_name = "host";
#endif

/// One of the contenders. train() goes on where it stopped and gives the mean loss of each minibatch.
class side {
 public:
  virtual ~side() = default;
  virtual std::vector<double> train(int minibatches) = 0;
};

/// What is compared: a network, its batch, and how foal trains it.
struct workload {
  std::string name;
  int minibatch = 0, microbatch = 0;
  double wanted_ratio = 0, wanted_fraction = 0;  ///< 0: for information
  int compared = 0, timed = 0;                   ///< minibatches whose losses must agree; minibatches of a round
  double rate = 0.002;  ///< of learning; so small that rounding errors stay small over the compared minibatches
  network (*describe)() = nullptr;
  /// workers: 1 trains one minibatch after the other; 2 trains with async_1f1b on two threads. `data` must outlive it.
  std::unique_ptr<side> (*ours)(workload const&, batches const& data, int workers) = nullptr;
  bool of_texts = false;  ///< the other side is a Transformer, of transformer_parameters(), not of what describe() gives
  foal::recording record = foal::recording::never;  ///< ours, of periods
};

inline constexpr int transformer_layers = 3, transformer_width = 256, transformer_heads = 8, transformer_hidden = 1024;
/// The Transformer's initial parameters in the order of its layers, in foal's layouts.
std::vector<step> transformer_parameters();
/// The Transformer in libtorch's eager mode.
std::unique_ptr<side> make_eager_transformer(workload const& w);

/// The network in libtorch's eager mode. channels_last: the memory format of images and weights. `data` is copied.
std::unique_ptr<side> make_eager(network const& net, batches const& data, double rate, int microbatch, bool channels_last);
/// Holds libtorch to so many threads. Once, before anything else of it is used.
void set_eager_threads(int threads);
/// "libtorch 1.13.1, ...": its version, vector extensions, and its oneDNN.
std::string eager_version();

workload mlp_thin();
workload mlp_whole();
workload resnet20_thick();
workload resnet20_thin();
workload resnet50_thin();
workload transformer();
workload transformer_padded();

}  // namespace bench::versus
