// The orders in which the queues of a device go on, where a test can choose one: on the emulation of CUDA.
#pragma once

#if defined(FOAL_EMULATED_CUDA)
#include "emulation/flaws.hpp"
#endif

namespace foal::test {

#if defined(FOAL_EMULATED_CUDA)
inline constexpr int orders = 3;
inline void choose_order(int i) { emulation::choose_order(static_cast<std::uint64_t>(i)); }
#else
inline constexpr int orders = 2;  // a GPU has its own: the same again
inline void choose_order(int) {}
#endif

}  // namespace foal::test
