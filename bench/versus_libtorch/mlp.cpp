// An MLP 784-512-512-10 on batches of 64: whole, and in eight microbatches whose gradients are added up.
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>

#include "ours.hpp"

namespace bench::versus {
namespace {

struct mlp : foal::stages<foal::input<784>, foal::linear<512>, foal::relu, foal::linear<512>, foal::relu, foal::linear<10>> {
};

}  // namespace

// Eight microbatches' weight gradients are one product.
workload mlp_thin() {
  auto* const train = &train_with_foal<mlp, foal::accumulate::thick>;
  return {"mlp microbatch 8", 64, 8, 2.5, 0.50, 40, 20, 0.002, &describe<mlp>, train};
}
workload mlp_whole() { return {"mlp batch 64", 64, 64, 1.3, 0, 40, 20, 0.002, &describe<mlp>, &train_with_foal<mlp>}; }

}  // namespace bench::versus
