// expected-error: foal cannot be compiled for a GPU in this file, because foal/cuda.hpp has kernels, .*put the trainer into a .cu file
// expected-lines: 12
// with-flags: -Wall
// The CUDA device in a .cpp file: one sentence that says where the trainer goes, whether the toolkit is there or not.
#include <foal/cuda.hpp>

int main() {}
