// ResNet-50 with the stem for CIFAR: a 3x3 convolution, then bottlenecks of 3, 4, 6 and 3 at 64 to 2048 channels.
#include <foal/zoo/resnet.hpp>

#include "ours.hpp"

namespace bench::versus {
namespace {

// foal::zoo::resnet50 with a stage for each block: on one or two workers finer ones only cost memory.
template <int Mid>
using bottleneck =
    foal::stage<foal::residual<foal::conv_no_bias<Mid, 1>, foal::batch_norm, foal::relu, foal::conv_no_bias<Mid, 3>,
                               foal::batch_norm, foal::relu, foal::conv_no_bias<4 * Mid, 1>, foal::batch_norm>,
                foal::relu>;
template <int Mid, int Stride>
using widening =
    foal::stage<foal::residual<foal::shortcut<foal::conv_no_bias<4 * Mid, 1, Stride>, foal::batch_norm>,
                               foal::conv_no_bias<Mid, 1>, foal::batch_norm, foal::relu, foal::conv_no_bias<Mid, 3, Stride>,
                               foal::batch_norm, foal::relu, foal::conv_no_bias<4 * Mid, 1>, foal::batch_norm>,
                foal::relu>;

struct resnet50 : foal::stages<foal::input<3, 32, 32>, foal::conv_no_bias<64, 3>, foal::batch_norm, foal::relu,
                               widening<64, 1>, foal::repeat<2, bottleneck<64>>, widening<128, 2>,
                               foal::repeat<3, bottleneck<128>>, widening<256, 2>, foal::repeat<5, bottleneck<256>>,
                               widening<512, 2>, foal::repeat<2, bottleneck<512>>, foal::global_avg_pool, foal::linear<10>> {
};

static_assert(foal::parameter_count<resnet50>() == foal::parameter_count<foal::zoo::resnet50<>>());

}  // namespace

workload resnet50_thin() {
  // The norms of the last stages see few values each, so a rounding error soon becomes a difference: a tiny rate, and the
  // losses of the first minibatch and of the one after its update.
  return {"resnet50 batch 8", 8, 8, 1.3, 0.65, 2, 1, 1e-6, &describe<resnet50>, &train_with_foal<resnet50>};
}

}  // namespace bench::versus
