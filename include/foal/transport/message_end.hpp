// What every transport between processes does with an open end: all but the way of the bytes.
#pragma once

#include <cstring>
#include <optional>

#include <foal/transport/message_copy.hpp>
#include <foal/transport/open_end.hpp>

namespace foal::transport {

/// The messages of one channel at the end that is here, one after the other.
class message_end {
 public:
  explicit message_end(open_end end)
      : end_(std::move(end)), left_(end_.order.begin_at(end_.begun, window())), count_(end_.begun) {
    for (entry_slots const& e : end_.entries) bytes_ += e.bytes;
    if (end_.queue != nullptr) copy_.emplace(*end_.queue, bytes_);
    if (end_.sends && count_ > 0) give_back(left_.up_to());
  }

  channel_id id() const { return end_.id; }
  int number() const { return end_.number; }
  bool sends() const { return end_.sends; }
  std::size_t bytes() const { return bytes_; }  ///< of each message

  /// Whether the next message lies here to be sent, or there is room for the one that has come.
  bool ready() {
    if (done()) return false;
    if (!end_.sends) return end_.in.room(microbatch());
    return end_.out.arrived(count_) &&
           (!copy_ || copy_->brought(end_.entries, microbatch(), events() == nullptr ? nullptr : events()->sent.at(count_)));
  }
  /// Copies the next message to bytes(), and gives its slot back; or from them, and hands it over. Needs ready().
  void pass(std::byte* message) {
    std::uint32_t const m = microbatch();
    if (copy_) {
      if (end_.sends) {
        if (bytes_ > 0) std::memcpy(message, copy_->bytes(), bytes_);
        copy_->taken();
      } else {
        copy_->put(end_.entries, m, message, end_.in, events(), count_);
      }
      return passed();
    }
    for (entry_slots const& e : end_.entries) {
      if (e.bytes == 0) continue;  // a replica's part of a stage that has fewer elements than there are replicas
      if (end_.sends)
        std::memcpy(message, e.at(m), e.bytes);
      else
        std::memcpy(e.at(m), message, e.bytes);
      message += e.bytes;
    }
    passed();
  }
  /// Where messages are one piece in memory that the host may use: its slots, from which, or into which, they may go without
  /// a copy. Else null.
  entry_slots const* single() const { return !copy_ && end_.entries.size() == 1 ? &end_.entries.front() : nullptr; }
  /// The same as pass() of a message that has been brought from its slot, or into it. Needs that it was ready().
  void passed() {
    std::uint32_t const m = microbatch();
    ++count_;
    if (end_.sends) {
      give_back(left_.pass(m));
    } else {
      end_.in.send(count_);
    }
    end_.order.next();
  }
  /// The n-th message is the last, although the program has more.
  void end_at(std::uint32_t n) { last_ = n; }
  /// All messages of the phase have been passed.
  bool done() const { return count_ == last_ || end_.order.done(); }
  std::uint32_t microbatch() const { return end_.order.microbatch(); }  ///< of the next message

 private:
  void give_back(std::uint32_t up_to) {
    end_.out.read(up_to);
    end_.out.release(up_to);
  }
  channel_events const* events() const { return (end_.sends ? end_.out.through : end_.in.through)->events; }
  std::uint32_t window() const {
    std::uint32_t most = 1;
    for (entry_slots const& x : end_.entries) most = std::max(most, x.count);
    return most;
  }

  open_end end_;
  std::optional<message_copy> copy_{};
  left_in_order left_;
  std::size_t bytes_ = 0;
  std::uint32_t count_, last_ = ~0U;
};

}  // namespace foal::transport
