// A stack of its own and the switch to it and back: a thread of an emulated block.
#pragma once

#include <cstddef>
#include <vector>

namespace foal::test::emulation {

/// One after another, each on a stack that the next one may use again. One thread at a time.
class fibre {
 public:
  /// Begins, or goes on behind the last leave(), until the next leave() or until the function is done. Says whether it is.
  /// The function must not throw.
  bool enter(void (*function)());
  /// Of the fibre that runs: back to whoever entered it.
  static void leave();
  /// The stack of the fibre that runs: [stack_begin, stack_end).
  static std::byte const* stack_begin();
  static std::byte const* stack_end();
  /// Gives up what has begun and will not go on; nothing on its stack is destroyed.
  void abandon();

 private:
  void* stack_ = nullptr;  ///< null: not begun
  void* top_ = nullptr;    ///< where it goes on
};

}  // namespace foal::test::emulation
