// What the processes of a phase agree on while it runs: where it ends early or pauses, where it fails, and that it is over.
#pragma once

#include <algorithm>
#include <array>
#include <limits>

#include <foal/executor/phase_state.hpp>
#include <foal/transport/contract.hpp>

namespace foal::executor {

/// One process's part in it. Process 0 leads: the others tell it alone what happens to them, and it tells all.
///
/// A place that is common to all is found while the pipeline runs. Those that let minibatches in (stage 0 of a replica) are
/// asked to `hold`, and answer how many have begun: `held`. The most of these is where all `cut`, and each says that it is
/// `ready`; then those that hold `go` on. So no process can meet an op behind the place before it knows the place, and
/// meanwhile all of them work. Which minibatch that is depends on the clock; no bit of the others does. A copy of the run
/// that is wished for where it has only just gone on finds no place, and may be asked for again.
///
/// The op of the least key that fails in any process ends the phase in all: each does the ops before it. A phase is `over`
/// when the workers of all are at their end: no process leaves it while another may wait for its messages or notes.
class agreement {
 public:
  using note = transport::note;
  using note_kind = transport::note_kind;

  /// lets_in: whether this process hosts the first stage of a replica. shared is kept by reference.
  agreement(phase_state& shared, transport::process_place here, bool lets_in)
      : shared_(shared), here_(here), lets_in_(lets_in) {}

  /// Tells what has happened here. done: all workers are at their end. tell(process, note) sends, and does not wait.
  template <class Tell>
  void look(bool done, Tell const& tell) {
    if (long long const failed = shared_.failed_at.load(); failed < failed_here_) {
      failed_here_ = failed;
      to_leader({note_kind::stop, here_.number, failed, 0}, tell);
    }
    for (int const what : {ends, pauses, cuts})
      if (auto const w = static_cast<std::size_t>(what); !asked_[w] && shared_.asks[w].load()) {
        asked_[w] = true;
        to_leader({note_kind::ask, here_.number, what, 0}, tell);
      }
    if (!done || stopped_) return;
    stopped_ = true;
    to_leader({note_kind::stopped, here_.number, 0, 0}, tell);
  }

  /// Does what a note from another process asks.
  template <class Tell>
  void hear(note const& n, Tell const& tell) {
    switch (n.kind) {
      case note_kind::hold:
      case note_kind::cut:
      case note_kind::go:
      case note_kind::over:
        return obey(n, tell);
      case note_kind::stop:
        return here_.number == 0 ? lead(n, tell) : obey(n, tell);
      default:
        return lead(n, tell);
    }
  }

  /// The workers of all processes are at their end.
  bool over() const { return over_; }

 private:
  static constexpr int ends = phase_state::wish_end, pauses = phase_state::wish_pause, cuts = phase_state::wish_cut,
                       nothing = -1;

  template <class Tell>
  void to_leader(note const& n, Tell const& tell) {
    if (here_.number == 0)
      lead(n, tell);
    else
      tell(0, n);
  }
  /// The leader alone calls it; its own part comes last, for this may be the answer that was missing.
  template <class Tell>
  void to_all(note_kind kind, long long a, long long b, Tell const& tell) {
    note const n{kind, 0, a, b};
    for (int p = 1; p < here_.count; ++p) tell(p, n);
    obey(n, tell);
  }

  template <class Tell>
  void obey(note const& n, Tell const& tell) {
    switch (n.kind) {
      case note_kind::hold:
        return to_leader({note_kind::held, here_.number, lets_in_ ? shared_.hold() : 0, 0}, tell);
      case note_kind::cut:
        stop_for(static_cast<int>(n.a), n.b);
        return to_leader({note_kind::ready, here_.number, 0, 0}, tell);
      case note_kind::go:
        return shared_.let_in();
      case note_kind::stop:
        return shared_.stop(n.a);
      default:
        over_ = true;
    }
  }

  void stop_for(int what, long long begun) {
    if (what == ends) return shared_.cut_after(begun);
    if (what == cuts) {
      if (!shared_.stop_behind(begun)) shared_.asks[cuts] = asked_[cuts] = false;
      return;
    }
    shared_.pauses_by_wish = true;
    shared_.stop(shared_.key_behind(begun));
  }

  /// What the leader does with what one of them tells, or itself.
  template <class Tell>
  void lead(note const& n, Tell const& tell) {
    if (over_) return;  // nobody hears it any more
    switch (n.kind) {
      case note_kind::ask:
        wanted_[static_cast<std::size_t>(n.a)] = true;
        return find_place(tell);
      case note_kind::held:
        begun_ = std::max(begun_, n.a);
        if (++answers_ < here_.count) return;
        answers_ = 0;
        return to_all(note_kind::cut, at_work_, begun_, tell);
      case note_kind::ready:
        if (++answers_ < here_.count) return;
        if (at_work_ == cuts) wanted_[cuts] = found_[cuts] = false;
        at_work_ = nothing;
        to_all(note_kind::go, 0, 0, tell);
        return find_place(tell);
      case note_kind::stop:
        if (n.a >= least_failed_) return;
        least_failed_ = n.a;
        return to_all(note_kind::stop, n.a, 0, tell);
      default:
        if (++at_end_ == here_.count) to_all(note_kind::over, 0, 0, tell);
    }
  }
  /// One after the other: an end, a pause and a copy may all be wanted.
  template <class Tell>
  void find_place(Tell const& tell) {
    for (int const what : {ends, pauses, cuts}) {
      bool& wanted = wanted_[static_cast<std::size_t>(what)];
      bool& found = found_[static_cast<std::size_t>(what)];
      if (at_work_ != nothing || !wanted || found) continue;
      found = true;
      at_work_ = what;
      answers_ = 0;
      to_all(note_kind::hold, 0, 0, tell);
    }
  }

  phase_state& shared_;
  transport::process_place here_;
  bool lets_in_;

  long long failed_here_ = phase_state::no_limit;  // what has been told
  std::array<bool, 3> asked_{};
  bool stopped_ = false, over_ = false;

  std::array<bool, 3> wanted_{}, found_{};  // the leader's: of ends, pauses and copies
  int at_work_ = nothing, answers_ = 0, at_end_ = 0;
  long long begun_ = 0, least_failed_ = phase_state::no_limit;
};

}  // namespace foal::executor
