// expected-error: foal cannot be compiled as this C.., because it is older than C..20; compile with -std=c..20
// expected-lines: 12
// with-flags: -std=c++17
// A program of the last standard: one sentence instead of the three thousand lines that follow from it.
#include <foal/foal.hpp>
