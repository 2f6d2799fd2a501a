// What both translation units include and use.
#pragma once

#include <foal/schedule/program.hpp>

inline int this_unit() { return foal::schedule::contiguous_rank({.stages = 4, .ranks = 2, .microbatches = 1}, 3); }
