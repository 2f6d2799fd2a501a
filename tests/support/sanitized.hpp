// FOAL_TEST_SANITIZED: a sanitizer is at work, which has an allocator of its own, and multiplies the time of what it
// watches.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define FOAL_TEST_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FOAL_TEST_SANITIZED
#endif

namespace foal_test {

#if defined(FOAL_TEST_SANITIZED)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

/// How much of a thing that repeats: all of it, or under a sanitizer `few`, which go through the same code. What only all of
/// it shows, such as what was learnt, is then left to the builds without one.
template <class T>
constexpr T repeats(T all, T few) {
  return sanitized ? few : all;
}

/// Which of many alike are done: all, or under a sanitizer one in `few`. Of loops in each other, all of the inner one are
/// met if `few` has no divisor in common with their number.
class turns {
 public:
  explicit constexpr turns(unsigned few) : few_(repeats(1U, few)) {}
  /// Whether the next one is done; the first one is.
  bool take() { return met_++ % few_ == 0; }

 private:
  unsigned few_, met_ = 0;
};

}  // namespace foal_test
