// Watches every access to memory of the tests: g++ -fsanitize=thread calls these functions before each, and no sanitizer's
// run time is linked that would answer them.
#pragma once

#include <cstddef>

namespace foal::test::emulation {

/// Of a thread of a kernel: reports an address that is no memory of its device (and stops the kernel), and two threads that
/// touch a word, one of them writing, with no barrier between. Of a host thread: reports device memory.
void touched(void const* p, std::size_t bytes, bool writes, bool atomic = false);

}  // namespace foal::test::emulation
