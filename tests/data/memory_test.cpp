// Arrays of the user's own as a source.
#include <catch2/catch.hpp>

#include <foal/data/memory.hpp>
#include <foal/data/source.hpp>

#include "tests/support/files.hpp"

using foal::data::memory;
static_assert(foal::data::source<memory<>>);
static_assert(foal::data::source<memory<double, double>>);

TEST_CASE("memory hands on rows and targets as they are") {
  memory const m(foal::features(2), std::vector<double>{0.1, 2, 3, 4, 5, 6}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9},
                 3);
  CHECK(m.size() == 3);
  CHECK(m.target_size() == 3);
  CHECK(m.sample() == foal::features(2));
  double x[2], t[3];
  m.write_sample(0, x);
  CHECK(x[0] == 0.1);
  float narrow[2];
  m.write_sample(0, narrow);
  CHECK(narrow[0] == 0.1F);
  m.write_target(2, t);
  CHECK(t[0] == 7);
  CHECK(t[2] == 9);
}

TEST_CASE("memory refuses sizes that do not fit") {
  auto const make = [](int row, std::size_t x, std::size_t y, int target) {
    return foal_test::complaint(
        [=] { memory<float, float>(foal::features(row), std::vector<float>(x), std::vector<float>(y), target); });
  };
  CHECK(make(2, 4, 2, 1).empty());
  CHECK_THAT(make(2, 5, 2, 1), Catch::Contains("5 values are not rows of 2"));
  CHECK_THAT(make(2, 4, 3, 1), Catch::Contains("3 target values in rows of 1"));
  CHECK_THAT(make(2, 4, 3, 2), Catch::Contains("3 target values in rows of 2"));
  CHECK_THAT(make(0, 4, 2, 1), Catch::Contains("0 elements"));
}

TEST_CASE("memory of a part has the sizes of the whole and refuses what it lacks") {
  using foal::data::part;
  memory<> const inputs(part::inputs, 2, foal::features(2), {1, 2, 3, 4}, {}),
      targets(part::targets, 2, foal::features(2), {}, {7, 8}), none(part::none, 2, foal::features(2), {}, {});
  float x[2];
  std::int32_t t = 0;
  for (auto const* const m : {&inputs, &targets, &none}) {
    CHECK(m->size() == 2);
    CHECK(foal_test::complaint([&] { m->write_sample(1, x); }).empty() == (m == &inputs));
    CHECK(foal_test::complaint([&] { m->write_target(1, &t); }).empty() == (m == &targets));
  }
  CHECK(x[1] == 4);
  CHECK(t == 8);
  CHECK_THAT(foal_test::complaint([] {
               memory<>(part::inputs, 2, foal::features(2), {1, 2, 3}, {});
             }),
             Catch::Contains("3 values and 0 target values are not those of 2 samples"));
  CHECK_THAT(foal_test::complaint([] { memory<>(part::targets, 1, foal::features(1), {1}, {1}); }),
             Catch::Contains("nothing of the other"));
}
