// What the compiler plans: the grouping, the schedule and the microbatches.
#include <foal/model/planned.hpp>

#include <catch2/catch.hpp>

#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>
#include <foal/model/partition.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>

namespace {

namespace schedule = foal::schedule;

struct net : foal::stages<foal::input<8>, foal::linear<32>, foal::relu, foal::linear<8>, foal::linear<64>, foal::relu,
                          foal::linear<4>> {};
struct even : foal::stages<foal::input<8>, foal::linear<8>, foal::linear<8>, foal::linear<8>, foal::linear<8>> {};

using plain = foal::planned<net, 2, 4, 4, schedule::gpipe{}, schedule::one_f_one_b{}>;
using looped = foal::planned<even, 2, 8, 4, schedule::one_f_one_b{}, schedule::interleaved{.chunks = 2, .uneven = true}>;
using too_deep = foal::planned<even, 4, 4, 4, schedule::interleaved{.chunks = 2, .uneven = true}, schedule::gpipe{}>;

}  // namespace

TEST_CASE("a planned model is as even as a balanced one", "[model]") {
  STATIC_REQUIRE(foal::model<plain::model>);
  STATIC_REQUIRE(foal::stage_count<plain::model> == 2);
  STATIC_REQUIRE(foal::forward_flops<plain::model>(0) == foal::forward_flops<foal::balanced<2, net>>(0));
  STATIC_REQUIRE(foal::forward_flops<plain::model>() == foal::forward_flops<net>());
  STATIC_REQUIRE(plain::microbatches * plain::microbatch_size == 4);
  STATIC_REQUIRE(plain::microbatches == 4);  // no op costs more than its samples, so the smallest ones
}

TEST_CASE("the planned schedule is the one with the least makespan", "[model]") {
  // four stages of 4 x 128 FLOPs, N = 4 of 2 samples: two chunks a rank take less than one
  STATIC_REQUIRE(std::is_same_v<looped::schedule_type, schedule::interleaved>);
  STATIC_REQUIRE(looped::schedule.chunks == 2);
  STATIC_REQUIRE(looped::stages == 4);
  STATIC_REQUIRE(looped::microbatches == 4);
  double const flops = static_cast<double>(foal::forward_flops<even>(0)) * 2;
  CHECK(looped::time == Approx((4 * 2 + 1) * 3 * flops));
  STATIC_REQUIRE(std::is_same_v<too_deep::schedule_type, schedule::gpipe>);
}
