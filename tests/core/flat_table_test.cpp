// Tables of a size that is known at run time, in constant expressions and of what does not move.
#include <foal/core/flat_table.hpp>

#include <catch2/catch.hpp>

#include <atomic>
#include <utility>
#include <vector>

using foal::flat_table;

namespace {

constexpr int sum_of_copies() {
  flat_table<int> a(3, 2);
  flat_table<int> b(a);
  b[1] = 5;
  flat_table<int> const c = std::move(b);
  int sum = static_cast<int>(b.size());
  for (int const x : a) sum += x;
  for (int const x : c) sum += x;
  return sum;
}
static_assert(sum_of_copies() == 15);

}  // namespace

TEST_CASE("a flat table holds what is not moved or copied") {
  flat_table<std::atomic<int>> counts(4);
  for (auto& count : counts) CHECK(count.load() == 0);
  counts[2] = 7;
  flat_table<std::atomic<int>> const moved = std::move(counts);
  CHECK(moved.size() == 4);
  CHECK(moved[2] == 7);
  CHECK(counts.empty());
}

TEST_CASE("a flat table owns what its values own") {
  flat_table<flat_table<std::vector<int>>> all(2);
  all[1] = flat_table<std::vector<int>>(3);
  all[1][2].assign(5, 1);
  flat_table<flat_table<std::vector<int>>> const copy = all;
  all[1][2].clear();
  CHECK(copy[1][2].size() == 5);
  CHECK(copy[0].empty());
}
