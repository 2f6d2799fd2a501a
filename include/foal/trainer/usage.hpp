// Who uses a trainer's weights: one that works on them, any number that read them, or a callback that reads copies.
#pragma once

#include <atomic>
#include <thread>

#include <foal/core/error.hpp>

namespace foal::executor {

/// Any thread may ask for a use; one that cannot be had is refused with a sentence, never waited for.
class usage {
 public:
  /// Trains, evaluates or sets weights: alone.
  class working {
   public:
    working(usage& of, char const* what) : of_(of) {
      int free = 0;
      if (of_.users_.compare_exchange_strong(free, at_work)) return;
      require(free < 0, "cannot ", what,
              " now, because another thread reads the weights of this trainer; do it when that is done");
      refuse(what);
    }
    working(working const&) = delete;
    working& operator=(working const&) = delete;
    ~working() { of_.users_ = 0; }

   private:
    usage& of_;
  };

  /// Reads weights: beside other readers.
  class reading {
   public:
    reading(usage& of, char const* what) : of_(of) {
      int readers = of_.users_.load();
      do {
        if (readers == at_work)
          refuse(what, "; the callback `evaluated` may read, and sees the weights that were evaluated");
      } while (!of_.users_.compare_exchange_weak(readers, readers + 1));
    }
    reading(reading const&) = delete;
    reading& operator=(reading const&) = delete;
    ~reading() { of_.users_.fetch_sub(1); }

   private:
    usage& of_;
  };

  /// In a callback of an evaluation, on the thread that calls it: what that thread reads are the copies of that update.
  class answering {
   public:
    answering(usage& of, long long update) : of_(of) {
      of_.update_ = update;
      of_.answers_ = std::this_thread::get_id();
    }
    answering(answering const&) = delete;
    answering& operator=(answering const&) = delete;
    ~answering() { of_.answers_ = std::thread::id(); }

   private:
    usage& of_;
  };
  /// Whether the calling thread is in such a callback, and of which update.
  bool answers() const { return answers_.load() == std::this_thread::get_id(); }
  long long update() const { return update_; }

 private:
  static constexpr int at_work = -1;

  [[noreturn]] static void refuse(char const* what, char const* more = "") {
    throw error(sentence("cannot ", what,
                         " now, because this trainer is at work, and a callback or another thread has asked; do it when it "
                         "is done",
                         more));
  }

  std::atomic<int> users_{0};  ///< readers, or at_work
  std::atomic<std::thread::id> answers_{};
  long long update_ = 0;  ///< set and read by that thread
};

}  // namespace foal::executor
