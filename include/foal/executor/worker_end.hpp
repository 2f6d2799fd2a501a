// How a worker comes to its end before the program does: what failed, and at which op.
#pragma once

#include <cmath>
#include <exception>
#include <limits>
#include <optional>
#include <utility>

#include <foal/executor/phase_state.hpp>

namespace foal::executor {

/// What stops a run: the first op, in the order of (slot, rank, lane), whose loss or gradient is not finite, or which would
/// write a weight, a statistic or a state that is not. It writes nothing; ops before it have been done.
struct divergence {
  long long update = 0;  ///< the stage's own count of finished updates
  int stage = 0;
  std::string what;  ///< "loss", or the parameter whose gradient or new value it is, or the statistic
  // Of a loss:
  long long microbatch = -1;  ///< as the replica counts them in the phase; -1: it is told late, by a queue
  int replica = 0;
  struct origin {
    int stage = -1;
    std::string what{};  ///< "output of 3.conv": the first that is not finite, as far as stages keep theirs
  } from{};

  std::string text() const {
    std::string const begins =
        from.stage < 0 ? std::string() : sentence(", which begins with the ", from.what, " at stage ", from.stage);
    return sentence("cannot go on after update ", update, ", because the ", what, " at stage ", stage, " is not finite",
                    begins,
                    "; lower the learning rate, compensate the delay (T1, T2, T3), or look for inputs that are huge or "
                    "not finite, for token numbers that the model does not have and for an eps of 0");
  }
};

/// Of a worker's several failures the first in the program's order counts: what is read late may be one of an op before
/// another that has failed already.
class worker_end {
 public:
  std::optional<divergence> const& failure() const { return failure_; }
  std::exception_ptr const& exception() const { return exception_; }
  long long failed_key() const { return failed_key_; }
  /// What was thrown by something beside the training, the first in the program's order.
  std::exception_ptr const& beside() const { return beside_; }
  long long beside_key() const { return beside_key_; }

 protected:
  explicit worker_end(phase_state& shared) : ended_(shared) {}

  void diverge(divergence d, long long key) {
    stopped_ = true;
    if (key >= failed_key_) return;
    failure_ = std::move(d);
    exception_ = nullptr;
    failed_key_ = key;
    ended_.fail(key);
  }
  void fail(std::exception_ptr thrown, long long key) {
    stopped_ = true;
    if (key >= failed_key_) return;
    exception_ = std::move(thrown);
    failure_.reset();
    failed_key_ = key;
    ended_.fail(key);
  }
  void set_beside(std::exception_ptr thrown, long long key) {
    if (beside_) return;
    beside_ = std::move(thrown);
    beside_key_ = key;
  }

  /// Losses of the last stage that are there by now; all: those that are still to come too.
  void hear_losses(bound_stage& b, bool all) {
    if (!ended_.ops->gives_loss_later(b)) return;
    while (auto const told = b.later->next_loss(all || b.later->full())) {
      if (failed_key() <= told->of.key) continue;  // no more is told behind a failure
      if (ended_.losses != nullptr) ended_.losses->add(told->of.microbatch, told->result, b.replica);
      if (!std::isfinite(told->result.sum)) diverge({told->of.updates, b.number, "loss"}, told->of.key);
    }
  }
  /// Whether U has written, where it is read late. False: the run ends there.
  bool settle(bound_stage& b) {
    std::string what = ended_.ops->settle(b);
    if (!what.empty()) diverge({b.updates, b.number, std::move(what)}, b.later->key);
    return what.empty() && !stopped_;
  }

  bool stopped_ = false;

 private:
  static constexpr long long none = std::numeric_limits<long long>::max();
  phase_state& ended_;
  long long failed_key_ = none;
  std::optional<divergence> failure_;
  std::exception_ptr exception_, beside_;
  long long beside_key_ = none;
};

}  // namespace foal::executor
