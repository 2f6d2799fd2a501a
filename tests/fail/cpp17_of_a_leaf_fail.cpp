// expected-error: foal cannot be compiled as this C.., because it is older than C..20; compile with -std=c..20
// expected-lines: 12
// with-flags: -std=c++17
// The same from a header that needs no other, deep in the tree.
#include <foal/device/host/exponential.hpp>
