// expected-error: foal cannot be compiled with -ffast-math, -Ofast or -ffinite-math-only, because .*remove
// expected-lines: 12
// with-flags: -ffinite-math-only
// The part of fast math that removes the checks, alone.
#include <foal/text.hpp>
