// An end of a channel between GPUs: its messages, and the words by which the other end hears of each. Needs <nccl.h>.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <foal/transport/contract.hpp>
#include <foal/transport/message_end.hpp>
#include <foal/transport/nccl_way.hpp>

namespace foal::transport {

/// Over Control goes first the id of a communicator, then a word for each message: that it is put on its way, or will be as
/// soon as others are that go with it. Which communicator, and when, is the caller's.
template <connects Control>
class nccl_end {
  using event = device::cuda_ops::event;

 public:
  nccl_end(Control& control, open_end end, int peer)
      : entries_(end.entries),
        events_((end.sends ? end.out.through : end.in.through)->events),
        slots_(end.in),
        begun_(end.begun),
        total_(end.order.count()),
        id_(end.id),
        peer_(peer),
        sends_(end.sends),
        messages_(on_host(std::move(end))),
        words_(control, between(), peer) {}
  nccl_end(nccl_end const&) = delete;
  nccl_end& operator=(nccl_end const&) = delete;

  bool sends() const { return sends_; }
  channel_id const& id() const { return id_; }
  int peer() const { return peer_; }
  int ordinal() const {
    cudaPointerAttributes of{};
    auto const filled = std::find_if(entries_.begin(), entries_.end(), [](entry_slots const& e) { return e.bytes > 0; });
    device::cuda_ops::check(cudaPointerGetAttributes(&of, filled->at(messages_.microbatch())),
                            "cudaPointerGetAttributes of a slot");
    return of.device;
  }

  /// Brings words on.
  bool progress() { return words_.progress(); }
  /// Where it sends, the first word.
  void say(ncclUniqueId const& id) {
    room_[0] = id;
    word();
  }
  /// Else the first word, when it has come.
  std::optional<ncclUniqueId> hear() {
    if (!in_.arrived(said_)) return {};
    ncclUniqueId const id = room_[0];
    word();
    return id;
  }
  bool met() const { return said_ > 0; }  ///< the first word has been said, or heard

  /// The next message lies here, or has room here; and there is room for its word, or it has come.
  bool ready() { return messages_.ready() && (sends_ ? out_.room(said_) : in_.arrived(said_)); }
  /// Says it, or takes it. Once a message.
  void word() {
    ++said_;
    sends_ ? out_.send(said_) : in_.read(said_);
  }
  /// Has the stream wait for what the next message needs.
  void before(nccl_way const& way) const {
    if (events_ == nullptr) return;
    std::uint32_t const m = messages_.microbatch();
    if (sends_) return wait(way, events_->sent.at(begun_ + called_));
    if (m >= slots_.transit_slots) wait(way, events_->read.at(m));
    if (m >= slots_.kept_slots) wait(way, events_->released.at(m));
  }
  /// The next message, between two calls of a group. rank: of the other end.
  void call(nccl_way& way, int rank) {
    std::uint32_t const m = messages_.microbatch();
    for (entry_slots const& e : entries_) {
      if (e.bytes == 0) continue;
      if (sends_)
        way.send(e.at(m), e.bytes, rank);
      else
        way.receive(e.at(m), e.bytes, rank);
    }
    ++called_;
    open_ = true;
  }
  std::uint32_t next() const { return begun_ + called_; }  ///< number of the next message in its phase
  bool open() const { return open_; }                      ///< a message is on its way that does not count yet
  /// Whether there is none: it counts when it is through; one that comes, where events say when it is there, when NCCL has
  /// put it into the stream.
  bool counts(nccl_way& way) {
    if (!open_) return true;
    void* const there = sends_ || events_ == nullptr ? nullptr : events_->sent.at(begun_ + called_ - 1);
    if (there == nullptr) {
      if (!way.through()) return false;
    } else {
      if (!way.settled()) return false;
      device::cuda_ops::use(way.stream().ordinal());
      static_cast<event*>(there)->record(way.stream());
    }
    open_ = false;
    messages_.passed();
    return true;
  }

  /// All messages of the phase have been passed, or those up to its end.
  bool over() const { return messages_.done(); }
  bool done() const { return over() && !open_ && words_.done(); }
  void end_at(std::uint32_t n) {
    messages_.end_at(n);
    words_.end_at(n - begun_ + 1);
  }

 private:
  static open_end on_host(open_end end) {
    end.queue = nullptr;
    return end;
  }
  /// To Control this is the whole of the unit here.
  open_end between() {
    auto* const room = reinterpret_cast<std::byte*>(room_.data());
    return {.id = id_,
            .number = messages_.number(),
            .sends = sends_,
            .out = in_,
            .in = out_,
            .entries = {{room, sizeof(ncclUniqueId), sizeof(ncclUniqueId), window}},
            .order = {{0}, 1, 1 + total_ - begun_}};
  }
  static void wait(nccl_way const& way, void const* e) {
    if (e != nullptr) static_cast<event const*>(e)->before(way.stream());
  }
  static constexpr std::uint32_t window = 32;  // messages on their way whose words nobody has heard

  std::vector<entry_slots> entries_;
  channel_events const* events_;
  outbox slots_;
  std::uint32_t begun_;
  long long total_;
  channel_id id_;
  int peer_;
  bool sends_;
  message_end messages_;
  std::array<ncclUniqueId, window> room_{};
  transport::channel counts_{};
  bell nobody_{};
  outbox out_{&counts_, &nobody_, window, 0, 0, 0};
  inbox in_{&counts_, &nobody_, true, false, 0};
  std::uint32_t said_ = 0;    ///< words, of which the first is the id
  std::uint32_t called_ = 0;  ///< messages
  bool open_ = false;
  typename Control::channel words_;
};

}  // namespace foal::transport
