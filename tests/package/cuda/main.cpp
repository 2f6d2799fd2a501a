// A .cpp file that trains the same net on the host by itself, and on a GPU by training.cu.
#include "../net.hpp"
#include "training.hpp"

int main() { return learns() ? learn_on_gpu() : 1; }
