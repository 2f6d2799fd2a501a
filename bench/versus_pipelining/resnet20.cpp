// ResNet-20, a stage for each block.
#include "../support/resnet20.hpp"

#include "sides.hpp"

namespace bench::versus {

network describe_resnet20() { return describe<resnet20>(); }
std::unique_ptr<side> pipelined_resnet20(std::string const& schedule, workload const& w, batches const& data) {
  return train_with_schedule<resnet20>(schedule, w, data);
}

}  // namespace bench::versus
