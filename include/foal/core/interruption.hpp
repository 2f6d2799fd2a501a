// SIGINT and SIGTERM as a question that a program asks when it can: only while it wants that.
#pragma once

#include <unistd.h>

#include <atomic>
#include <csignal>

#include <foal/core/error.hpp>

namespace foal {

/// While it lives, the first SIGINT or SIGTERM is kept, and a second one ends the process at once with 128 and its number.
/// Then the handlers that were there before are there again. One at a time.
class interruption {
 public:
  interruption() {
    require(!lives().exchange(true), "cannot take signals twice, because another foal::interruption lives; use that one");
    kept() = 0;
    struct sigaction mine {};
    mine.sa_handler = [](int signal) {
      if (kept().exchange(signal) != 0) ::_exit(128 + signal);
    };
    mine.sa_flags = SA_RESTART;
    sigemptyset(&mine.sa_mask);
    ::sigaction(SIGINT, &mine, &before_[0]);
    ::sigaction(SIGTERM, &mine, &before_[1]);
  }
  interruption(interruption const&) = delete;
  interruption& operator=(interruption const&) = delete;
  ~interruption() {
    ::sigaction(SIGINT, &before_[0], nullptr);
    ::sigaction(SIGTERM, &before_[1], nullptr);
    lives() = false;
  }

  /// 0: there was none. Any thread may ask.
  int signal() const { return kept().load(); }
  /// What the program is to exit with: 128 and the signal's number.
  int status() const { return signal() == 0 ? 0 : 128 + signal(); }

 private:
  static std::atomic<int>& kept() {
    static constinit std::atomic<int> signal{0};  // no guard, which a handler may not wait for
    static_assert(std::atomic<int>::is_always_lock_free);
    return signal;
  }
  static std::atomic<bool>& lives() {
    static constinit std::atomic<bool> one{false};
    return one;
  }

  struct sigaction before_[2]{};
};

}  // namespace foal
