// What every program pays that includes foal.
#include <foal/foal.hpp>
