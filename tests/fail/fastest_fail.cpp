// expected-error: foal cannot be compiled with -ffast-math, -Ofast or -ffinite-math-only, because .*remove
// expected-lines: 12
// with-flags: -Ofast
// The level of optimisation that brings fast math along.
#include <foal/predictor.hpp>
