// One executor for a program that may be one process or several.
#include <foal/executor/as_launched.hpp>

#include <catch2/catch.hpp>

namespace {

using namespace foal;
using executor::as_launched;

/// Processes of which this one is the second of three.
struct three {
  static inline int agreed = 0;
  static executor::process_place place() { return {1, 3}; }
  static void agree(report::fingerprint const&) { ++agreed; }
  static std::vector<std::string> exchange(std::string const& mine) { return {"first", mine, "last"}; }
  static void drive(std::span<executor::worker>, executor::service const&) {}
};

}  // namespace

TEST_CASE("a program is alone until it joins others", "[executor]") {
  CHECK(as_launched::place().count == 1);
  CHECK(as_launched::exchange("mine") == std::vector<std::string>{"mine"});
  CHECK(as_launched::swap(0, 0, "mine") == "mine");
  CHECK_NOTHROW(as_launched::agree({}));

  as_launched::join<three>();
  CHECK(as_launched::place().number == 1);
  CHECK(as_launched::exchange("mine") == std::vector<std::string>{"first", "mine", "last"});
  CHECK(as_launched::swap(2, 0, "mine") == "first");  // by exchange(), as these have no other way
  as_launched::agree({});
  CHECK(three::agreed == 1);
  CHECK(executor::driver_of<as_launched>().threaded);
}
