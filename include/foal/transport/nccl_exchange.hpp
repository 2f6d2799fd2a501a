// What the GPUs of a stage's replicas send each other at once: parts of gradients, or their sums. Needs <nccl.h>.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <foal/transport/nccl_end.hpp>

namespace foal::transport {

/// All channels of one kind between one replica, which is here, and all others of its stage. An exchange is one call of
/// NCCL: with D replicas D - 1 sends and as many receives, a reduce-scatter's or an all-gather's bytes. What is added up,
/// and in which order, is not NCCL's. (Its own collectives have another order of the sum; and its all-gather takes parts of
/// one size, all of them, where at the end of a phase some may be missing.)
///
/// A word says that a replica's message is there, and it waits for those of all others: only then does each ask NCCL, so
/// that no stream waits for what may never be sent. Nobody needs one message sooner: sums wait for all parts, and updates
/// for all sums. Where a phase ends with some of an exchange, those that there are go alone.
template <connects Control>
class nccl_exchange {
 public:
  /// A channel of the kind is opened. Nothing of the exchange may be used before all are.
  void open(open_end const& end, int peer) {
    int const mine = end.sends ? end.id.replica : end.id.to, other = end.sends ? end.id.to : end.id.replica;
    here_.insert(mine);
    process_[other] = peer;
    for (entry_slots const& e : end.entries) full_ = full_ && e.bytes > 0;
  }
  void add(nccl_end<Control>& end) { ends_.push_back(&end); }

  /// Whether the messages go together: each replica of the stage has a process of its own, and a part. All processes come to
  /// the same answer.
  bool whole() {
    if (!whole_) {
      std::set<int> processes;
      for (auto const& [replica, process] : process_) processes.insert(process);
      whole_ = full_ && here_.size() == 1 && processes.size() == process_.size();
    }
    return *whole_;
  }
  bool leads(nccl_end<Control> const& end) const { return ends_.front() == &end; }

  bool progress(nccl_limits const& limits) {
    bool moved = false;
    for (auto* e : ends_) moved = e->progress() || moved;
    if (way_ == nullptr && !meet(limits)) return moved;
    for (auto* e : ends_) moved = (e->open() && e->counts(*way_)) || moved;
    if (open() || !announce() || !way_->settled()) return moved;
    call();
    return true;
  }
  bool done() const { return !open() && (way_ == nullptr || way_->through()); }

 private:
  /// By stage, kind, own replica, and the processes of the others.
  using way_key = std::pair<channel_id, std::map<int, int>>;
  static std::map<way_key, std::unique_ptr<nccl_way>>& ways() {
    thread_local std::map<way_key, std::unique_ptr<nccl_way>> all;
    return all;
  }
  int number() const { return *here_.begin(); }
  static int other(nccl_end<Control> const& e) { return e.sends() ? e.id().to : e.id().replica; }
  bool open() const {
    for (auto const* e : ends_)
      if (e->open()) return true;
    return false;
  }

  /// Replica 0 chooses the communicator, one of before or a new one; the first words of others say nothing.
  bool meet(nccl_limits const& limits) {
    channel_id const& of = ends_.front()->id();
    std::unique_ptr<nccl_way>& way = ways()[{{of.wire, number(), of.kind, 0}, process_}];
    if (number() == 0 && !id_) id_ = way != nullptr ? way->id() : nccl_way::make_id();
    bool all = true;
    for (auto* e : ends_) {
      if (e->met()) continue;
      if (e->sends()) {
        e->say(id_.value_or(ncclUniqueId{}));
      } else {
        std::optional<ncclUniqueId> const id = e->hear();
        if (id && other(*e) == 0) id_ = id;
        all = all && id;
      }
    }
    if (!all) return false;
    if (way == nullptr || std::memcmp(&way->id(), &*id_, sizeof *id_) != 0)
      way = std::make_unique<nccl_way>(*id_, nccl_rank{number(), static_cast<int>(process_.size()) + 1, true},
                                       ends_.front()->ordinal(), limits);
    way_ = way.get();
    return true;
  }

  /// Whether an end has a message of the next exchange: behind a pause within one, some have theirs behind them.
  bool takes_part(nccl_end<Control> const& e) const { return !e.over() && e.next() == next_; }
  /// Says that the own messages of the next exchange are there; whether those of all others are, too.
  bool announce() {
    if (said_.empty()) said_.assign(ends_.size(), false);
    next_ = ~0U;
    for (auto const* e : ends_)
      if (!e->over()) next_ = std::min(next_, e->next());
    bool all = true, any = false;
    for (std::size_t i = 0; i < ends_.size(); ++i) {
      nccl_end<Control>& e = *ends_[i];
      if (!takes_part(e)) continue;
      any = true;
      if (said_[i]) continue;
      if (!e.ready()) {
        all = false;
      } else if (e.sends()) {
        e.word();
        said_[i] = true;
      }
    }
    return any && all;
  }
  void call() {
    for (auto const* e : ends_)
      if (takes_part(*e)) e->before(*way_);
    way_->pass([this] {
      for (auto* e : ends_)
        if (takes_part(*e)) e->call(*way_, other(*e));
    });
    for (auto* e : ends_)
      if (e->open() && !e->sends()) e->word();
    said_.clear();
  }

  std::vector<nccl_end<Control>*> ends_;  ///< of channels that outlive its use
  std::set<int> here_;                    ///< replicas
  std::map<int, int> process_;            ///< by other replica
  bool full_ = true;
  std::optional<bool> whole_;
  std::optional<ncclUniqueId> id_;
  nccl_way* way_ = nullptr;
  std::vector<char> said_;    ///< by end, of the next exchange
  std::uint32_t next_ = ~0U;  ///< its number in the phase
};

}  // namespace foal::transport
