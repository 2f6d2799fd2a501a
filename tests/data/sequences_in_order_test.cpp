// An evaluation's pass over sequences: every sample once, by length.
#include <foal/data/sequences_in_order.hpp>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/support/sequences.hpp"

using namespace foal::data;
using foal_test::pairs;
using ids = std::vector<std::int32_t>;

TEST_CASE("an evaluation sees every sample once, by length, the last microbatch partial") {
  parallel_source const source = pairs(23);
  sequences_in_order const pass(source, 4);
  CHECK(pass.microbatches() == 6);
  CHECK(pass.samples(0) == 4);
  CHECK(pass.samples(5) == 3);
  std::vector<long long> seen;
  for (long long m = 0; m < 6; ++m)
    for (int i = 0; i < pass.samples(m); ++i) seen.push_back(pass.index(m, i));
  CHECK(seen == sequence_order(source));
  for (std::size_t i = 0; i + 1 < seen.size(); ++i) {
    foal::lengths_of_axes const here = lengths_of(source, seen[i]), next = lengths_of(source, seen[i + 1]);
    CHECK(!shorter(next, here));
    CHECK((here != next || seen[i] < seen[i + 1]));
  }
  CHECK(pass.lengths(5).length[0] == source.longest(1));

  foal::lengths_of_axes const n = pass.lengths(5);
  std::vector<double> x(static_cast<std::size_t>(4 * n.length[0]), -7), length(4, -7);
  ids t(static_cast<std::size_t>(4 * n.length[1]), -7);
  pass.inputs(5, 0, x.data());
  pass.inputs(5, 1, length.data());
  pass.targets(5, t.data());
  CHECK(x[0] == 10.0 + static_cast<double>(pass.index(5, 0)));
  CHECK(length[2] == source.length(pass.index(5, 2), 1));
  CHECK(length[3] == 1);
  for (int k = 0; k < n.length[0]; ++k) CHECK(x[static_cast<std::size_t>(3 * n.length[0] + k)] == 0);
  for (int k = 0; k < n.length[1]; ++k) CHECK(t[static_cast<std::size_t>(3 * n.length[1] + k)] == ignored_target);
}
