#include <foal/model/stages.hpp>

#include <catch2/catch.hpp>

#include <foal/layer/avg_pool.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>

namespace {

using namespace foal;

struct small : stages<input<4>, linear<3>, relu, linear<2>> {};

// A residual net in the manner of ResNet-50 with every weighted layer a stage: a convolution and its norm together.
template <int Mid, int Out>
using bottleneck = residual<stage<conv_no_bias<Mid, 1>, batch_norm>, relu, stage<conv_no_bias<Mid, 3>, batch_norm>, relu,
                            stage<conv_no_bias<Out, 1>, batch_norm>>;
template <int Mid, int Out, int Stride>
using wider = residual<shortcut<stage<conv_no_bias<Out, 1, Stride>, batch_norm>>, stage<conv_no_bias<Mid, 1>, batch_norm>,
                       relu, stage<conv_no_bias<Mid, 3, Stride>, batch_norm>, relu, stage<conv_no_bias<Out, 1>, batch_norm>>;
struct deep : stages<input<3, 32, 32>, stage<conv_no_bias<8, 3>, batch_norm>, relu, wider<4, 16, 1>, relu,
                     repeat<11, bottleneck<4, 16>, relu>, wider<8, 32, 2>, relu, repeat<10, bottleneck<8, 32>, relu>,
                     wider<16, 64, 2>, relu, repeat<10, bottleneck<16, 64>, relu>, global_avg_pool, flatten, linear<10>> {};

}  // namespace

TEST_CASE("Counts of a model and of its stages are constants", "[model]") {
  STATIC_REQUIRE(model<small>);
  STATIC_REQUIRE(!model<int>);
  STATIC_REQUIRE(stage_count<small> == 2);
  STATIC_REQUIRE(parameter_count<small>() == 4 * 3 + 3 + 3 * 2 + 2);
  STATIC_REQUIRE(parameter_count<small>(0) == 15);
  STATIC_REQUIRE(parameter_count<small>(1) == 8);
  STATIC_REQUIRE(forward_flops<small>() == 24 + 3 + 12);
  STATIC_REQUIRE(forward_flops<small>(1) == 12);
  STATIC_REQUIRE(small::description.input == features(4));
  STATIC_REQUIRE(small::description.output == features(2));
}

TEST_CASE("More than a hundred stages with skips compile within default limits", "[model]") {
  STATIC_REQUIRE(stage_count<deep> == 1 + 4 + 33 + 4 + 30 + 4 + 30 + 1);
  STATIC_REQUIRE(stage_count<deep> == 107);
  STATIC_REQUIRE(deep::description.output == features(10));
  long long sum = 0;
  for (int s = 0; s < stage_count<deep>; ++s) {
    CHECK(parameter_count<deep>(s) > 0);
    sum += parameter_count<deep>(s);
  }
  CHECK(sum == parameter_count<deep>());
}
