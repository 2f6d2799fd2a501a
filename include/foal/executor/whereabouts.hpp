// Where the workers of a phase are, for a thread that looks on: what they are at, and what they answer when they are asked.
#pragma once

#include <atomic>
#include <string>

#include <foal/core/config.hpp>
#include <foal/core/flat_table.hpp>

namespace foal::executor {

/// A number that one thread changes while others look at it. For the one it costs what a plain number does.
template <class T>
class watched {
 public:
  watched(T v = {}) : value_(v) {}  // NOLINT: it stands for the number
  watched(watched const& other) : value_(other.get()) {}
  watched& operator=(watched const& other) { return *this = other.get(); }
  watched& operator=(T v) {
    value_.store(v, std::memory_order_relaxed);
    return *this;
  }
  watched& operator++() { return *this = get() + 1; }
  operator T() const { return get(); }
  T get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<T> value_;
};

/// One thread asks, and workers that are blocked or through answer; one that does not is in its op. The calling thread says
/// when it is beside the training: in a callback, or in an evaluation. Nothing of it is touched by a worker that runs ops.
class whereabouts {
 public:
  /// Before the workers begin.
  void begin(std::size_t workers) { answers_ = flat_table<answer>(workers); }

  // Of the workers.
  bool asked(int worker) const {
    int const question = question_.load(std::memory_order_relaxed);
    return question != 0 && of(worker).to.load(std::memory_order_relaxed) != question;
  }
  /// text(): what it waits for.
  template <class Text>
  void answer_if_asked(int worker, Text const& text) {
    if (!asked(worker)) return;
    int const question = question_.load(std::memory_order_acquire);
    of(worker).text = text();
    of(worker).to.store(question, std::memory_order_release);
  }
  void through(int worker) {
    if (answers_.empty() || of(worker).through.load(std::memory_order_relaxed)) return;
    of(worker).through.store(true, std::memory_order_relaxed);
  }

  // Of the calling thread.
  /// It is beside the training as long as this exists.
  class beside {
   public:
    explicit beside(whereabouts& of) : of_(of.beside_) { ++of_; }
    beside(beside const&) = delete;
    beside& operator=(beside const&) = delete;
    ~beside() { ++of_; }

   private:
    watched<unsigned>& of_;
  };
  /// A chunk of an evaluation has been done.
  void beat() { ++beats_; }

  // Of who looks on.
  /// Which of its times beside the training this is; 0: it is not there.
  unsigned times_beside() const {
    unsigned const n = beside_;
    return n % 2 == 0 ? 0 : n;
  }
  long long beats() const { return beats_; }
  /// Asks all of them. Needs that whoever sleeps is rung for after it.
  void ask() { question_.fetch_add(1, std::memory_order_release); }
  bool is_through(int worker) const { return of(worker).through.load(std::memory_order_relaxed); }
  bool answered(int worker) const {
    return of(worker).to.load(std::memory_order_acquire) == question_.load(std::memory_order_relaxed);
  }
  /// Needs answered(), and that nothing else is asked meanwhile.
  std::string const& text(int worker) const { return of(worker).text; }

 private:
  struct alignas(alignment) answer {
    std::atomic<int> to{0};
    std::atomic<bool> through{false};
    std::string text;
  };
  answer& of(int worker) { return answers_[static_cast<std::size_t>(worker)]; }
  answer const& of(int worker) const { return answers_[static_cast<std::size_t>(worker)]; }

  std::atomic<int> question_{0};
  watched<unsigned> beside_ = 0;
  watched<long long> beats_ = 0;
  flat_table<answer> answers_;
};

}  // namespace foal::executor
