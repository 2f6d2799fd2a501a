// expected-error: foal cannot be compiled with -fno-exceptions, because its errors are exceptions of type foal::error
// expected-lines: 12
// with-flags: -fno-exceptions
// No exceptions, of which foal's errors are.
#include <foal/foal.hpp>
