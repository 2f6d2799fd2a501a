// The umbrella header beside what a program has of its own: no macros of terminals, names that do not get in the way.
#include <foal/foal.hpp>

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>

#if defined(CTRL) || defined(CMIN) || defined(CEOF) || defined(ECHO) || defined(B0) || defined(NL0) || defined(TIOCGWINSZ)
#error "foal.hpp brings along the macros of termios"
#endif

namespace {

using namespace foal;

// The layer's name is that of a C function, so among these directives each is written with its namespace.
struct net : stages<input<2>, linear<4>, foal::tanh, linear<2>> {};
static_assert(stage_count<net> == 2);

/// Names that a program may well have for itself.
template <class T>
T at(T const* values, int i) {
  return values[i];
}

}  // namespace

TEST_CASE("using namespace foal: functions of the C library and a program's own keep their names") {
  double const values[] = {0.5, 2};
  CHECK(at(values, 1) == 2);
  CHECK(std::tanh(values[0]) == ::tanh(values[0]));
  int (*const waits_for_a_signal)() = pause;  // of <unistd.h>: not a function of foal's
  CHECK(waits_for_a_signal != nullptr);
}
