// Where a worker is in its program: period, op, and what a cut leaves of them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <foal/executor/awaited.hpp>
#include <foal/executor/worker_copies.hpp>

namespace foal::executor {

class worker_place : public worker_copies {
 public:
  /// Whether all its ops of the phase have been run.
  bool through() const { return body_.empty() || period_ >= periods_; }
  /// Another number after each op. Any thread may look.
  long long place() const { return period_ * static_cast<long long>(body_.size()) + static_cast<long long>(at_.get()); }
  /// The op that it is at. Any thread may ask.
  std::string op_at_work() const {
    std::size_t const at = at_;
    if (at >= body_.size()) return "no op";
    return text_of(body_[at], placed_.first_microbatch + period_ * placed_.microbatches + body_[at].microbatch);
  }

 protected:
  worker_place(phase_state& shared, schedule::program_view program, std::vector<int> const& ranks, int number)
      : worker_copies(shared, program, number), body_(ops_of(shared, program, ranks)), placed_(shared) {
    see_cut(shared.cut.load());
    go_to(shared.from_key);
  }

  /// Looks at the cut; what follows from it is computed when it has changed.
  bool cut_off() {
    if (long long const now = placed_.cut.load(); now != cut_seen_) see_cut(now);
    return microbatch() >= total_;
  }
  void see_cut(long long cut) {
    long long const through = std::min(placed_.minibatches, cut);
    cut_seen_ = cut;
    total_ = through * placed_.microbatches;
    periods_ = placed_.periods - (placed_.minibatches - through);
  }
  long long microbatch() const { return microbatches_before_ + body_[at_].microbatch; }
  long long key_of(worker_op const& e) const { return keys_before_ + e.key; }
  void begin_period(long long period) {
    period_ = period;
    keys_before_ = period * placed_.keys_of_period();
    microbatches_before_ = period * placed_.microbatches;
  }

  position now() const { return position_of(body_[at_]); }
  position position_of(worker_op const& e) const {
    return {static_cast<std::uint32_t>(period_ * e.unit->facts.share + e.own),
            placed_.first_microbatch + microbatches_before_ + e.microbatch};
  }

  /// To the first op that is not before a key.
  void go_to(long long key) {
    begin_period(key / placed_.keys_of_period());
    at_ = 0;
    while (at_ < body_.size() && key_of(body_[at_]) < key) ++at_;
    skip();
  }
  /// To the next op whose microbatch is part of the run.
  void skip() {
    while (period_ < periods_) {
      for (; at_ < body_.size(); ++at_)
        if (long long const m = microbatch(); m >= 0 && m < total_) return;
      at_ = 0;
      begin_period(period_ + 1);
      if (body_.empty()) return;
    }
  }

  std::vector<worker_op> body_;
  watched<std::size_t> at_ = 0;
  watched<long long> period_ = 0;
  long long keys_before_ = 0, microbatches_before_ = 0;  ///< what all periods before have
  long long cut_seen_ = 0, total_ = 0, periods_ = 0;  ///< phase_state::cut, and the microbatches and periods that it leaves

 private:
  phase_state& placed_;
};

}  // namespace foal::executor
