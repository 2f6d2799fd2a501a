// Whether a run of several processes stands still: what they tell each other about it.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <foal/transport/contract.hpp>

namespace foal::executor {

/// One process's part in it. Who has run no op for longer than the patience tells process 0, which asks all `where` they
/// are. Each answers for how long it has stood still (`here`), when its op at work is done. If all that answer stand still
/// for longer than the patience, the run does (`stalled`); else it goes on (`calm`). Who does not answer in time is said to
/// be missing; process 0 is, where nothing is heard of it. One that is `away`, in what it does beside the training, says so
/// before, and nobody misses it.
class stall_agreement {
 public:
  using note = transport::note;
  using note_kind = transport::note_kind;

  /// Processes that do not answer.
  struct verdict {
    int first = -1;  ///< the least of them; -1: all answer
    int count = 0;
  };

  /// patience: seconds, the same in all processes; 0: none stands still.
  stall_agreement(transport::process_place here, double patience)
      : here_(here), patience_(patience), answered_(static_cast<std::size_t>(here.number == 0 ? here.count : 0)) {}

  static bool is_of(note const& n) { return n.kind >= note_kind::stands; }
  /// Seconds in which an answer is to come. An op that is shorter than the patience is let off, or one of `longest`.
  double answers_within() const { return std::clamp(patience_, shortest, longest); }

  /// still: for how many seconds no op has been run here. now: seconds. tell(process, note) sends, and does not wait.
  template <class Tell>
  void look(double now, double still, Tell const& tell) {
    if (patience_ <= 0 || verdict_) return;
    bool const stands = still >= patience_;
    if (here_.number == 0) return lead(now, stands, tell);
    if (!stands || leader_away_) return forget();
    if (!asked_) {
      if (now < next_) return;
      asked_ = now;
      tell(0, {note_kind::stands, here_.number, 0, 0});
    } else if (now - *asked_ > (leader_lives_ ? 2 * answers_within() + 1 : answers_within())) {
      verdict_ = {0, 1};
    }
  }

  template <class Tell>
  void hear(note const& n, double now, double still, Tell const& tell) {
    switch (n.kind) {
      case note_kind::stands:
        wanted_ = true;
        break;
      case note_kind::away:
        if (here_.number != 0)
          leader_away_ = n.a != 0;
        else
          away_ += n.a != 0 ? 1 : -1;
        break;
      case note_kind::where:
        leader_lives_ = true;
        return tell(0, {note_kind::here, here_.number, still >= patience_ ? 1 : 0, n.a});
      case note_kind::here:
        if (!asked_ || n.b != question_) break;
        answered_[static_cast<std::size_t>(n.from)] = true;
        moves_ = moves_ || n.a == 0;
        break;
      case note_kind::calm:
        forget();
        next_ = now + pause;
        break;
      default:  // stalled
        if (!verdict_) verdict_ = {static_cast<int>(n.a), static_cast<int>(n.b)};
    }
  }
  /// This process is about to be away, or has come back.
  template <class Tell>
  void away(bool is, Tell const& tell) const {
    if (patience_ <= 0) return;
    note const n{note_kind::away, here_.number, is ? 1 : 0, 0};
    if (here_.number != 0) return tell(0, n);
    for (int p = 1; p < here_.count; ++p) tell(p, n);
  }

  /// The run stands still.
  std::optional<verdict> const& found() const { return verdict_; }
  /// look() is to be called although this process does not stand still.
  bool at_work() const { return wanted_ || asked_.has_value(); }

 private:
  static constexpr double shortest = 1, longest = 15, pause = 1;

  void forget() {
    asked_.reset();
    leader_lives_ = false;
  }
  template <class Tell>
  void to_all(note const& n, Tell const& tell) const {
    for (int p = 1; p < here_.count; ++p) tell(p, n);
  }
  template <class Tell>
  void lead(double now, bool stands, Tell const& tell) {
    if (!asked_) {
      if (!(wanted_ || stands) || now < next_) return;
      if (away_ > 0) return calm(now, tell);
      asked_ = now;
      moves_ = false;
      std::fill(answered_.begin(), answered_.end(), false);
      answered_[0] = true;
      return to_all({note_kind::where, 0, ++question_, 0}, tell);
    }
    verdict missing;
    for (int p = here_.count; p-- > 0;)
      if (!answered_[static_cast<std::size_t>(p)]) missing = {p, missing.count + 1};
    if (missing.count > 0 && now - *asked_ <= answers_within()) return;
    if (!stands || moves_ || away_ > 0) return calm(now, tell);
    to_all({note_kind::stalled, 0, missing.first, missing.count}, tell);
    verdict_ = missing;
  }
  template <class Tell>
  void calm(double now, Tell const& tell) {
    wanted_ = false;
    forget();
    next_ = now + pause;
    to_all({note_kind::calm, 0, 0, 0}, tell);
  }

  transport::process_place here_;
  double patience_;
  std::optional<double> asked_;  ///< when this process has asked: process 0 all, others process 0
  double next_ = 0;              ///< it does not ask before
  std::optional<verdict> verdict_;

  bool leader_away_ = false, leader_lives_ = false;  // of all but process 0

  bool wanted_ = false, moves_ = false;  // process 0's: one stands still; one that has answered does not
  int away_ = 0;
  long long question_ = 0;
  std::vector<bool> answered_;
};

}  // namespace foal::executor
