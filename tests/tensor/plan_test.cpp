#include <foal/tensor/plan.hpp>

#include <catch2/catch.hpp>

#include <foal/core/random.hpp>

TEST_CASE("Entries of a worker follow each other, aligned, and sums are by category and by worker", "[tensor]") {
  foal::memory_plan plan(2);
  plan.add("w", foal::category::weights, 0, 0, 100);
  plan.add("g", foal::category::gradients, 0, 0, 64);
  plan.add("nothing", foal::category::stash, 0, 1, 0);
  plan.add("v", foal::category::weights, 1, 1, 1);
  std::size_t const last = plan.add("s", foal::category::saved, 0, 1, 65);

  CHECK(plan[0].offset == 0);
  CHECK(plan[1].offset == 128);
  CHECK(plan[2].offset == 192);
  CHECK(plan[2].bytes == 0);
  CHECK(plan[3].offset == 0);
  CHECK(last == 4);
  CHECK(plan[4].offset == 192);
  CHECK(plan.arena_bytes(0) == 320);
  CHECK(plan.arena_bytes(1) == 64);
  CHECK(plan.bytes() == 384);
  CHECK(plan.bytes(foal::category::weights) == 192);
  CHECK(plan.bytes(foal::category::saved) == 128);
  CHECK(plan.bytes(foal::category::stash) == 0);
  CHECK(plan.entries().size() == 5);

  std::size_t sum = 0;
  for (int c = 0; c < foal::categories; ++c) sum += plan.bytes(static_cast<foal::category>(c));
  CHECK(sum == plan.bytes());
}

TEST_CASE("Every category has a name of its own", "[tensor]") {
  for (int a = 0; a < foal::categories; ++a)
    for (int b = 0; b < a; ++b)
      CHECK(std::string(foal::name(static_cast<foal::category>(a))) != foal::name(static_cast<foal::category>(b)));
}

TEST_CASE("Buffers that live at different times share room, in known cases", "[tensor]") {
  std::vector<std::size_t> offset;
  CHECK(foal::pack_intervals({}, offset) == 0);
  // the second begins when the first has ended, the third lives with both
  CHECK(foal::pack_intervals({{64, 0, 1}, {128, 2, 3}, {64, 1, 2}}, offset) == 192);
  CHECK(offset == std::vector<std::size_t>{0, 0, 128});
  // touching steps count as together
  CHECK(foal::pack_intervals({{64, 0, 1}, {64, 1, 2}}, offset) == 128);
}

TEST_CASE("Packed buffers never overlap while both live, and fit the region", "[tensor]") {
  foal::random_key key{5, foal::purpose::user, 0, 0};
  for (; key.sample < 300; ++key.sample) {
    std::uint32_t next = 0;
    auto const draw = [&](std::uint32_t below) { return foal::random_word(key, next++) % below; };
    std::vector<foal::interval_buffer> buffers(1 + draw(30));
    std::size_t all = 0, most = 0;
    for (auto& b : buffers) {
      b.bytes = draw(4) == 0 ? 0 : draw(5000);
      b.first = static_cast<int>(draw(20));
      b.last = b.first + static_cast<int>(draw(8));
      all += (b.bytes + 63) / 64 * 64;
    }
    for (int step = 0; step < 28; ++step) {
      std::size_t live = 0;
      for (auto const& b : buffers)
        if (b.first <= step && step <= b.last) live += (b.bytes + 63) / 64 * 64;
      most = std::max(most, live);
    }
    std::vector<std::size_t> offset;
    std::size_t const region = foal::pack_intervals(buffers, offset);
    REQUIRE(offset.size() == buffers.size());
    REQUIRE(region <= all);
    REQUIRE(region >= most);
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      REQUIRE(offset[i] % 64 == 0);
      REQUIRE(offset[i] + buffers[i].bytes <= region);
      for (std::size_t j = 0; j < i; ++j) {
        bool const together = buffers[i].first <= buffers[j].last && buffers[j].first <= buffers[i].last;
        bool const apart = offset[i] + buffers[i].bytes <= offset[j] || offset[j] + buffers[j].bytes <= offset[i];
        REQUIRE((!together || apart || buffers[i].bytes == 0 || buffers[j].bytes == 0));
      }
    }
  }
}
