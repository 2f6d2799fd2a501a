// Slow and faulty links: a transport between processes whose messages come later than another one would bring them, to study
// distant machines on one.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/core/random.hpp>
#include <foal/transport/contract.hpp>
#include <foal/transport/message_end.hpp>

namespace foal::transport {

/// What a link does with messages. Times are in seconds. The same seed gives message n of a phase's
/// channel the same fate.
struct link_values {
  double latency = 0;      ///< from the sender to the receiver
  double bandwidth = 0;    ///< bytes a second, of all that one process sends to another; 0: no limit
  double jitter = 0;       ///< a message takes up to so much longer, evenly spread
  double stall_share = 0;  ///< of messages: before them the link stands still
  double stall = 0;        ///< for so long
  double drop_share = 0;   ///< of messages: they are lost, and so are as many of those that are sent again
  double resend = 0;       ///< so long after the one that was lost
  int in_flight = 64;      ///< messages of a channel on their way to here; more wait at the sender
  std::uint64_t seed = 1;
};

/// Throws foal::error where there can be no such link.
inline void check_link(link_values const& of) {
  auto const check = [](char const* name, double value, double most) {
    require(value >= 0 && value <= most, "cannot delay messages by a link whose ", name, " is ", value,
            ", because that is none; give 0 to ", most);
  };
  constexpr double longest = 3600, widest = 1e15, share = 0.9;
  check("latency", of.latency, longest);
  check("bandwidth", of.bandwidth, widest);
  check("jitter", of.jitter, longest);
  check("stall_share", of.stall_share, 1);
  check("stall", of.stall, longest);
  check("drop_share", of.drop_share, share);
  check("resend", of.resend, longest);
  constexpr int most = 1 << 20;
  require(of.in_flight >= 1 && of.in_flight <= most, "cannot delay messages by a link whose in_flight is ", of.in_flight,
          ", because so many cannot be on their way; give 1 to ", most);
}

/// When messages arrive that one process sends to another, over all channels between the two.
class link_times {
 public:
  /// Needs what check_link() takes.
  explicit link_times(link_values const& of) : of_(of) {}

  /// Of message n of a channel, which is sent at `now`.
  double arrival(int channel, std::uint32_t n, std::size_t bytes, double now) {
    random_key const key{of_.seed, purpose::link, static_cast<std::uint32_t>(channel), n};
    double at = std::max(now, free_);
    if (random_unit(key, 1) < of_.stall_share) at += of_.stall;
    double const sends = of_.bandwidth > 0 ? static_cast<double>(bytes) / of_.bandwidth : 0;
    free_ = at += sends;
    for (std::uint32_t draw = 2; random_unit(key, draw) < of_.drop_share; ++draw) at += of_.resend + sends;
    return at + of_.latency + of_.jitter * static_cast<double>(random_unit(key, 0));
  }

 private:
  link_values of_;
  double free_ = 0;  ///< the link has sent all that was before
};

/// Seconds that all processes of one machine count from the same moment.
struct machine_clock {
  static double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
};

/// Another transport between processes, behind links as link() says. Messages of a channel keep their order and their bytes,
/// so bits are those of Base: what is lost is sent again, and what is behind it waits. A sender has its slot back at once,
/// as from a socket; messages on their way lie at the receiver, in_flight of them, which is allocated with the channel. Base
/// should be fast: its own time comes on top. Where the clocks of two machines differ, a message is late by the link alone
/// or less; never more.
template <connects Base, class Clock = machine_clock>
class delayed {
 public:
  /// Of runs that begin after it is set, in this process: of what it sends, and in_flight of what comes to it. Not while one
  /// is at work.
  static link_values& link() {
    static link_values values;
    return values;
  }

  delayed() : values_((check_link(link()), link())) {}

  static process_place place() { return Base::place(); }
  static void end_all(std::string const& why) { Base::end_all(why); }
  std::vector<std::string> exchange(std::string const& mine) { return base_.exchange(mine); }
  void tell(int process, note const& n) { base_.tell(process, n); }  // notes are not delayed
  std::optional<note> heard() { return base_.heard(); }

  /// Stands between the channel's end and one of Base: to each of them it is the other end.
  class channel {
   public:
    channel(delayed& all, open_end const& end, int peer)
        : here_(end),
          begun_(end.begun),
          link_(all.links_.try_emplace(peer, all.values_).first->second),
          slots_(here_.sends() ? 2 : static_cast<std::uint32_t>(all.values_.in_flight)),
          stride_(sizeof(stamp) + here_.bytes()),
          messages_(room_of(slots_ * stride_)),
          base_(all.base_, between(end), peer) {}
    channel(channel const&) = delete;
    channel& operator=(channel const&) = delete;

    bool progress() { return here_.sends() ? send() : receive(); }
    bool done() const { return here_.done() && base_.done(); }
    void end_at(std::uint32_t n) {
      here_.end_at(n);
      base_.end_at(n - begun_);
    }

   private:
    /// In front of every message.
    struct stamp {
      double sent = 0, due = 0;
    };

    bool send() {
      bool const goes = here_.ready() && out_.room(count_);
      if (goes) {
        double const now = Clock::seconds();
        stamp const when{now, link_.arrival(here_.number(), begun_ + count_, here_.bytes(), now)};
        std::memcpy(slot(), &when, sizeof when);
        here_.pass(slot() + sizeof when);
        out_.send(++count_);
      }
      return base_.progress() || goes;
    }

    bool receive() {
      bool const came = base_.progress();
      if (!in_.arrived(count_)) return came;
      double const now = Clock::seconds();
      if (!looked_) {
        stamp when;
        std::memcpy(&when, slot(), sizeof when);
        due_ = when.due - std::max(0.0, when.sent - now);
        looked_ = true;
      }
      if (now < due_ || !here_.ready()) return came;
      here_.pass(slot() + sizeof(stamp));
      looked_ = false;
      in_.read(++count_);
      return true;
    }

    static std::vector<std::byte> room_of(std::size_t bytes) {
      try {
        return std::vector<std::byte>(bytes);
      } catch (std::bad_alloc const&) {
        throw error(sentence("cannot delay messages, because the system has not enough memory left for ", bytes,
                             " bytes of a channel's messages on their way; give the link a smaller in_flight"));
      }
    }
    std::byte* slot() { return messages_.data() + count_ % slots_ * stride_; }

    /// The end that Base has: its microbatches are messages, one after the other, with their stamps.
    open_end between(open_end const& end) {
      open_end own{.id = end.id,
                   .number = end.number,
                   .sends = end.sends,
                   .entries = {{messages_.data(), stride_, stride_, slots_}},
                   .order = {{0}, 1, end.order.count() - end.begun}};
      if (end.sends)
        own.out = {&counts_, &nobody_, true, false};
      else
        own.in = {&counts_, &nobody_, slots_, 0};
      return own;
    }

    message_end here_;
    std::uint32_t begun_;  ///< messages from before a pause: Base's count from there
    link_times& link_;
    std::uint32_t slots_;
    std::size_t stride_;
    std::vector<std::byte> messages_;
    transport::channel counts_;
    bell nobody_;
    outbox out_{&counts_, &nobody_, slots_, 0};
    inbox in_{&counts_, &nobody_, true, false};
    std::uint32_t count_ = 0;  ///< messages that have come through here
    double due_ = 0;           ///< of the next one, where it has been looked at
    bool looked_ = false;
    typename Base::channel base_;
  };

 private:
  link_values values_;
  Base base_;
  std::map<int, link_times> links_;  ///< to each process
};

}  // namespace foal::transport
