// Messages between GPUs of several processes over NCCL, from slot to slot; all else over another transport. Needs <nccl.h>.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <foal/transport/contract.hpp>
#include <foal/transport/message_end.hpp>
#include <foal/transport/nccl_way.hpp>

namespace foal::transport {

/// Control, a transport between the same processes, finds them, carries their texts and notes, messages in host memory, and
/// for each message between GPUs the word that it has been put on its way. Only then does the other side ask NCCL for it: so
/// no stream waits for what may never be sent, whatever the order of several channels, and where a run pauses or ends
/// nothing is left open.
///
/// A channel has a communicator of its own, for one way: what two channels between the same GPUs send comes in no order that
/// one communicator could keep. Communicators live as long as the thread that trains. A receiver's slot counts as filled
/// when its message has been asked for: an event says when it is there, and for that queue the GPU waits, no thread. A
/// sender's slot is free when its message is through. So whatever the queue of a unit has been given comes to an end by
/// itself, and a worker may wait for it. Messages with lengths of their samples beside them, which lie in host memory, go
/// over Control, and so do empty ones, of replicas that have no part of a stage.
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
      if (!on_gpu || !any([](entry_slots const& e) { return e.bytes > 0; }))
        over_host_.emplace(all.control_, std::move(end), peer);
      else
        over_gpu_ = std::make_unique<between_gpus>(all.control_, std::move(end), peer);
    }
    bool progress() { return over_gpu_ != nullptr ? over_gpu_->progress() : over_host_->progress(); }
    bool done() const { return over_gpu_ != nullptr ? over_gpu_->done() : over_host_->done(); }
    void end_at(std::uint32_t n) { over_gpu_ != nullptr ? over_gpu_->end_at(n) : over_host_->end_at(n); }

   private:
    class between_gpus;
    std::optional<typename Control::channel> over_host_;
    std::unique_ptr<between_gpus> over_gpu_;
  };

 private:
  using way_key = std::tuple<int, bool, channel_id>;  // peer, sends, channel
  static std::map<way_key, std::unique_ptr<nccl_way>>& ways() {
    thread_local std::map<way_key, std::unique_ptr<nccl_way>> all;
    return all;
  }

  Control control_;
};

/// The messages of a channel between device memory here and there. Over Control goes first the communicator's id, then a
/// message for each that has been put on its way.
template <connects Control>
class nccl<Control>::channel::between_gpus {
  using event = device::cuda_ops::event;

 public:
  between_gpus(Control& control, open_end end, int peer)
      : entries_(end.entries),
        events_((end.sends ? end.out.through : end.in.through)->events),
        slots_(end.in),
        begun_(end.begun),
        total_(end.order.count()),
        key_(peer, end.sends, end.id),
        messages_(on_host(std::move(end))),
        words_(control, between(), peer) {}
  between_gpus(between_gpus const&) = delete;
  between_gpus& operator=(between_gpus const&) = delete;

  bool progress() {
    bool moved = words_.progress();
    if (way_ == nullptr && !meet()) return moved;
    if (open_ && counts()) {
      open_ = false;
      messages_.passed();
      moved = true;
    }
    if (open_ || !messages_.ready() || !told() || !way_->settled()) return moved;
    if (sends())
      send();
    else
      receive();
    return true;
  }
  bool done() const { return messages_.done() && !open_ && words_.done() && (way_ == nullptr || way_->through()); }
  void end_at(std::uint32_t n) {
    messages_.end_at(n);
    words_.end_at(n - begun_ + 1);
  }

 private:
  static open_end on_host(open_end end) {
    end.queue = nullptr;
    return end;
  }
  bool sends() const { return std::get<1>(key_); }

  /// To Control this is the whole of the unit here.
  open_end between() {
    auto* const room = reinterpret_cast<std::byte*>(words_room_.data());
    return {.id = std::get<2>(key_),
            .number = messages_.number(),
            .sends = sends(),
            .out = in_,
            .in = out_,
            .entries = {{room, sizeof(ncclUniqueId), sizeof(ncclUniqueId), window}},
            .order = {{0}, 1, 1 + total_ - begun_}};
  }

  /// The sender chooses the communicator, one of before or a new one.
  bool meet() {
    std::unique_ptr<nccl_way>& way = nccl::ways()[key_];
    ncclUniqueId id;
    if (sends()) {
      id = way != nullptr ? way->id() : nccl_way::make_id();
      words_room_[0] = id;
      out_.send(++said_);
    } else {
      if (!in_.arrived(said_)) return false;
      id = words_room_[0];
      in_.read(++said_);
    }
    if (way == nullptr || std::memcmp(&way->id(), &id, sizeof id) != 0)
      way = std::make_unique<nccl_way>(id, sends(), ordinal(), nccl::limits());
    way_ = way.get();
    return true;
  }
  int ordinal() const {
    cudaPointerAttributes of{};
    auto const filled = std::find_if(entries_.begin(), entries_.end(), [](entry_slots const& e) { return e.bytes > 0; });
    void const* const at = filled->at(messages_.microbatch());
    device::cuda_ops::check(cudaPointerGetAttributes(&of, at), "cudaPointerGetAttributes of a slot");
    return of.device;
  }

  /// There is room for the word, or it has come.
  bool told() { return sends() ? out_.room(said_) : in_.arrived(said_); }
  void send() {
    if (events_ != nullptr) wait(events_->sent.at(begun_ + said_ - 1));
    pass();
    out_.send(++said_);
  }
  void receive() {
    std::uint32_t const m = messages_.microbatch();
    if (events_ != nullptr && m >= slots_.transit_slots) wait(events_->read.at(m));
    if (events_ != nullptr && m >= slots_.kept_slots) wait(events_->released.at(m));
    pass();
    in_.read(++said_);
  }
  /// Whether the message on its way counts: when it is through; one that comes, where events say when it is there, when
  /// NCCL has put it into the stream.
  bool counts() {
    void* const there = sends() || events_ == nullptr ? nullptr : events_->sent.at(begun_ + said_ - 2);
    if (there == nullptr) return way_->through();
    if (!way_->settled()) return false;
    device::cuda_ops::use(way_->stream().ordinal());
    static_cast<event*>(there)->record(way_->stream());
    return true;
  }
  void pass() {
    std::uint32_t const m = messages_.microbatch();
    way_->pass([&](auto const& piece) {
      for (entry_slots const& e : entries_)
        if (e.bytes > 0) piece(e.at(m), e.bytes);
    });
    open_ = true;
  }
  void wait(void const* e) const {
    if (e != nullptr) static_cast<event const*>(e)->before(way_->stream());
  }
  static constexpr std::uint32_t window = 32;  // messages on their way whose words nobody has heard

  std::vector<entry_slots> entries_;
  channel_events const* events_;
  outbox slots_;
  std::uint32_t begun_;
  long long total_;
  way_key key_;
  message_end messages_;
  std::array<ncclUniqueId, window> words_room_{};
  transport::channel counts_{};
  bell nobody_{};
  outbox out_{&counts_, &nobody_, window, 0, 0, 0};
  inbox in_{&counts_, &nobody_, true, false, 0};
  std::uint32_t said_ = 0;  ///< words, of which the first is the id
  typename Control::channel words_;
  nccl_way* way_ = nullptr;
  bool open_ = false;  ///< a message is on its way that counts when it is through
};

}  // namespace foal::transport
