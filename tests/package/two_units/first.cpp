// With second.cpp: the same headers in two translation units must link.
#include "everything.hpp"

int other_unit();

int main() { return other_unit() == this_unit() ? 0 : 1; }
