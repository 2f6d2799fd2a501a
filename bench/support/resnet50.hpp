// ResNet-50 with the stem for CIFAR: a 3x3 convolution, then bottlenecks of 3, 4, 6 and 3 at 64 to 2048 channels.
#pragma once

#include <foal/zoo/resnet.hpp>

namespace bench {

// foal::zoo::resnet50 with a stage for each block: on one or two workers finer ones only cost memory.
template <int Mid>
using resnet50_bottleneck =
    foal::stage<foal::residual<foal::conv_no_bias<Mid, 1>, foal::batch_norm, foal::relu, foal::conv_no_bias<Mid, 3>,
                               foal::batch_norm, foal::relu, foal::conv_no_bias<4 * Mid, 1>, foal::batch_norm>,
                foal::relu>;
template <int Mid, int Stride>
using resnet50_widening =
    foal::stage<foal::residual<foal::shortcut<foal::conv_no_bias<4 * Mid, 1, Stride>, foal::batch_norm>,
                               foal::conv_no_bias<Mid, 1>, foal::batch_norm, foal::relu, foal::conv_no_bias<Mid, 3, Stride>,
                               foal::batch_norm, foal::relu, foal::conv_no_bias<4 * Mid, 1>, foal::batch_norm>,
                foal::relu>;

struct resnet50 : foal::stages<foal::input<3, 32, 32>, foal::conv_no_bias<64, 3>, foal::batch_norm, foal::relu,
                               resnet50_widening<64, 1>, foal::repeat<2, resnet50_bottleneck<64>>, resnet50_widening<128, 2>,
                               foal::repeat<3, resnet50_bottleneck<128>>, resnet50_widening<256, 2>,
                               foal::repeat<5, resnet50_bottleneck<256>>, resnet50_widening<512, 2>,
                               foal::repeat<2, resnet50_bottleneck<512>>, foal::global_avg_pool, foal::linear<10>> {};

static_assert(foal::parameter_count<resnet50>() == foal::parameter_count<foal::zoo::resnet50<>>());

}  // namespace bench
