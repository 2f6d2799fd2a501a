// Lengths of the microbatches on their way are those of a recording, or are not.
#include <catch2/catch.hpp>

#include <foal/executor/lengths_in_flight.hpp>

using foal::lengths_of_axes;
using foal::executor::lengths_in_flight;

namespace {

lengths_of_axes of_length(int n) {
  lengths_of_axes all;
  all.length[0] = n;
  return all;
}
auto const seven = [](int) { return of_length(7); };

}  // namespace

TEST_CASE("a shorter microbatch counts for as long as an op may still have it") {
  lengths_in_flight all(2, 5);
  for (long long m = 0; m < 4; ++m) all.see(m, of_length(7));
  CHECK_FALSE(all.same(4, seven));  // one of five is not known
  all.see(4, of_length(7));
  CHECK(all.same(5, seven));
  all.see(5, of_length(6));
  for (long long m = 6; m < 10; ++m) {
    CHECK_FALSE(all.same(m, seven));
    all.see(m, of_length(7));
  }
  CHECK_FALSE(all.same(10, seven));
  all.see(10, of_length(7));
  CHECK(all.same(11, seven));
  CHECK_FALSE(all.same(12, seven));  // microbatch 11 was not seen
}

TEST_CASE("each microbatch of a period has a length of its own") {
  lengths_in_flight all(2, 3);
  auto const by_place = [](int j) { return of_length(j == 0 ? 7 : 5); };
  for (long long m = 0; m < 3; ++m) all.see(m, of_length(m % 2 == 0 ? 7 : 5));
  CHECK(all.same(3, by_place));
  CHECK_FALSE(all.same(3, seven));
}

TEST_CASE("what was seen before a gap is forgotten") {
  lengths_in_flight all(1, 2);
  all.see(0, of_length(7));
  all.see(2, of_length(7));
  CHECK_FALSE(all.same(3, seven));
  all.see(3, of_length(7));
  CHECK(all.same(4, seven));
}

TEST_CASE("a program that finishes its microbatches within the period has none to look at") {
  lengths_in_flight const none(4, 0);
  CHECK(none.empty());
  CHECK(none.same(12, seven));
}
