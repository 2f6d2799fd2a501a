// What processes tell each other where a run stands still: who does not answer is named, and none is taken for one that
// does.
#include <foal/executor/stall_agreement.hpp>

#include <catch2/catch.hpp>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace {

using namespace foal;
using executor::stall_agreement;
using transport::note;

/// Processes whose clock is set by hand. One that is deaf does not look and hears nothing.
class standing {
 public:
  standing(int count, double patience) : still(static_cast<std::size_t>(count)), deaf(static_cast<std::size_t>(count)) {
    for (int p = 0; p < count; ++p) {
      all_.push_back(std::make_unique<stall_agreement>(transport::process_place{p, count}, patience));
      notes_.emplace_back();
    }
  }

  stall_agreement& of(std::size_t p) { return *all_[p]; }
  auto tell() {
    return [this](int to, note const& n) { notes_[static_cast<std::size_t>(to)].push_back(n); };
  }
  /// Tenths of a second go by until all that are not deaf have found something, or the time is up.
  bool finds(double seconds, bool all_stand = true) {
    for (double const end = now_ + seconds; now_ < end; now_ += 0.1) {
      bool found = true;
      for (std::size_t p = 0; p < all_.size(); ++p) {
        if (all_stand) still[p] += 0.1;
        if (deaf[p]) continue;
        all_[p]->look(now_, still[p], tell());
        for (; !notes_[p].empty(); notes_[p].pop_front()) all_[p]->hear(notes_[p].front(), now_, still[p], tell());
        found = found && all_[p]->found().has_value();
      }
      if (found) return true;
    }
    return false;
  }

  std::vector<double> still;
  std::vector<bool> deaf;

 private:
  std::vector<std::unique_ptr<stall_agreement>> all_;
  std::vector<std::deque<note>> notes_;
  double now_ = 1000;
};

}  // namespace

TEST_CASE("processes that all stand still find it soon behind their patience, and nobody is missing") {
  for (double const patience : {1.0, 60.0}) {
    standing run(4, patience);
    CHECK_FALSE(run.finds(patience - 0.5));
    REQUIRE(run.finds(4));
    for (std::size_t p = 0; p < 4; ++p) CHECK(run.of(p).found()->count == 0);
  }
}

TEST_CASE("who does not answer is named, process 0 too") {
  for (double const patience : {1.0, 60.0})
    for (std::size_t const lost : {0U, 2U}) {
      INFO("patience " << patience << ", process " << lost);
      standing run(4, patience);
      run.deaf[lost] = true;
      REQUIRE(run.finds(patience + 25));
      for (std::size_t p = 0; p < 4; ++p) {
        if (p == lost) continue;
        CHECK(run.of(p).found()->first == static_cast<int>(lost));
        CHECK(run.of(p).found()->count == 1);
      }
    }
  standing run(5, 5);
  run.deaf[2] = run.deaf[4] = true;
  REQUIRE(run.finds(25));
  CHECK(run.of(0).found()->first == 2);
  CHECK(run.of(1).found()->count == 2);
}

TEST_CASE("a run of which one process moves does not stand still, however long the others wait") {
  standing run(3, 2);
  run.still = {100, 0, 100};
  CHECK_FALSE(run.finds(60, false));
  run.still = {0, 100, 100};
  CHECK_FALSE(run.finds(60, false));
  run.still[0] = 100;
  CHECK(run.finds(5, false));
}

TEST_CASE("an op that is shorter than the patience is let off, though its process answers late") {
  for (std::size_t const busy : {0U, 1U}) {
    standing run(3, 10);
    run.still = {9.5, 9.5, 9.5};
    run.deaf[busy] = true;
    CHECK_FALSE(run.finds(9));
    run.deaf[busy] = false;
    run.still[busy] = 0;
    CHECK_FALSE(run.finds(5, false));
    CHECK_FALSE(run.of(1 - busy).found().has_value());
  }
}

TEST_CASE("a process that is away is not missed, and is again when it has come back") {
  for (std::size_t const who : {0U, 2U}) {
    standing run(3, 2);
    run.of(who).away(true, run.tell());
    CHECK_FALSE(run.finds(0.5, false));
    run.deaf[who] = true;
    CHECK_FALSE(run.finds(600));
    run.deaf[who] = false;
    run.of(who).away(false, run.tell());
    run.still = {0, 0, 0};
    CHECK_FALSE(run.finds(1.5));
    run.deaf[who] = true;
    CHECK(run.finds(20));
  }
}

TEST_CASE("without a patience nobody asks") {
  standing run(3, 0);
  run.of(0).away(true, run.tell());
  CHECK_FALSE(run.finds(1000));
  CHECK_FALSE(run.of(1).at_work());
}
