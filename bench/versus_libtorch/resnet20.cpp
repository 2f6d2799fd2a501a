// ResNet-20 for CIFAR (He et al., Deep Residual Learning, section 4.2), its projections as 1x1 convolutions.
#include <foal/zoo/resnet.hpp>

#include "ours.hpp"

namespace bench::versus {
namespace {

// foal::zoo::resnet20 with a stage for each block: on one or two workers finer ones only cost memory.
template <int Out>
using block = foal::stage<
    foal::residual<foal::conv_no_bias<Out, 3>, foal::batch_norm, foal::relu, foal::conv_no_bias<Out, 3>, foal::batch_norm>,
    foal::relu>;
template <int Out>
using halving = foal::stage<
    foal::residual<foal::shortcut<foal::conv_no_bias<Out, 1, 2>, foal::batch_norm>, foal::conv_no_bias<Out, 3, 2>,
                   foal::batch_norm, foal::relu, foal::conv_no_bias<Out, 3>, foal::batch_norm>,
    foal::relu>;

struct resnet20 : foal::stages<foal::input<3, 32, 32>, foal::conv_no_bias<16, 3>, foal::batch_norm, foal::relu,
                               foal::repeat<3, block<16>>, halving<32>, foal::repeat<2, block<32>>, halving<64>,
                               foal::repeat<2, block<64>>, foal::global_avg_pool, foal::linear<10>> {};

static_assert(foal::parameter_count<resnet20>() == foal::parameter_count<foal::zoo::resnet20<>>());

}  // namespace

workload resnet20_thick() {
  return {"resnet20 batch 64", 64, 64, 1.3, 0, 4, 2, 0.002, &describe<resnet20>, &train_with_foal<resnet20>};
}
workload resnet20_thin() {
  return {"resnet20 batch 8", 8, 8, 1.3, 0.60, 3, 12, 0.002, &describe<resnet20>, &train_with_foal<resnet20>};
}

}  // namespace bench::versus
