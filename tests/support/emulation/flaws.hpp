// What the emulation of CUDA found wrong, and the seed of the orders it tries.
//
// tests/support/emulation answers the calls of the CUDA runtime and of its libraries on the CPU, so that every kernel and
// every queue of foal runs in tests on machines without a GPU. It is for tests alone: nothing measured on it says anything
// about a GPU.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace foal::test::emulation {

/// Remembers a flaw, a whole sentence. What a kernel does wrong does not stop it.
void report(std::string flaw);
/// The flaws since the last call, at most 20 of them; empty where all is well.
std::vector<std::string> take_flaws();

/// From here on queues, blocks and threads go on in the order that this seed gives.
void seed(std::uint64_t value);
/// The same seed's order of this number.
void choose_order(std::uint64_t number);
/// A number in [0, n) from the seed. n > 0.
std::uint64_t random_below(std::uint64_t n);

}  // namespace foal::test::emulation
