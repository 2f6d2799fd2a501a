// The bytes between two processes, in frames: a few words that say what comes, and what comes. Nothing here waits.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <foal/transport/socket.hpp>

namespace foal::transport {

/// message, credit: of the channel `number`; a credit lets its sender send one more. The others are of the transport itself.
enum class frame_kind : std::uint32_t { message, credit, note, text };

/// object: the transport's, of those that a process has made the how manyth.
struct frame {
  frame_kind kind = frame_kind::message;
  std::uint32_t object = 0;
  std::uint64_t number = 0, bytes = 0;
};

/// Who takes what comes over links.
class takes_frames {
 public:
  /// Where its bytes go; null: nowhere.
  virtual std::byte* place(frame const& f, int from) = 0;
  /// They are there.
  virtual void come(frame const& f, int from) = 0;

 protected:
  ~takes_frames() = default;
};

/// One connection. Frames come in the order in which they were sent.
class framed_link {
 public:
  framed_link(socket s, int peer) : socket_(std::move(s)), peer_(peer), buffer_(1U << 16U) {}

  /// data: to be left alone until *through.
  void send(frame const& f, std::byte const* data, bool* through) { out_.push_back({f, data, through, {}}); }
  void send(frame f, std::string text = {}) {
    f.bytes = text.size();
    out_.push_back({f, nullptr, nullptr, std::move(text)});
  }

  /// What goes without waiting; true: something went.
  bool flush() {
    bool moved = false;
    while (sending()) {
      std::array<iovec, 16> parts{};
      std::size_t n = 0, skip = sent_;
      for (std::size_t i = at_; i < out_.size() && n + 2 <= parts.size(); ++i, skip = 0) {
        waiting& w = out_[i];
        if (skip < sizeof(frame)) parts[n++] = part(&w.head, sizeof(frame), skip);
        if (w.head.bytes > 0) parts[n++] = part(w.bytes(), w.head.bytes, skip - std::min(skip, sizeof(frame)));
      }
      msghdr all{};
      all.msg_iov = parts.data();
      all.msg_iovlen = n;
      ssize_t const k = ::sendmsg(socket_.number(), &all, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (k < 0 && errno == EINTR) continue;
      if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
      if (k <= 0) deaf_ = true;  // what it has sent may still be read
      moved = true;
      if (k > 0) pass(static_cast<std::size_t>(k));
    }
    return moved;
  }

  /// What has come; true: something had.
  bool receive(takes_frames& to) {
    bool moved = false;
    while (!gone_) {
      bool const direct = left_ >= buffer_.size() && place_ != nullptr;
      ssize_t const k =
          ::recv(socket_.number(), direct ? place_ : buffer_.data(), direct ? left_ : buffer_.size(), MSG_DONTWAIT);
      if (k < 0 && errno == EINTR) continue;
      if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
      moved = true;
      if (k <= 0)
        gone_ = true;
      else if (direct)
        take(nullptr, static_cast<std::size_t>(k), to);
      else
        for (std::size_t at = 0; at < static_cast<std::size_t>(k);)
          at += take(&buffer_[at], static_cast<std::size_t>(k) - at, to);
      if (k > 0 && !direct && static_cast<std::size_t>(k) < buffer_.size()) break;  // there was no more
    }
    return moved;
  }

  /// Nothing more goes to that place.
  void forget(std::byte const* place, std::size_t bytes) {
    if (place_ != nullptr && place_ >= place && place_ < place + bytes) place_ = nullptr;
  }

  bool sending() const { return at_ < out_.size() && !gone_ && !deaf_; }
  bool gone() const { return gone_; }  ///< the process at the other end is
  int peer() const { return peer_; }
  pollfd awaited() const { return {socket_.number(), static_cast<short>(POLLIN | (sending() ? POLLOUT : 0)), 0}; }

 private:
  struct waiting {
    frame head;
    std::byte const* data;
    bool* through;
    std::string text;

    void const* bytes() const { return data != nullptr ? static_cast<void const*>(data) : text.data(); }
  };

  /// The rest of so many bytes behind `skip`; sendmsg() takes what it does not change without const.
  static iovec part(void const* begin, std::size_t bytes, std::size_t skip) {
    return {const_cast<std::byte*>(static_cast<std::byte const*>(begin)) + skip, bytes - skip};
  }
  void pass(std::size_t k) {
    for (sent_ += k; at_ < out_.size() && sent_ >= sizeof(frame) + out_[at_].head.bytes; ++at_) {
      sent_ -= sizeof(frame) + out_[at_].head.bytes;
      if (out_[at_].through != nullptr) *out_[at_].through = true;
    }
    if (at_ < out_.size() && at_ < 64) return;
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
  }

  /// from: null where the bytes are in their place. Gives how many it took.
  std::size_t take(std::byte const* from, std::size_t n, takes_frames& to) {
    if (!begun_) {
      std::size_t const k = std::min(n, sizeof(frame) - have_);
      if (from != nullptr) std::memcpy(head_bytes_.data() + have_, from, k);  // which it is: a head has no place
      if ((have_ += k) < sizeof(frame)) return k;
      std::memcpy(&head_, head_bytes_.data(), sizeof(frame));
      have_ = 0;
      begun_ = true;
      left_ = head_.bytes;
      place_ = left_ > 0 ? to.place(head_, peer_) : nullptr;
      end_if_whole(to);
      return k;
    }
    std::size_t const k = std::min(n, left_);
    if (from != nullptr && place_ != nullptr) std::memcpy(place_, from, k);
    if (place_ != nullptr) place_ += k;
    left_ -= k;
    end_if_whole(to);
    return k;
  }
  void end_if_whole(takes_frames& to) {
    if (left_ > 0) return;
    begun_ = false;
    place_ = nullptr;
    to.come(head_, peer_);
  }

  socket socket_;
  int peer_;
  bool gone_ = false, deaf_ = false;  ///< nothing more comes; nothing more is taken

  std::vector<waiting> out_;
  std::size_t at_ = 0, sent_ = 0;  ///< the first that has not gone, and how much of it has

  std::vector<std::byte> buffer_;
  std::array<std::byte, sizeof(frame)> head_bytes_{};
  std::size_t have_ = 0, left_ = 0;  ///< of the head; of the frame's bytes, still to come
  frame head_{};
  bool begun_ = false;  ///< the head is there
  std::byte* place_ = nullptr;
};

}  // namespace foal::transport
