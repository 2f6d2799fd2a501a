// ResNet-20 for CIFAR (He et al., Deep Residual Learning, section 4.2) with a stage for each block: on one or two workers
// the finer stages of foal::zoo::resnet20 only cost memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <foal/core/random.hpp>
#include <foal/zoo/resnet.hpp>

namespace bench {

template <int Out>
using resnet20_block = foal::stage<
    foal::residual<foal::conv_no_bias<Out, 3>, foal::batch_norm, foal::relu, foal::conv_no_bias<Out, 3>, foal::batch_norm>,
    foal::relu>;
/// Its projection is a 1x1 convolution.
template <int Out>
using resnet20_halving = foal::stage<
    foal::residual<foal::shortcut<foal::conv_no_bias<Out, 1, 2>, foal::batch_norm>, foal::conv_no_bias<Out, 3, 2>,
                   foal::batch_norm, foal::relu, foal::conv_no_bias<Out, 3>, foal::batch_norm>,
    foal::relu>;

struct resnet20
    : foal::stages<foal::input<3, 32, 32>, foal::conv_no_bias<16, 3>, foal::batch_norm, foal::relu,
                   foal::repeat<3, resnet20_block<16>>, resnet20_halving<32>, foal::repeat<2, resnet20_block<32>>,
                   resnet20_halving<64>, foal::repeat<2, resnet20_block<64>>, foal::global_avg_pool, foal::linear<10>> {};

static_assert(foal::parameter_count<resnet20>() == foal::parameter_count<foal::zoo::resnet20<>>());

/// A few images again and again.
struct few_images {
  static constexpr int count = 64, sample = 3 * 32 * 32;
  int microbatch_size;
  std::vector<float> pixels = std::vector<float>(static_cast<std::size_t>(count * sample));

  explicit few_images(int size) : microbatch_size(size) {
    for (std::size_t i = 0; i < pixels.size(); ++i)
      pixels[i] = foal::random_unit({.seed = 1, .sample = i / sample}, static_cast<std::uint32_t>(i % sample));
  }
  void inputs(long long m, float* x, float*) const {
    long long const first = m * microbatch_size % count;
    std::copy_n(pixels.data() + first * sample, microbatch_size * sample, x);
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < microbatch_size; ++i) t[i] = static_cast<std::int32_t>((m * microbatch_size + i) % 10);
  }
};

}  // namespace bench
