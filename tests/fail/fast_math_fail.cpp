// expected-error: foal cannot be compiled with -ffast-math, -Ofast or -ffinite-math-only, because .*remove
// expected-lines: 12
// with-flags: -O2 -ffast-math
// Arithmetic in which nothing is ever infinite: every check for divergence would be removed.
#include <foal/foal.hpp>
