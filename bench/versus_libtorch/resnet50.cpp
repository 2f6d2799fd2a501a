// ResNet-50 in small batches.
#include "../support/resnet50.hpp"

#include "ours.hpp"

namespace bench::versus {

workload resnet50_thin() {
  // The norms of the last stages see few values each, so a rounding error soon becomes a difference: a tiny rate, and the
  // losses of the first minibatch and of the one after its update.
  return {"resnet50 batch 8", 8, 8, 1.3, 0.65, 2, 1, 1e-6, &describe<resnet50>, &train_with_foal<resnet50>};
}

}  // namespace bench::versus
