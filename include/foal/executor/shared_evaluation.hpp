// Evaluations by several processes, each of which has some of the stages: chunk after chunk goes through them, and all hear
// the result.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/executor/evaluation_rounds.hpp>
#include <foal/executor/open_ends.hpp>
#include <foal/transport/contract.hpp>

namespace foal::executor {

/// An evaluation_result as a message.
struct evaluation_message {
  long long update = 0, samples = 0;
  double loss = 0, accuracy = 0;
  bool ends = false;     ///< the training
  bool well = true;      ///< whoever has been called with it has not thrown
  bool misfits = false;  ///< a target does, and the fault says so
  std::size_t size = 0;
  char fault[2048] = {};  ///< what is longer is cut

  evaluation_message() = default;
  evaluation_message(evaluation_result const& r, std::string const& of_target)
      : update(r.update),
        samples(r.samples),
        loss(r.loss),
        accuracy(r.accuracy),
        misfits(!of_target.empty()),
        size(std::min(r.fault.size(), sizeof fault)) {
    std::copy_n(r.fault.data(), size, fault);
  }
  evaluation_result result() const { return {update, loss, accuracy, samples, std::string(fault, size)}; }
  std::string misfit() const { return misfits ? std::string(fault, size) : std::string(); }
};
static_assert(std::is_trivially_copyable_v<evaluation_message>);

/// Which process has each stage of the first replica.
inline std::vector<int> processes_of_stages(run_memory const& memory, int here) {
  std::vector<int> all;
  for (bound_stage const& b : memory.stages())
    if (b.replica == 0) all.push_back(b.worker >= 0 ? here : elsewhere(b.worker));
  return all;
}

/// One process's part in the evaluations of a phase. A chunk waits at no border longer than its neighbour needs for the one
/// before, and turn() never waits: other channels go on moving. Process 0 is told the result by that of the last stage, and
/// tells all others. When all of these have said that they have been called with it, process 0 is, and tells them what comes
/// of that; nobody begins the next evaluation, or writes over the copies of this one, before it knows.
class shared_evaluation {
 public:
  /// process_of: of each stage. queue: of messages (unit_queues). Keeps references to both.
  shared_evaluation(evaluation_rounds& rounds, std::vector<int> process_of, transport::process_place here,
                    transport::message_queue const* queue)
      : rounds_(rounds),
        process_of_(std::move(process_of)),
        here_(here.number),
        chunks_(rounds.chunks()),
        passed_(rounds.runs().size(), 0),
        in_(passed_.size(), nullptr),
        out_(passed_.size(), nullptr) {
    using transport::channel_kind;
    for (std::size_t s = 1; s < process_of_.size(); ++s) {
      int const below = process_of_[s - 1], above = process_of_[s];
      if (below == above) continue;
      link* const l = add({static_cast<int>(s), 0, channel_kind::evaluation}, below, above, rounds.most() * chunks_);
      if (l == nullptr) continue;
      l->entries = rounds_.border(s);
      l->queue = queue;
      for (std::size_t r = 0; r < passed_.size(); ++r) {
        if (rounds_.runs()[r].first == s) in_[r] = l;
        if (rounds_.runs()[r].end == s) out_[r] = l;
      }
    }
    int wire = static_cast<int>(process_of_.size());  // behind the last one
    for (evaluation_loan const& tied : rounds.loans()) {
      int const home = process_of_[tied.home], borrower = process_of_[tied.borrower];
      if (home == borrower) continue;
      link* const l = add({wire++, 0, channel_kind::evaluation}, home, borrower, rounds.most());
      if (l == nullptr) continue;
      l->entries = {tied.at};
      l->queue = queue;
      loans_.push_back({l, tied.borrower});
    }
    int const last = process_of_.back();
    auto const add_result = [&](int from, int to, long long most) {
      link* const l = add({to, 0, channel_kind::evaluated}, from, to, most);
      if (l != nullptr) l->entries = {{reinterpret_cast<std::byte*>(&l->message), 0, sizeof l->message, 1}};
      return l;
    };
    if (last != 0) from_last_ = add_result(last, 0, rounds.most());
    for (int p = 1; p < here.count; ++p) {
      link* const result = add_result(0, p, 2 * rounds.most());  // what it is, and what comes of it
      link* const heard = add({p, 0, channel_kind::heard}, p, 0, rounds.most());
      if (result == nullptr) continue;
      heard->entries = {{reinterpret_cast<std::byte*>(&heard->message.well), 0, sizeof heard->message.well, 1}};
      others_.push_back({result, heard});
    }
  }
  /// Called before the rounds are told a result, which may take long, with true; behind it with false.
  std::function<void(bool)> telling;

  shared_evaluation(shared_evaluation const&) = delete;
  shared_evaluation& operator=(shared_evaluation const&) = delete;

  /// Channels of all processes: they have the numbers from 0.
  int channels() const { return number_; }
  /// The ends that are here. They refer to this.
  std::vector<open_channel> open() {
    std::vector<open_channel> all;
    for (auto const& l : links_) all.push_back({l->end(), l->peer});
    return all;
  }

  /// Does a chunk of what is here, or hears a result. Gives whether it has; throws what the source of the samples does.
  bool turn() {
    if (hear()) return true;
    if (!rounds_.due() || !rounds_.copied()) return false;
    if (lend()) return true;
    for (std::size_t r = passed_.size(); r-- > 0;)
      if (pass(r)) return true;
    return tell();
  }
  /// All evaluations that are due have been heard of.
  bool done() const { return !rounds_.due(); }
  /// Behind the end of a phase, when all messages are here: what process 0 has told all is heard by all. All processes call
  /// it; from_first(text) gives process 0's text to each.
  template <class FromFirst>
  void finish(FromFirst const& from_first) {
    if (here_ != 0)
      while (hear()) {
      }
    if (from_first(std::string(announced_ ? "told" : "")).empty()) return;
    // Notes are counted already, so nobody is told that this may take long.
    bool const ends = here_ == 0 && !rounds_.told(announced_->result, announced_->misfit, true);
    next(!from_first(std::string(ends ? "ends" : "")).empty());
  }

 private:
  /// A channel of which one end is here.
  struct link {
    transport::channel_id id{};
    int number = 0, peer = 0;
    bool sends = false;
    long long most = 0;
    std::vector<transport::entry_slots> entries{};
    transport::message_queue const* queue = nullptr;  ///< of entries in its device's memory
    evaluation_message message{};
    transport::channel counts{};
    transport::bell bell{};  ///< nobody sleeps on it
    transport::outbox out{&counts, &bell, 1, 0, 0, 0};
    transport::inbox in{&counts, &bell, true, false, 0};
    std::uint32_t count = 0;  ///< messages that have been sent, or taken

    /// Whoever brings messages has the ends that the other process would have.
    transport::open_end end() const {
      return {.id = id,
              .number = number,
              .sends = sends,
              .out = in,
              .in = out,
              .entries = entries,
              .order = {{0}, 1, most},
              .queue = queue};
    }
    bool room() { return out.room(count); }
    void send() { out.send(++count); }
    bool arrived() { return in.arrived(count); }
    void take() { in.read(++count); }
  };

  /// Between process 0 and another one.
  struct other {
    link *result = nullptr, *heard = nullptr;
  };
  struct outcome {
    evaluation_result result;
    std::string misfit;
  };

  struct loan {
    link* over = nullptr;
    std::size_t borrower = 0;
    bool sent = false;  ///< for this evaluation
  };

  /// Null: neither end is here.
  link* add(transport::channel_id id, int from, int to, long long most) {
    int const number = number_++;
    if (from != here_ && to != here_) return nullptr;
    links_.push_back(std::make_unique<link>());
    link& l = *links_.back();
    l.id = id;
    l.number = number;
    l.sends = from == here_;
    l.peer = l.sends ? to : from;
    l.most = most;
    return &l;
  }

  /// A tied parameter that is here: to who borrows it.
  bool lend() {
    for (loan& l : loans_) {
      if (!l.over->sends || l.sent || !l.over->room()) continue;
      l.over->send();
      return l.sent = true;
    }
    return false;
  }
  bool has_borrowed(stage_run const& r) {
    return std::all_of(loans_.begin(), loans_.end(), [&r](loan const& l) {
      return l.over->sends || l.borrower < r.first || l.borrower >= r.end || l.over->arrived();
    });
  }

  /// The next chunk through a run of stages, if it has come and there is room behind.
  bool pass(std::size_t r) {
    link *const in = in_[r], *const out = out_[r];
    if (passed_[r] == chunks_ || (in != nullptr && !in->arrived()) || (out != nullptr && !out->room())) return false;
    if (!has_borrowed(rounds_.runs()[r])) return false;
    begin();
    rounds_.pass(rounds_.runs()[r], passed_[r]);
    ++passed_[r];
    if (out != nullptr) out->send();
    if (in != nullptr) in->take();
    return true;
  }

  void begin() {
    if (std::exchange(begun_, true)) return;
    rounds_.begins();
  }

  /// Where the loss is: the result, to process 0, or from it.
  bool tell() {
    if (!rounds_.has_loss() || passed_.back() != chunks_ || told_) return false;
    if (here_ == 0 ? !room_for_verdicts() : !from_last_->room()) return false;
    begin();  // of no sample
    evaluation_message const m(rounds_.result(), rounds_.misfit());
    told_ = true;
    if (here_ == 0) {
      announce(m);
    } else {
      from_last_->message = m;
      from_last_->send();
    }
    return true;
  }
  bool hear() { return here_ == 0 ? hear_others() : hear_first(); }
  /// Process 0: the result, then that all others have been called with it.
  bool hear_others() {
    if (announced_) {
      bool const all = std::all_of(others_.begin(), others_.end(), [](other const& o) { return o.heard->arrived(); });
      if (!all || !room_for_verdicts()) return false;
      bool well = true;
      for (other const& o : others_) {
        well = well && o.heard->message.well;
        o.heard->take();
      }
      decide(well);
      return true;
    }
    if (from_last_ == nullptr || !from_last_->arrived() || !room_for_verdicts()) return false;
    evaluation_message const m = from_last_->message;
    from_last_->take();
    announce(m);
    return true;
  }
  /// The others: the result, then what comes of it.
  bool hear_first() {
    auto const [result, heard] = others_.front();
    if (!result->arrived() || (!called_ && !heard->room())) return false;
    evaluation_message const m = result->message;
    result->take();
    if (std::exchange(called_, !called_)) {
      next(m.ends);
    } else {
      told(m.result(), m.misfit(), true);
      heard->message.well = rounds_.well();
      heard->send();
    }
    return true;
  }
  bool room_for_verdicts() const {
    return std::all_of(others_.begin(), others_.end(), [](other const& o) { return o.result->room(); });
  }
  /// What process 0 does with a result: all hear it, or none.
  void announce(evaluation_message const& m) {
    announced_ = {m.result(), m.misfit()};
    tell_others(m);
  }
  /// When all have heard it. well: none of them has thrown.
  void decide(bool well) {
    evaluation_message m;
    m.ends = !told(announced_->result, announced_->misfit, well);
    tell_others(m);
    next(m.ends);
  }
  void tell_others(evaluation_message const& m) {
    for (other const& o : others_) {
      o.result->message = m;
      o.result->send();
    }
  }
  bool told(evaluation_result const& r, std::string const& misfit, bool asked) {
    if (telling) telling(true);
    bool const goes_on = rounds_.told(r, misfit, asked);
    if (telling) telling(false);
    return goes_on;
  }
  void next(bool ends) {
    std::fill(passed_.begin(), passed_.end(), 0LL);
    begun_ = told_ = called_ = false;
    announced_.reset();
    for (loan& l : loans_) {
      l.sent = false;
      if (!l.over->sends && l.over->arrived()) l.over->take();
    }
    rounds_.over(ends);
  }

  evaluation_rounds& rounds_;
  std::vector<int> process_of_;
  int here_, number_ = 0;
  long long chunks_;
  std::vector<long long> passed_;  ///< by run of stages that are here: chunks of this evaluation
  std::vector<link*> in_, out_;    ///< the same; null where the model begins or ends
  std::vector<std::unique_ptr<link>> links_;
  std::vector<loan> loans_;    ///< of which one end is here
  link* from_last_ = nullptr;  ///< at process 0 and at that of the last stage, where these differ
  std::vector<other> others_;  ///< at process 0: all; elsewhere: itself
  bool begun_ = false, told_ = false;
  bool called_ = false;                 ///< not at process 0: with the result
  std::optional<outcome> announced_{};  ///< at process 0: what it has told the others, and has not been called with yet
};

}  // namespace foal::executor
