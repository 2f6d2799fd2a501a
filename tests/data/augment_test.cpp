// Augmentations: identities, and the random changes that they promise.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <foal/data/augment.hpp>

namespace augment = foal::data::augment;

namespace {

constexpr foal::shape sample = foal::image(2, 3, 4);

std::vector<float> ramp() {
  std::vector<float> x;
  for (int i = 0; i < sample.size(); ++i) x.push_back(static_cast<float>(i + 1));
  return x;
}

float at(std::vector<float> const& x, int h, int w, int c) {
  return x[static_cast<std::size_t>((h * sample.width() + w) * sample.channels() + c)];
}

template <class Augment>
std::vector<float> apply(Augment const& a, std::vector<float> const& x, std::uint64_t ordinal) {
  std::vector<float> y(x.size(), -1);
  a(foal::random_key{11, foal::purpose::augment, 0, ordinal}, sample, x.data(), y.data());
  return y;
}

/// How far y is x moved (x[h + first, w + second] lies at [h, w]), where `outside` says what comes from beyond the border.
template <class Outside>
std::pair<int, int> moved(std::vector<float> const& x, std::vector<float> const& y, int reach, Outside outside) {
  std::vector<std::pair<int, int>> found;
  for (int down = -reach; down <= reach; ++down)
    for (int right = -reach; right <= reach; ++right) {
      bool same = true;
      for (int h = 0; h < sample.height(); ++h)
        for (int w = 0; w < sample.width(); ++w)
          for (int c = 0; c < sample.channels(); ++c) same = same && at(y, h, w, c) == outside(x, h + down, w + right, c);
      if (same) found.emplace_back(down, right);
    }
  REQUIRE(found.size() == 1);
  return found[0];
}

}  // namespace

TEST_CASE("flip mirrors a row, always or never or half of the time") {
  std::vector<float> const x = ramp();
  std::vector<float> const mirrored = apply(augment::flip{.probability = 1}, x, 0);
  for (int h = 0; h < 3; ++h)
    for (int w = 0; w < 4; ++w)
      for (int c = 0; c < 2; ++c) CHECK(at(mirrored, h, w, c) == at(x, h, 3 - w, c));
  CHECK(apply(augment::flip{.probability = 1}, mirrored, 0) == x);
  int flips = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    CHECK(apply(augment::flip{.probability = 0}, x, i) == x);
    std::vector<float> const y = apply(augment::flip{}, x, i);
    CHECK((y == x || y == mirrored));
    flips += y == mirrored;
  }
  CHECK(flips > 430);
  CHECK(flips < 570);
}

TEST_CASE("crop moves by every distance up to its padding and fills with zeros") {
  std::vector<float> const x = ramp();
  CHECK(apply(augment::crop{.padding = 0}, x, 3) == x);
  auto const zero = [](std::vector<float> const& image, int h, int w, int c) {
    return h < 0 || h >= 3 || w < 0 || w >= 4 ? 0 : at(image, h, w, c);
  };
  std::map<std::pair<int, int>, int> count;
  for (std::uint64_t i = 0; i < 2500; ++i) ++count[moved(x, apply(augment::crop{.padding = 2}, x, i), 2, zero)];
  CHECK(count.size() == 25);
  for (auto const& [unused, k] : count) CHECK((k > 50 && k < 150));
}

TEST_CASE("shift moves by every distance up to its reach and repeats the border") {
  std::vector<float> const x = ramp();
  CHECK(apply(augment::shift{.pixels = 0}, x, 3) == x);
  auto const repeat = [](std::vector<float> const& image, int h, int w, int c) {
    return at(image, std::clamp(h, 0, 2), std::clamp(w, 0, 3), c);
  };
  std::map<std::pair<int, int>, int> count;
  for (std::uint64_t i = 0; i < 900; ++i) ++count[moved(x, apply(augment::shift{.pixels = 1}, x, i), 1, repeat)];
  CHECK(count.size() == 9);
  for (auto const& [unused, k] : count) CHECK((k > 50 && k < 150));
}

TEST_CASE("augmentations refuse numbers that cannot be") {
  auto const refused = [](auto const& a, std::string const& number) {
    CHECK_THROWS_WITH(a.check(), Catch::StartsWith("cannot use ") && Catch::Contains("its " + number + " is "));
  };
  for (float const p : {-0.1F, 1.5F, std::nanf("")}) refused(augment::flip{.probability = p}, "probability");
  for (int const n : {-1, 2147483647}) {
    refused(augment::crop{.padding = n}, "padding");
    refused(augment::shift{.pixels = n}, "pixels");
  }
  augment::flip{.probability = 1}.check();
  augment::crop{.padding = 0}.check();
}
