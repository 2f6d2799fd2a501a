// With second.cpp: nothing but an include path, and the same headers in two translation units must link.
#include "../net.hpp"

bool other_unit_learns();

int main() { return learns() && other_unit_learns() ? 0 : 1; }
