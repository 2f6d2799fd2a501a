// ResNet-20 for CIFAR (He et al., Deep Residual Learning, section 4.2) with a stage for each block: on one or two workers
// the finer stages of foal::zoo::resnet20 only cost memory.
#pragma once

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

}  // namespace bench
