// Messages between GPUs of several processes over NCCL, from slot to slot; all else over another transport. Needs <nccl.h>.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <foal/transport/contract.hpp>
#include <foal/transport/nccl_end.hpp>
#include <foal/transport/nccl_exchange.hpp>
#include <foal/transport/nccl_way.hpp>

namespace foal::transport {

/// Control, a transport between the same processes, finds them, carries their texts and notes, messages in host memory, and
/// for each message between GPUs the word that it has been put on its way. Only then does the other side ask NCCL for it: so
/// no stream waits for what may never be sent, whatever the order of several channels, and where a run pauses or ends
/// nothing is left open.
///
/// A channel has a communicator of its own, for one way: what two channels between the same GPUs send comes in no order that
/// one communicator could keep. What replicas of a stage exchange goes at once, over one communicator of all of them
/// (nccl_exchange). Communicators live as long as the thread that trains. A receiver's slot counts as filled when its
/// message has been asked for: an event says when it is there, and for that queue the GPU waits, no thread. A sender's slot
/// is free when its message is through. So whatever the queue of a unit has been given comes to an end by itself, and a
/// worker may wait for it. Messages with lengths of their samples beside them, which lie in host memory, go over Control,
/// and so do empty ones, of replicas that have no part of a stage.
template <connects Control>
class nccl {
 public:
  /// Of channels that are made after it is set, in this process.
  static nccl_limits& limits() {
    static nccl_limits values;
    return values;
  }

  static process_place place() { return Control::place(); }
  [[noreturn]] static void end_all(std::string const& why) {
    Control::end_all(why);
    std::abort();
  }
  std::vector<std::string> exchange(std::string const& mine) { return control_.exchange(mine); }
  std::string swap(int to, int from, std::string const& bytes)
    requires requires(Control& c, std::string const& b) { c.swap(0, 0, b); }
  {
    return control_.swap(to, from, bytes);
  }
  void tell(int process, note const& n) { control_.tell(process, n); }
  std::optional<note> heard() { return control_.heard(); }

  class channel {
   public:
    channel(nccl& all, open_end end, int peer) {
      auto const any = [&end](auto f) { return std::any_of(end.entries.begin(), end.entries.end(), f); };
      bool const on_gpu = end.queue != nullptr && !any([](entry_slots const& e) { return e.on_host; });
      if (on_gpu && (end.id.kind == channel_kind::part || end.id.kind == channel_kind::sum)) {
        exchange_ = &all.exchanges_[{end.id.wire, end.id.kind}];
        exchange_->open(end, peer);
      }
      if (!on_gpu || !any([](entry_slots const& e) { return e.bytes > 0; })) {
        over_host_.emplace(all.control_, std::move(end), peer);
        return;
      }
      over_gpu_ = std::make_unique<nccl_end<Control>>(all.control_, std::move(end), peer);
      if (exchange_ != nullptr) exchange_->add(*over_gpu_);
    }
    bool progress() {
      if (over_gpu_ == nullptr) return over_host_->progress();
      if (together()) return exchange_->leads(*over_gpu_) && exchange_->progress(nccl::limits());
      bool moved = over_gpu_->progress();
      if (way_ == nullptr && !meet()) return moved;
      moved = (over_gpu_->open() && over_gpu_->counts(*way_)) || moved;
      if (over_gpu_->open() || !over_gpu_->ready() || !way_->settled()) return moved;
      over_gpu_->before(*way_);
      way_->pass([this] { over_gpu_->call(*way_, over_gpu_->sends() ? 1 : 0); });
      over_gpu_->word();
      return true;
    }
    bool done() const {
      if (over_gpu_ == nullptr) return over_host_->done();
      return over_gpu_->done() && (exchange_ == nullptr || exchange_->done()) && (way_ == nullptr || way_->through());
    }
    void end_at(std::uint32_t n) { over_gpu_ != nullptr ? over_gpu_->end_at(n) : over_host_->end_at(n); }

   private:
    bool together() const { return exchange_ != nullptr && exchange_->whole(); }
    /// The sender chooses the communicator, one of before or a new one.
    bool meet() {
      std::unique_ptr<nccl_way>& way = nccl::ways()[{over_gpu_->peer(), over_gpu_->sends(), over_gpu_->id()}];
      std::optional<ncclUniqueId> id;
      if (over_gpu_->sends())
        over_gpu_->say(*(id = way != nullptr ? way->id() : nccl_way::make_id()));
      else if (!(id = over_gpu_->hear()))
        return false;
      nccl_rank const rank = over_gpu_->sends() ? nccl_rank::sender() : nccl_rank::receiver();
      if (way == nullptr || std::memcmp(&way->id(), &*id, sizeof *id) != 0)
        way = std::make_unique<nccl_way>(*id, rank, over_gpu_->ordinal(), nccl::limits());
      way_ = way.get();
      return true;
    }

    std::optional<typename Control::channel> over_host_;
    std::unique_ptr<nccl_end<Control>> over_gpu_;
    nccl_exchange<Control>* exchange_ = nullptr;  ///< of replicas
    nccl_way* way_ = nullptr;                     ///< of this channel alone
  };

 private:
  using way_key = std::tuple<int, bool, channel_id>;  // peer, sends, channel
  static std::map<way_key, std::unique_ptr<nccl_way>>& ways() {
    thread_local std::map<way_key, std::unique_ptr<nccl_way>> all;
    return all;
  }

  Control control_;
  std::map<std::pair<int, channel_kind>, nccl_exchange<Control>> exchanges_;  ///< by stage
};

}  // namespace foal::transport
