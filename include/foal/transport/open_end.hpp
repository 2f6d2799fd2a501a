// An end of a channel whose other end is in another process: what a transport needs to bring messages there, or from there.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <utility>
#include <vector>

#include <foal/transport/local.hpp>
#include <foal/transport/message_queue.hpp>

namespace foal::transport {

/// What travels. rebuilt: from R to R in a group of recomputed stages. evaluation, evaluated: of a chunk of samples, and the
/// result of all of them, for the process that stands in place of the wire; heard: that this one has been called with it.
/// norm: a unit's part of it, whose stage stands there; part, sum: of a stage's gradients, or weights, from one replica to
/// another. tied_weights, tied_gradients: of a loan, whose number stands there.
enum class channel_kind : std::uint8_t {
  activation,
  gradient,
  rebuilt,
  evaluation,
  evaluated,
  heard,
  norm,
  part,
  sum,
  tied_weights,
  tied_gradients
};

/// The wire between stage `wire - 1` and stage `wire` of a replica.
struct channel_id {
  int wire = 0, replica = 0;
  channel_kind kind = channel_kind::activation;
  int to = 0;  ///< replica, of a part or a sum
  auto operator<=>(channel_id const&) const = default;
};

/// The slots of one entry of a wire, in the memory of the end that is here; microbatch m has slot m mod count, or, where
/// slots have places of their own, that at places[m mod count].
struct entry_slots {
  std::byte* base = nullptr;
  std::size_t stride = 0, bytes = 0;
  std::uint32_t count = 1;
  std::size_t const* places = nullptr;
  bool on_host = false;  ///< although the device's memory is not the host's

  std::byte* at(std::uint32_t m) const { return base + (places == nullptr ? (m % count) * stride : places[m % count]); }
};

/// Up to which microbatch all messages have left, in whatever order.
class left_in_order {
 public:
  explicit left_in_order(std::uint32_t slots, std::uint32_t up_to = 0) : left_(slots, 0), up_to_(up_to) {}
  std::uint32_t pass(std::uint32_t m) {
    auto const size = static_cast<std::uint32_t>(left_.size());
    left_[m % size] = 1;
    for (; left_[up_to_ % size] != 0; ++up_to_) left_[up_to_ % size] = 0;
    return up_to_;
  }
  std::uint32_t up_to() const { return up_to_; }
  std::uint32_t slots() const { return static_cast<std::uint32_t>(left_.size()); }

 private:
  std::vector<std::uint8_t> left_;
  std::uint32_t up_to_ = 0;
};

/// The microbatches of a channel's messages, in their order, which both ends know from the program.
class message_order {
 public:
  /// body: those of one period, relative to it. total: microbatches of the phase.
  message_order(std::vector<int> body, int microbatches, long long total)
      : body_(std::move(body)), microbatches_(microbatches), total_(total) {
    for (int const m : body_) last_period_ = std::max(last_period_, (total_ - 1 - m) / microbatches_);
    skip();
  }
  bool done() const { return period_ > last_period_ || body_.empty(); }
  /// Messages of the phase.
  long long count() const { return body_.empty() ? 0 : total_; }
  std::uint32_t microbatch() const { return static_cast<std::uint32_t>(now()); }
  void next() {
    ++at_;
    skip();
  }
  /// From the first message, behind n of them. Gives what has left then, of slots that hold those in disorder.
  left_in_order begin_at(long long n, std::uint32_t slots) {
    if (body_.empty()) return left_in_order(slots);
    long long const whole = n / static_cast<long long>(body_.size());  // no period has more
    period_ = whole;
    at_ = 0;
    long long up_to = total_, passed = 0;
    for (int const m : body_) {
      long long const first = std::max(0LL, whole_periods(-m - 1) + 1), last = std::max(whole, first);
      up_to = std::min(up_to, last * microbatches_ + m);
      passed += std::max(0LL, std::min(last, whole_periods(total_ - 1 - m) + 1) - first);
    }
    left_in_order left(slots, static_cast<std::uint32_t>(up_to));
    for (int const m : body_)
      for (long long before = (whole - 1) * microbatches_ + m; before > up_to; before -= microbatches_)
        if (before < total_) left.pass(static_cast<std::uint32_t>(before));
    for (skip(); passed < n && !done(); ++passed, next()) left.pass(microbatch());
    return left;
  }

 private:
  /// Rounded down.
  long long whole_periods(long long m) const { return (m >= 0 ? m : m - microbatches_ + 1) / microbatches_; }
  long long now() const { return period_ * microbatches_ + body_[at_]; }
  void skip() {
    for (; !done(); at_ = 0, ++period_)
      for (; at_ < body_.size(); ++at_)
        if (now() >= 0 && now() < total_) return;
  }

  std::vector<int> body_;
  int microbatches_;
  long long total_, last_period_ = 0, period_ = 0;
  std::size_t at_ = 0;
};

/// The sender is here: a transport takes messages from `out`, or the receiver is: it puts them into `in`. Both are the ends
/// that the missing unit would have.
struct open_end {
  channel_id id{};
  int number = 0;  ///< among all channels of the phase, from 0; the same in every process
  bool sends = false;
  inbox out{};
  outbox in{};
  std::vector<entry_slots> entries;
  message_order order;
  std::uint32_t begun = 0;               ///< messages that were through before the phase went on from a pause
  message_queue const* queue = nullptr;  ///< of slots in memory of a device whose ops are done later than they return
};

}  // namespace foal::transport
