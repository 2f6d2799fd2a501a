// An MLP of four stages, for two ranks with two chunks each.
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>

#include "sides.hpp"

namespace bench::versus {
namespace {

struct mlp : foal::stages<foal::input<784>, foal::linear<512>, foal::relu, foal::linear<512>, foal::relu, foal::linear<512>,
                          foal::relu, foal::linear<10>> {};

}  // namespace

network describe_mlp() { return describe<mlp>(); }
std::unique_ptr<side> pipelined_mlp(std::string const& schedule, workload const& w, batches const& data) {
  return train_with_schedule<mlp>(schedule, w, data);
}

}  // namespace bench::versus
