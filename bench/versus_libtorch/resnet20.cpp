// ResNet-20 in large and small batches.
#include "../support/resnet20.hpp"

#include "ours.hpp"

namespace bench::versus {

workload resnet20_thick() {
  return {"resnet20 batch 64", 64, 64, 1.3, 0, 4, 2, 0.002, &describe<resnet20>, &train_with_foal<resnet20>};
}
workload resnet20_thin() {
  return {"resnet20 batch 8", 8, 8, 1.3, 0.60, 3, 12, 0.002, &describe<resnet20>, &train_with_foal<resnet20>};
}

}  // namespace bench::versus
