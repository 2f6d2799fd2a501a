// A thread that does one piece of work at a time, beside a run.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include <foal/core/error.hpp>

namespace foal::checkpoint {

/// Of one thread, which asks for work. What that throws is kept as a sentence, and does not stop the next.
class background_writer {
 public:
  background_writer() = default;
  background_writer(background_writer const&) = delete;
  background_writer& operator=(background_writer const&) = delete;
  ~background_writer() { wait(); }

  bool busy() const { return busy_.load(); }
  /// Waits for the one before. Where the system gives no thread the caller does the work.
  void begin(std::function<void()> work) {
    wait();
    busy_ = true;
    try {
      thread_ = std::thread([this, work] { run(work); });
    } catch (std::exception const&) {
      run(work);
    }
  }
  void wait() {
    if (thread_.joinable()) thread_.join();
  }
  /// Why the last one failed; empty: it did not. Needs that it is not busy.
  std::string take_fault() { return std::exchange(fault_, {}); }

 private:
  void run(std::function<void()> const& work) {
    try {
      work();
    } catch (std::exception const& e) {
      fault_ = e.what();
    }
    busy_ = false;
  }

  std::thread thread_;
  std::atomic<bool> busy_{false};
  std::string fault_;  ///< before busy_ is false, of the thread
};

}  // namespace foal::checkpoint
