// The order of an epoch: a permutation for every n, uniform enough, and pinned.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <vector>

#include <foal/data/order.hpp>

using foal::data::shuffled;

namespace {

std::vector<long long> order(std::uint64_t seed, std::uint64_t epoch, long long n) {
  std::vector<long long> result;
  for (long long i = 0; i < n; ++i) result.push_back(shuffled(seed, epoch, n, i));
  return result;
}

constexpr bool is_permutation_of_seven() {
  bool seen[7] = {};
  for (int i = 0; i < 7; ++i) seen[shuffled(3, 1, 7, i)] = true;
  return std::all_of(seen, seen + 7, [](bool s) { return s; });
}
static_assert(is_permutation_of_seven());

}  // namespace

TEST_CASE("an epoch's order is a permutation for every n") {
  std::vector<long long> sizes;
  for (long long n = 1; n <= 300; ++n) sizes.push_back(n);
  for (long long n : {1023LL, 1024LL, 1025LL, 3823LL, 10007LL, 65536LL, 65537LL, 100000LL}) sizes.push_back(n);
  for (long long const n : sizes)
    for (std::uint64_t const epoch : {0U, 1U, 1000U}) {
      std::vector<long long> all = order(5, epoch, n);
      std::sort(all.begin(), all.end());
      INFO("n = " << n << ", epoch " << epoch);
      bool equal = true;
      for (long long i = 0; i < n; ++i) equal = equal && all[static_cast<std::size_t>(i)] == i;
      REQUIRE(equal);
    }
}

TEST_CASE("an epoch of a trillion samples needs no storage") {
  long long const n = 1'000'000'000'000;
  std::set<long long> seen;
  for (long long i = 0; i < 10000; ++i) {
    long long const at = shuffled(1, 2, n, i);
    REQUIRE(at >= 0);
    REQUIRE(at < n);
    seen.insert(at);
  }
  CHECK(seen.size() == 10000);
}

TEST_CASE("every order of few samples is about as likely") {
  // 120 orders of 5 samples, 24000 seeds: chi-squared with 119 degrees of freedom has mean 119 and deviation 15.4.
  std::map<std::vector<long long>, int> count;
  for (std::uint64_t seed = 0; seed < 24000; ++seed) ++count[order(seed, 0, 5)];
  double chi = 0;
  for (auto const& [unused, k] : count) chi += (k - 200.0) * (k - 200.0) / 200.0;
  CHECK(count.size() == 120);
  CHECK(chi < 119 + 5 * 15.4);
}

TEST_CASE("every sample is about as likely at every place, over epochs") {
  // 20 x 20 cells with 1000 expected in each of 20000 epochs: 361 degrees of freedom, deviation 26.9.
  std::array<std::array<int, 20>, 20> count{};
  for (std::uint64_t epoch = 0; epoch < 20000; ++epoch)
    for (int i = 0; i < 20; ++i) ++count[static_cast<std::size_t>(i)][static_cast<std::size_t>(shuffled(9, epoch, 20, i))];
  double chi = 0;
  for (auto const& row : count)
    for (int const k : row) chi += (k - 1000.0) * (k - 1000.0) / 1000.0;
  CHECK(chi < 361 + 5 * 26.9);
}

TEST_CASE("neighbours do not stay together") {
  // In a random order the probability that i + 1 follows i is 1 / n: one such pair is expected in every epoch.
  int together = 0;
  for (std::uint64_t epoch = 0; epoch < 200; ++epoch) {
    std::vector<long long> const o = order(1, epoch, 1000);
    for (std::size_t i = 0; i + 1 < o.size(); ++i) together += o[i + 1] == o[i] + 1;
  }
  CHECK(together > 100);
  CHECK(together < 300);
}

TEST_CASE("the order is pinned: it is part of what a run is") {
  CHECK(order(1, 0, 10) == std::vector<long long>{7, 5, 0, 4, 3, 2, 1, 8, 6, 9});
  CHECK(order(1, 1, 10) == std::vector<long long>{2, 1, 7, 4, 9, 0, 5, 3, 6, 8});
  CHECK(order(2, 0, 10) == std::vector<long long>{2, 8, 3, 9, 0, 6, 4, 1, 7, 5});
}
