// The random teacher's task: balanced, a function of its seed, and neither trivial nor impossible; images averaged 2 x 2.
#include "examples/sweep/teacher.hpp"

#include <catch2/catch.hpp>
#include <foal/data/memory.hpp>

#include "examples/sweep/halved.hpp"

namespace {

std::vector<int> counts(foal::data::memory<> const& samples) {
  std::vector<int> n(8, 0);
  for (long long i = 0; i < samples.size(); ++i) {
    std::int32_t label = -1;
    samples.write_target(i, &label);
    REQUIRE(label >= 0);
    REQUIRE(label < 8);
    ++n[static_cast<std::size_t>(label)];
  }
  return n;
}

std::vector<float> values(foal::data::memory<> const& samples) {
  auto const size = static_cast<std::size_t>(samples.sample().size());
  std::vector<float> x(static_cast<std::size_t>(samples.size()) * size);
  for (std::size_t i = 0; i < static_cast<std::size_t>(samples.size()); ++i)
    samples.write_sample(static_cast<long long>(i), x.data() + i * size);
  return x;
}

}  // namespace

TEST_CASE("2048 samples, and whoever always gives the same answer is right for 12.5 % of them") {
  sweep::task const t = sweep::teacher{}.make(256);
  for (auto const* split : {&t.train, &t.test}) {
    CHECK(split->size() == 2048);
    CHECK(split->sample() == foal::features(16));
    for (int n : counts(*split)) CHECK(n == 256);
  }
  CHECK(t.classes == 8);
  CHECK(values(t.train) != values(t.test));
}

TEST_CASE("the task is a function of its seed") {
  sweep::task const a = sweep::teacher{}.make(16), b = sweep::teacher{}.make(16), c = sweep::teacher{.seed = 2}.make(16);
  CHECK(values(a.train) == values(b.train));
  CHECK(values(a.test) == values(b.test));
  CHECK(values(a.train) != values(c.train));
}

TEST_CASE("the teacher's points are standard normal") {
  auto const x = values(sweep::teacher{}.make(256).train);
  double sum = 0, squares = 0;
  for (float v : x) sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
  CHECK(sum / static_cast<double>(x.size()) == Approx(0).margin(0.02));
  CHECK(squares / static_cast<double>(x.size()) == Approx(1).margin(0.03));
}

TEST_CASE("halved images are means of 2 x 2 pixels, channel by channel") {
  // 2 channels, 2 x 4: the first channel is 0..7, the second its negative doubled
  std::vector<float> x;
  for (int i = 0; i < 8; ++i) x.insert(x.end(), {static_cast<float>(i), static_cast<float>(-2 * i)});
  foal::data::memory<> const half = sweep::halved(foal::data::memory<>(foal::image(2, 2, 4), x, {7}));
  CHECK(half.sample() == foal::image(2, 1, 2));
  CHECK(values(half) == std::vector<float>{2.5F, -5.0F, 4.5F, -9.0F});
  std::int32_t label = 0;
  half.write_target(0, &label);
  CHECK(label == 7);
}

TEST_CASE("images of odd sizes are not halved") {
  foal::data::memory<> const odd(foal::image(1, 3, 4), std::vector<float>(12), {0});
  CHECK_THROWS_WITH(sweep::halved(odd), Catch::Contains("1 x 3 x 4"));
}
