// Sizes that would wrap round are said in a sentence before anything is planned.
#include <foal/plan/check_sizes.hpp>

#include "tests/support/files.hpp"

using namespace foal;
using Catch::Contains;
using executor::check_sizes;

namespace {

table::run_tables of(shape s) {
  table::run_tables t;
  t.stages.resize(1);
  t.stages[0].output = s;
  table::tensor x;
  x.elements = {0, s.size()};
  x.sample = s;
  t.stages[0].tensors = {x};
  return t;
}

std::string says(shape s, int samples, long long slots) {
  return foal_test::complaint([&] { check_sizes(of(s), samples, slots, ".microbatch_size"); });
}

}  // namespace

TEST_CASE("rows and bytes of a run do not wrap round", "[executor]") {
  CHECK(says(image(3, 224, 224), 1 << 14, 100).empty());
  CHECK_THAT(says(image(1, 64, 64), 1 << 20, 1),
             Contains("cannot compute on 1048576 samples at a time, because their arrays of 1 x 64 x 64 elements would have "
                      "4294967296 rows where at most 2147483647 are expected; make .microbatch_size smaller"));
  CHECK(says(sequence(32'000, 64), 1024, 100).empty());
  CHECK_THAT(says(sequence(37'000, 128, 1), 512, 1), Contains("would have 2424832000 elements where at most 2147483647"));
  CHECK(says(features(1 << 20), 1 << 20, 1 << 19).empty());
  CHECK_THAT(says(features(1 << 20), 1 << 20, 1 << 20),
             Contains("up to 1048576 slots of their 4398046511104 bytes of arrays"));
}
