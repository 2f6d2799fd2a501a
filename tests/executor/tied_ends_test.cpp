// Channels of tied weights: what is written waits for what has not left, what arrives waits for nobody.
#include <foal/executor/tied_ends.hpp>

#include <catch2/catch.hpp>

namespace {

using namespace foal;
constexpr std::uint32_t slots = 3;

/// The ends of one loan in two processes.
struct both_ends {
  transport::bell home_bell, borrower_bell;
  executor::tied_ends home, borrower;

  both_ends() {
    home.connect(true, slots, home_bell, borrower_bell);
    borrower.connect(false, slots, home_bell, borrower_bell);
  }
};

}  // namespace

TEST_CASE("a slot that has not left is not written, and what arrives always has room") {
  both_ends p;
  for (std::uint32_t v = 0; v < slots; ++v) {
    CHECK(p.home.weights_out.room(v));
    CHECK(p.borrower.gradients_out.room(v));
    p.home.weights_out.send(v + 1);
    p.borrower.gradients_out.send(v + 1);
  }
  CHECK_FALSE(p.home.weights_out.room(slots));
  CHECK_FALSE(p.borrower.gradients_out.room(slots));
  CHECK(p.borrower.weights_out.room(100));  // the ends that whoever brings messages writes
  CHECK(p.home.gradients_out.room(100));

  p.home.weights_in.release(1);  // it has left
  CHECK(p.home.weights_out.room(slots));
  CHECK_FALSE(p.home.weights_out.room(slots + 1));
  p.borrower.gradients_in.release(2);
  CHECK(p.borrower.gradients_out.room(slots + 1));
}

TEST_CASE("a version and a gradient are there when their messages are, and not by those of a phase before") {
  both_ends p;
  CHECK_FALSE(p.borrower.weights_in.arrived(0));
  p.borrower.weights_out.send(1);
  CHECK(p.borrower.weights_in.arrived(0));
  CHECK_FALSE(p.borrower.weights_in.arrived(1));
  p.home.gradients_out.send(2);
  CHECK(p.home.gradients_in.arrived(1));
  for (executor::tied_ends* const e : {&p.home, &p.borrower}) e->reset();
  CHECK_FALSE(p.borrower.weights_in.arrived(0));
  CHECK_FALSE(p.home.gradients_in.arrived(0));
  CHECK(p.home.weights_out.room(slots - 1));
}

TEST_CASE("an arrival, and a slot that has left, wake who may wait for it") {
  both_ends p;
  p.borrower_bell.asleep = p.home_bell.asleep = true;
  p.borrower.weights_out.send(1);
  CHECK(p.borrower_bell.rings == 1);
  CHECK(p.home_bell.rings == 0);
  p.home.gradients_out.send(1);
  CHECK(p.home_bell.rings == 1);
  p.home.weights_in.release(1);
  CHECK(p.home_bell.rings == 2);
  p.borrower.gradients_in.release(1);
  CHECK(p.borrower_bell.rings == 2);
}
