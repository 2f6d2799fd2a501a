// The passing twin of every *_fail.cpp: what they get wrong, done right. It must compile with the flags they fail with.
#include <foal/schedule/program.hpp>

static_assert(foal::schedule::contiguous_rank({.stages = 4, .ranks = 2, .microbatches = 1}, 3) == 1);

int main() {}
