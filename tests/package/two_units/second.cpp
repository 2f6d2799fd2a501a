// The second translation unit.
#include "everything.hpp"

int other_unit();
int other_unit() { return this_unit(); }
