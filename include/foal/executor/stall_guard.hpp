// Ends a run that stands still, and says where each of its workers is.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <foal/executor/stall_agreement.hpp>
#include <foal/executor/stall_watch.hpp>
#include <foal/executor/worker.hpp>

namespace foal::executor {

/// A thread that looks at the workers of a phase a few times a second. Where none of them has run an op for `patience`
/// seconds, although the calling thread is not in a callback or an evaluation, it asks where they are, and writes on stderr
/// what each waits for, or the op that it is in, and what has gone through the channels. If all of them answer, the phase is
/// given up: end() has the sentence. One that does not within a second is in its op and cannot be stopped: the process is
/// ended with status 1. So it is where the phase does not come to its end after all.
///
/// Of several processes each has one, and the calling threads find together whether the run stands still (stall_agreement);
/// what a calling thread that does not come back cannot say, this one does. Then all write, and all end.
class stall_guard {
 public:
  /// Keeps references. Before the workers begin, of which the phase's `where` then knows. Throws foal::error where the
  /// system gives no more threads.
  stall_guard(phase_state& shared, std::span<worker const> workers, double patience)
      : shared_(shared), workers_(workers), patience_(patience), watch_(patience), turns_watch_(patience) {
    shared_.where.begin(workers.size());
    try {
      thread_ = std::thread([this] { look_on(); });
    } catch (std::system_error const& refused) {
      throw error(sentence("cannot watch whether the run stands still, because the system gives no more threads (",
                           refused.what(), "); raise the limit (ulimit -u), or leave .stall_seconds out"));
    }
  }
  stall_guard(stall_guard const&) = delete;
  stall_guard& operator=(stall_guard const&) = delete;
  ~stall_guard() { end(); }

  /// The workers are at their end. Gives why the phase has been given up; empty: it has not been.
  std::string end() {
    {
      std::scoped_lock const held(lock_);
      over_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
    return why_;
  }

  double patience() const { return patience_; }

  // Of the calling thread of one of several processes.
  /// Verdicts are found together from here on.
  void join(transport::process_place here, double answers_within) {
    std::scoped_lock const held(lock_);
    here_ = here;
    answers_within_ = answers_within;
  }
  /// For how many seconds no op has been run; 0 up to the patience.
  double still() const { return still_.load(std::memory_order_relaxed); }
  /// It is not in an op, nor does it wait for others.
  void turned() { ++turns_; }
  /// True now and then: however much there is to do, others are to be heard.
  bool calls() {
    if (!calls_.load(std::memory_order_relaxed)) return false;
    calls_.store(false, std::memory_order_relaxed);
    return true;
  }
  /// All processes have found that the run stands still.
  void found(stall_agreement::verdict missing) {
    {
      std::scoped_lock const held(lock_);
      if (!missing_) missing_ = missing;
    }
    wake_.notify_all();
  }
  /// It has been told where the workers are, and the others have had the time to do so: all are to be ended.
  bool ends() const { return ends_.load(std::memory_order_relaxed); }

 private:
  using seconds = std::chrono::duration<double>;
  static constexpr double grace =
      3.5;  ///< in which the others write: longer than a worker may take to answer, and than due()
  static constexpr double last_grace = 10;

  static double tenths(double s) { return std::round(s * 10) / 10; }
  static double now() { return seconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }

  /// True: the phase is over.
  bool sleep(double s) {
    std::unique_lock held(lock_);
    return wake_.wait_for(held, seconds(s), [this] { return over_; });
  }
  void look_on() {
    unsigned beside = 0;
    while (!sleep_until_found(std::clamp(patience_ / 8, 1e-3, 0.25))) {
      calls_.store(true, std::memory_order_relaxed);
      unsigned const before = std::exchange(beside, shared_.where.times_beside());
      if (beside != 0 && beside == before) watch_.restart();
      double const still = watch_.standing(beats(), now());
      still_.store(still, std::memory_order_relaxed);
      double const quiet = turns_watch_.standing(turns_ + beside, now());
      if (due(still, quiet) && examine(still)) return;
    }
  }
  bool sleep_until_found(double s) {
    std::unique_lock held(lock_);
    wake_.wait_for(held, seconds(s), [this] { return over_ || missing_; });
    return over_;
  }
  long long beats() const {
    long long all = shared_.where.beats();
    for (worker const& w : workers_) all += w.place();
    return all;
  }
  /// Whether it is for this thread to act. quiet: for how long the calling thread has not turned.
  bool due(double still, double quiet) {
    if (shared_.alone) return still > 0;
    std::scoped_lock const held(lock_);
    verdict_ = missing_;
    if (here_.count == 1) return false;                                         // not among the others yet
    return verdict_ || (still > 0 && quiet > patience_ + answers_within_ + 1);  // the calling thread will not say anything
  }

  /// True: it has acted.
  bool examine(double still) {
    long long const before = beats();
    std::vector<worker const*> silent = ask();
    if (shared_.alone && beats() != before) return false;
    std::vector<std::string> lines;
    for (worker const& w : workers_) lines.push_back(line_of(w, silent, still));
    for (std::string& line : counts_of_channels(*shared_.stages)) lines.push_back(std::move(line));
    lines.insert(lines.begin(), sentence_of(still, silent));
    why_ = lines.front();
    tell(lines);
    act(silent.empty());
    return true;
  }
  /// Those that have not answered within a second.
  std::vector<worker const*> ask() {
    shared_.where.ask();
    std::vector<worker const*> silent;
    for (int turn = 0; turn < 50; ++turn) {
      shared_.ring();
      silent.clear();
      for (worker const& w : workers_)
        if (!shared_.where.is_through(w.number()) && !shared_.where.answered(w.number())) silent.push_back(&w);
      if (silent.empty() || sleep(0.02)) break;
    }
    return silent;
  }
  std::string line_of(worker const& w, std::vector<worker const*> const& silent, double still) const {
    std::string const name = sentence("worker ", w.number(), ": ");
    if (std::find(silent.begin(), silent.end(), &w) != silent.end()) return name + in_its_op(w, still);
    return name + (shared_.where.is_through(w.number()) ? "has run all its ops" : shared_.where.text(w.number()));
  }
  static std::string in_its_op(worker const& w, double still) {
    return still > 0 ? sentence("has been in ", w.op_at_work(), " for ", tenths(still), " seconds or longer")
                     : sentence("is in ", w.op_at_work());
  }
  std::string sentence_of(double still, std::vector<worker const*> const& silent) const {
    std::string const begin = sentence("cannot go on, because no op has been run for ", tenths(std::max(still, patience_)),
                                       " seconds (.stall_seconds is ", patience_, "): ");
    if (verdict_ && verdict_->count > 0)
      return sentence(begin, "process ", verdict_->first,
                      verdict_->count > 1 ? sentence(" and ", verdict_->count - 1, " more do") : std::string(" does"),
                      " not answer; look whether it is stopped, out of reach, or in an op that does not come back");
    if (!silent.empty())
      return sentence(begin, "worker ", silent.front()->number(), " ", in_its_op(*silent.front(), still),
                      "; look what its layers, its data or its callbacks wait for, or give more .stall_seconds");
    for (worker const& w : workers_)
      if (!shared_.where.is_through(w.number()))
        return sentence(begin, "worker ", w.number(), " ", shared_.where.text(w.number()),
                        "; look on stderr for what the others do, or give more .stall_seconds");
    return begin + "the ops of this process have been run, and the others do not come to the end; look at theirs";
  }
  void tell(std::vector<std::string> const& lines) const {
    std::string const name = !shared_.alone ? sentence("process ", here_.number, ": ") : std::string("foal: ");
    std::string all;
    for (std::string const& line : lines) all += name + line + '\n';
    std::fputs(all.c_str(), stderr);
    std::fflush(stderr);
  }
  void act(bool all_answer) {
    if (!shared_.alone) {
      if (sleep(grace)) return;
      ends_.store(true, std::memory_order_relaxed);
      if (sleep(grace)) return;
    } else if (all_answer) {
      shared_.give_up();
      if (sleep(last_grace)) return;
    }
    std::_Exit(1);
  }

  phase_state& shared_;
  std::span<worker const> workers_;
  double patience_;
  stall_watch watch_, turns_watch_;
  watched<long long> turns_ = 0;
  std::atomic<double> still_{0};
  std::atomic<bool> ends_{false}, calls_{false};
  std::string why_;

  std::mutex lock_;
  std::condition_variable wake_;
  bool over_ = false;
  transport::process_place here_;
  double answers_within_ = 0;
  std::optional<stall_agreement::verdict> missing_;

  std::optional<stall_agreement::verdict> verdict_;  // the same, for this thread alone

  std::thread thread_;  // the last, for it looks at the others
};

}  // namespace foal::executor
