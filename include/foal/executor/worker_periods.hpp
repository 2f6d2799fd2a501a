// How a worker does a whole period at once, where its device records.
#pragma once

#include <algorithm>
#include <exception>
#include <memory>
#include <vector>

#include <foal/executor/recorded_periods.hpp>
#include <foal/executor/worker_place.hpp>

namespace foal::executor {

/// The data of a period are brought while the launch before is at work; then what that one has found is heard, so that
/// nothing is launched behind a failure; then the numbers of the period's ops are written, and it is launched.
class worker_periods : public worker_place {
 public:
  /// Its periods are recorded, where they can be; must: a recording that fails ends the run. Needs that the phase can be
  /// recorded (plan/not_recorded.hpp).
  void record(run_memory& memory, int recordings, int ordinal, bool must) {
    recorded_ = std::make_unique<recorded_periods>(of_phase_, memory, body_, recordings, ordinal);
    must_ = must;
  }
  /// How it has done them; null: it records none.
  recorded_periods const* recorded() const { return recorded_.get(); }

 protected:
  worker_periods(phase_state& shared, schedule::program_view program, std::vector<int> const& ranks, int number)
      : worker_place(shared, program, ranks, number), of_phase_(shared) {}

  /// The period at whose begin it is, by a recording; or it has failed before. False: it is to be called.
  /// run(op): runs the one that it is at. Needs recorded().
  template <class Run>
  bool at_once(Run const& run) {
    if (decided_ == period_) return false;
    recorded_periods& r = *recorded_;
    if (decided_ >= 0 && decided_ + 1 == period_) r.see_lengths(decided_);
    decided_ = period_;
    bool const whole = at_ == 0 && first_microbatch() >= 0 && is_left(),
               can = whole && r.steady(period_) && may_do_period() && bring_data();
    hear_period(can);
    if (stopped_) return true;
    if (!can || !knows_limits()) return r.call(whole), false;
    long long key = keys_before_;
    std::exception_ptr thrown;
    try {
      thrown = r.run(period_, [&](std::size_t i) {
        at_ = i;
        key = key_of(body_[i]);
        run(body_[i]);
      });
    } catch (...) {
      fail(std::current_exception(), key);
    }
    if (thrown && !stopped_) {
      at_ = 0;
      if (!must_ || r.failure().empty()) return r.call(true), false;  // what is to be thrown is thrown by the call again
      fail(thrown, key);
    }
    at_ = body_.size();
    skip();
    return true;
  }
  /// What the launch before has left to be read; all: what has been called, too.
  void hear_period(bool all) {
    try {
      if (!recorded_->finish() && !all) return;
      for (bound_stage* const b : recorded_->units()) settle(*b);
      hear_statistics();
      for (bound_stage* const b : recorded_->units()) hear_losses(*b, true);
      recorded_->heard();
    } catch (...) {
      fail(std::current_exception(), keys_before_);
    }
  }

 private:
  /// A statistic that is not finite is named as it is found now, behind the period.
  void hear_statistics() {
    if (!recorded_->finish()) return;
    std::size_t const i = recorded_->refused();
    if (i == body_.size()) return;
    bound_stage& b = *body_[i].unit;
    of_phase_.ops->check_statistics(b);
    auto const which = static_cast<std::size_t>(std::max(b.refused, 0));
    diverge({recorded_->updates_before(i), b.number, b.table->buffers[which].name},
            recorded_->launched() * of_phase_.keys_of_period() + body_[i].key);
  }
  /// Of the period.
  long long first_microbatch() const { return microbatches_before_ + recorded_->lowest(); }
  long long last_microbatch() const { return microbatches_before_ + recorded_->highest(); }
  /// Whether a cut leaves all of it.
  bool is_left() { return !cut_off() && last_microbatch() < total_; }
  /// Whether all its ops may be run from here on, whatever others ask for: none stops, cuts or copies in it. The cut is
  /// looked at last: what admits the period comes after the cut that forbids it.
  bool may_do_period() {
    long long const first = first_microbatch(), last = last_microbatch(), n = of_phase_.microbatches,
                    of_run = of_phase_.first_microbatch;
    for (long long k = (of_run + first) / n; k <= (of_run + last) / n; ++k)
      if (evaluated_after(k + 1)) return false;
    of_phase_.begin(last / n + 1);
    return last < std::min(of_phase_.admitted.load(), of_phase_.held.load()) &&
           keys_before_ + of_phase_.keys_of_period() <= of_phase_.stop_at.load() && is_left();
  }
  /// Brings its data. What a source throws it throws again where the op is called.
  bool bring_data() {
    try {
      return recorded_->bring_data(period_, [this](worker_op const& e) { return position_of(e); });
    } catch (...) {
      return false;
    }
  }
  bool knows_limits() {
    return std::all_of(body_.begin(), body_.end(), [this](worker_op const& e) {
      if (e.kind != schedule::op_kind::U) return true;
      e.unit->summed = e.summed;
      return of_phase_.ops->knows_limit(*e.unit);
    });
  }

  phase_state& of_phase_;
  std::unique_ptr<recorded_periods> recorded_;
  bool must_ = false;
  long long decided_ = -1;  ///< the last period of which it is known how it is done
};

}  // namespace foal::executor
