#include <foal/model/partition.hpp>

#include <catch2/catch.hpp>

#include <algorithm>

#include <foal/core/random.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>

namespace {

using costs = std::vector<long long>;

long long largest(costs const& cost, std::vector<int> const& group) {
  costs sum(cost.size(), 0);
  for (std::size_t i = 0; i < cost.size(); ++i) sum[static_cast<std::size_t>(group[i])] += cost[i];
  return *std::max_element(sum.begin(), sum.end());
}

/// Every way to cut, one by one.
long long best_by_trial(costs const& cost, std::size_t first, int parts) {
  long long head = 0;
  if (parts == 1) {
    for (std::size_t i = first; i < cost.size(); ++i) head += cost[i];
    return head;
  }
  long long best = -1;
  for (std::size_t i = first; i + static_cast<std::size_t>(parts) <= cost.size(); ++i) {
    head += cost[i];
    long long const worst = std::max(head, best_by_trial(cost, i + 1, parts - 1));
    if (best < 0 || worst < best) best = worst;
  }
  return best;
}

struct net : foal::stages<foal::input<8>, foal::linear<32>, foal::relu, foal::linear<8>, foal::linear<64>, foal::relu,
                          foal::linear<4>> {};  // 512, 512, 1024, 512 FLOPs, and the rectifiers'

}  // namespace

TEST_CASE("Known partitions", "[model]") {
  CHECK(foal::min_max_partition({1, 2, 3, 4, 5, 6}, 2) == std::vector<int>{0, 0, 0, 0, 1, 1});
  CHECK(largest({1, 2, 3, 4, 5, 6}, foal::min_max_partition({1, 2, 3, 4, 5, 6}, 2)) == 11);
  CHECK(foal::min_max_partition({0, 0}, 2) == std::vector<int>{0, 1});
  CHECK(foal::min_max_partition({7}, 1) == std::vector<int>{0});
  CHECK(foal::min_max_partition({3, 1, 1}, 3) == std::vector<int>{0, 1, 2});
}

TEST_CASE("A partition of too few or too many groups is refused", "[model]") {
  CHECK_THROWS_WITH(foal::min_max_partition({1, 2}, 3),
                    "cannot cut 2 costs into 3 groups, because no group may be empty; use 1 to 2 groups");
  CHECK_THROWS_AS(foal::min_max_partition({1, 2}, 0), foal::error);
}

TEST_CASE("No cut is better, groups are contiguous and none is empty", "[model]") {
  foal::random_key key{11, foal::purpose::user, 0, 0};
  for (; key.sample < 200; ++key.sample) {
    std::uint32_t next = 0;
    auto const draw = [&](std::uint32_t below) { return foal::random_word(key, next++) % below; };
    costs cost(1 + draw(10));
    for (auto& c : cost) c = draw(3) == 0 ? 0 : draw(50);
    int const parts = 1 + static_cast<int>(draw(static_cast<std::uint32_t>(cost.size())));
    auto const group = foal::min_max_partition(cost, parts);
    REQUIRE(group.front() == 0);
    REQUIRE(group.back() == parts - 1);
    for (std::size_t i = 1; i < group.size(); ++i) REQUIRE((group[i] == group[i - 1] || group[i] == group[i - 1] + 1));
    REQUIRE(largest(cost, group) == best_by_trial(cost, 0, parts));
  }
}

TEST_CASE("A balanced model has the same layers in fewer stages", "[model]") {
  using half = foal::balanced<2, net>;
  STATIC_REQUIRE(foal::model<half>);
  STATIC_REQUIRE(foal::stage_count<net> == 4);
  STATIC_REQUIRE(foal::stage_count<half> == 2);
  STATIC_REQUIRE(foal::parameter_count<half>() == foal::parameter_count<net>());
  STATIC_REQUIRE(foal::forward_flops<half>() == foal::forward_flops<net>());
  // 544, 512, 1088, 512: the largest of two groups is 1600 (1056 + 1600), not 2112 or 2144
  STATIC_REQUIRE(foal::forward_flops<half>(0) == 544 + 512);
  STATIC_REQUIRE(foal::forward_flops<half>(1) == 1088 + 512);
  STATIC_REQUIRE(foal::stage_count<foal::balanced<4, net>> == 4);
}
