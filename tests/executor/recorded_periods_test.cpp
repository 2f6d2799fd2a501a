// Periods that are recorded once and done again have the bits of calls, and of the host.
#include <catch2/catch.hpp>

#include <foal/foal.hpp>

#include <iostream>

#include "tests/executor/pausing.hpp"
#include "tests/support/deferred.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using test::deferred;

static_assert(device::records<deferred>);

}  // namespace

TEST_CASE("whatever of a run can be recorded has the bits of calls") {
  int recorded = 0;
  for (test::pausing of : test::pausing_cases()) {
    of.minibatches = 14;
    INFO(of.what.text());
    test::outcome const expected = test::in_one_piece(of);
    test::piece<deferred> p(of, 1, 5, recording::where_possible);
    test::outcome found;
    REQUIRE_FALSE(p.run(found, {}));
    CHECK(found == expected);
    std::size_t bad = 0;
    while (bad < found.losses.size() && found.losses[bad] == expected.losses[bad]) ++bad;
    std::cerr << "losses equal until " << bad << " of " << found.losses.size() << " state " << (found.state == expected.state) << " ";
    std::cerr << of.what.text() << ": " << p.periods.called << " " << p.periods.recorded << " " << p.periods.again << " "
              << p.not_recorded << "\n";
    if (p.periods.again > 0) ++recorded;
  }
  CHECK(recorded > 10);
}
