// Rings whose slots come again together.
#include <catch2/catch.hpp>

#include <numeric>

#include <foal/plan/recordable_slots.hpp>

using foal::executor::periods_of_ring;
using foal::executor::recordable_slots;

TEST_CASE("a ring has its slots again after periods whose number is a power of two, of any rings the most of theirs") {
  for (int share = 1; share <= 12; ++share)
    for (int needed = 1; needed <= 40; ++needed) {
      int const slots = recordable_slots(share, needed), periods = periods_of_ring(slots, share);
      CAPTURE(share, needed, slots);
      CHECK(slots >= needed);
      CHECK(slots <= (needed <= share ? share : 2 * needed - 1));
      CHECK((periods & (periods - 1)) == 0);
      CHECK(periods <= (needed <= share ? 1 : 2 * needed / share));
      // What the number of periods is: microbatch m and the one so many periods behind it have one slot, and none before.
      int again = 1;
      while (again * share % slots != 0) ++again;
      CHECK(periods == again);
    }
  CHECK(recordable_slots(4, 0) == 0);
  CHECK(recordable_slots(4, 3) == 4);
  CHECK(recordable_slots(6, 2) == 2);
  CHECK(recordable_slots(6, 4) == 6);
  CHECK(recordable_slots(4, 7) == 8);
  CHECK(recordable_slots(1, 7) == 8);
}
