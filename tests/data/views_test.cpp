// Views over a data set give what batches give.
#include <catch2/catch.hpp>
#include <range/v3/range/conversion.hpp>
#include <range/v3/range/primitives.hpp>
#include <range/v3/view/take.hpp>
#include <vector>

#include <foal/data/batches.hpp>
#include <foal/data/handwritten.hpp>
#include <foal/data/views.hpp>

namespace views = foal::data::views;

TEST_CASE("views walk through a run in the order of batches") {
  int const m = 4, n = 3, epochs = 2;
  auto const digits = foal::data::handwritten({.train = 50, .test = 10});
  foal::data::batches const b(digits.train, {.microbatch_size = m, .microbatches = n, .seed = 6});
  long long s = 0;
  for (auto epoch : views::epochs(digits.train, 6) | ranges::views::take(epochs)) {
    CHECK(ranges::distance(epoch | views::minibatches(m * n)) == b.minibatches_per_epoch());
    for (auto minibatch : epoch | views::minibatches(m * n)) {
      for (auto microbatch : minibatch | views::microbatches(m)) {
        std::vector<long long> expected;
        for (int i = 0; i < m; ++i) expected.push_back(b.index(b.ordinal(s) + i));
        CHECK(ranges::to<std::vector<long long>>(microbatch) == expected);
        std::vector<std::int32_t> targets(m);
        b.targets(s, targets.data());
        CHECK(ranges::to<std::vector<std::int32_t>>(microbatch | views::labels(digits.train)) == targets);
        ++s;
      }
    }
  }
  CHECK(s == epochs * n * b.minibatches_per_epoch());
}

TEST_CASE("views in file order drop nothing") {
  auto const digits = foal::data::handwritten({.train = 10, .test = 7});
  std::vector<std::size_t> sizes;
  long long next = 0;
  for (auto microbatch : views::in_order(digits.test) | views::microbatches(3)) {
    sizes.push_back(static_cast<std::size_t>(ranges::distance(microbatch)));
    for (long long const index : microbatch) CHECK(index == next++);
  }
  CHECK(sizes == std::vector<std::size_t>{3, 3, 1});
}

TEST_CASE("images are views of their pixels, row by row") {
  auto const digits = foal::data::handwritten({.train = 10, .test = 10});
  long long index = 0;
  for (auto [pixels, label] : views::in_order(digits.train) | views::labelled(digits.train)) {
    CHECK(label == digits.train.label(index));
    std::vector<std::uint8_t> flat;
    int rows = 0;
    for (auto row : views::rows(pixels, digits.train.sample())) {
      CHECK(row.size() == 8);
      flat.insert(flat.end(), row.begin(), row.end());
      ++rows;
    }
    CHECK(rows == 8);
    auto const expected = digits.train.pixels(index++);
    CHECK(flat == std::vector<std::uint8_t>(expected.begin(), expected.end()));
  }
  CHECK(index == 10);
  auto const images = views::in_order(digits.train) | views::images(digits.train);
  CHECK(ranges::distance(images) == 10);
  CHECK((*ranges::begin(images)).data() == digits.train.pixels(0).data());
}
