// The second translation unit.
#include "../net.hpp"

bool other_unit_learns();
bool other_unit_learns() { return learns(); }
