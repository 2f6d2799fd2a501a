// Counts what a program allocates with new. To be included by one file of a program: it replaces the operators.
#pragma once

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace foal_test {

inline std::atomic<std::size_t> allocated_now{0}, allocated_most{0};

/// The most bytes that were allocated at once while f ran, beyond those before. Nothing else may run meanwhile.
template <class F>
std::size_t peak_of(F f) {
  std::size_t const before = allocated_now;
  allocated_most = before;
  f();
  return allocated_most - before;
}

}  // namespace foal_test

void* operator new(std::size_t n) {
  void* const p = std::malloc(n > 0 ? n : 1);
  if (p == nullptr) throw std::bad_alloc();
  std::size_t const now = foal_test::allocated_now += malloc_usable_size(p);
  foal_test::allocated_most = std::max<std::size_t>(foal_test::allocated_most, now);
  return p;
}
void* operator new(std::size_t n, std::nothrow_t const&) noexcept {  // the sanitizers' own would not come to the one above
  try {
    return operator new(n);
  } catch (std::bad_alloc const&) {
    return nullptr;
  }
}
void operator delete(void* p) noexcept {
  if (p != nullptr) foal_test::allocated_now -= malloc_usable_size(p);
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
void operator delete(void* p, std::nothrow_t const&) noexcept { operator delete(p); }
