// Messages between processes over TCP, without a library: what lies in an outbox here comes to the inbox there. Linux.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/transport/agree.hpp>
#include <foal/transport/launcher.hpp>
#include <foal/transport/meeting.hpp>
#include <foal/transport/message_end.hpp>
#include <foal/transport/tcp_hub.hpp>

namespace foal::transport {

class tcp_session;

/// The processes that a tcp_session has connected, each with each. One thread of a process at a time uses all that is of it.
class tcp {
 public:
  using session = tcp_session;

  tcp() : hub_(hub()), number_(hub_.open()) {}
  tcp(tcp const&) = delete;
  tcp& operator=(tcp const&) = delete;
  ~tcp() { hub_.close(number_); }

  static process_place place() { return hub().here(); }

  std::vector<std::string> exchange(std::string const& mine) {
    process_place const here = hub_.here();
    for (int p = 0; p < here.count; ++p)
      if (p != here.number) send_text(p, mine);
    std::vector<std::string> all;
    for (int p = 0; p < here.count; ++p) all.push_back(p == here.number ? mine : hub_.text_from(number_, p));
    hub_.drain();
    return all;
  }

  std::string swap(int to, int from, std::string const& bytes) {
    int const here = hub_.here().number;
    if (to != here) send_text(to, bytes);
    std::string come = from == here ? bytes : hub_.text_from(number_, from);
    hub_.drain();
    return come;
  }

  void tell(int process, note const& n) {
    std::string bytes(sizeof n, ' ');
    std::memcpy(bytes.data(), &n, sizeof n);
    hub_.link(process).send({frame_kind::note, number_, 0, 0}, std::move(bytes));
    hub_.link(process).flush();
  }
  std::optional<note> heard() {
    auto& notes = hub_.of(number_).notes;
    process_place const here = hub_.here();
    for (int p = 0; notes.empty() && p < (here.number == 0 ? here.count : 1); ++p)
      if (p != here.number) hub_.bring(p);
    if (notes.empty()) return {};
    note const n = notes.front();
    notes.pop_front();
    return n;
  }

  /// The others end as they see that this one has.
  [[noreturn]] static void end_all(std::string const& why) { tcp_hub::end_all(why); }

  /// One channel's messages, from or to one process. A sender has one message on its way, and sends it on a credit of the
  /// receiver, which has room for two: so no channel stands in the way of another one of their connection.
  class channel {
   public:
    channel(tcp& all, open_end end, int peer)
        : hub_(all.hub_),
          object_(all.number_),
          peer_(peer),
          end_(std::move(end)),
          direct_(end_.sends() && end_.single() != nullptr) {
      state_.bytes = end_.bytes();
      state_.rooms.resize(direct_ ? 0 : end_.sends() ? state_.bytes : framed_channel::room_count * state_.bytes);
      auto& mine = hub_.of(object_);
      ends(mine)[key()] = &state_;
      if (end_.sends())
        state_.credits = std::exchange(mine.early_credits[key()], 0);
      else
        for (std::uint32_t i = 0; i < framed_channel::room_count; ++i) give_credit();
      hub_.link(peer_).flush();
    }
    channel(channel const&) = delete;
    channel& operator=(channel const&) = delete;
    ~channel() {
      framed_link& link = hub_.link(peer_);
      if (end_.sends())
        hub_.wait([&] { return !active_ || through_ || link.gone(); });  // the connection reads its bytes here
      else
        link.forget(state_.rooms.data(), state_.rooms.size());
      ends(hub_.of(object_)).erase(key());
    }

    bool progress() {
      hub_.bring(peer_);
      return end_.sends() ? send() : receive();
    }
    bool done() const { return end_.done() && !(active_ && end_.sends()); }
    void end_at(std::uint32_t n) { end_.end_at(n); }

   private:
    std::uint64_t key() const { return static_cast<std::uint64_t>(end_.number()); }
    std::map<std::uint64_t, framed_channel*>& ends(tcp_hub::box& b) const { return end_.sends() ? b.senders : b.receivers; }
    void give_credit() { hub_.link(peer_).send({frame_kind::credit, object_, key(), 0}); }

    bool send() {
      bool const moved = sent();
      if (active_ || state_.credits == 0 || !end_.ready()) return moved;
      std::byte* from = state_.rooms.data();
      if (direct_)
        from = end_.single()->at(end_.microbatch());
      else
        end_.pass(from);
      --state_.credits;
      active_ = true;
      through_ = false;
      hub_.link(peer_).send({frame_kind::message, object_, key(), state_.bytes}, from, &through_);
      hub_.link(peer_).flush();
      sent();
      return true;
    }
    /// Whether one that was on its way has left.
    bool sent() {
      if (!active_ || !through_) return false;
      active_ = false;
      if (direct_) end_.passed();
      return true;
    }
    bool receive() {
      bool moved = false;
      for (; passed_ != state_.come && end_.ready(); moved = true) {
        end_.pass(state_.room(passed_++));
        give_credit();
      }
      if (moved) hub_.link(peer_).flush();
      return moved;
    }

    tcp_hub& hub_;
    std::uint32_t object_;
    int peer_;
    message_end end_;
    bool direct_;  ///< sent from its slots
    framed_channel state_;
    std::uint32_t passed_ = 0;               ///< messages, of a receiver
    bool active_ = false, through_ = false;  ///< a sender's message is on its way; it has left this process
  };

 private:
  friend class tcp_session;

  void send_text(int process, std::string const& text) { hub_.link(process).send({frame_kind::text, number_, 0, 0}, text); }
  static tcp_hub& hub() {
    require(all_ != nullptr,
            "cannot find the other processes, because they have not met; make a foal::executor::tcp_session at the top of "
            "main()");
    return *all_;
  }

  static inline tcp_hub* all_ = nullptr;

  tcp_hub& hub_;
  std::uint32_t number_;
};
static_assert(moves<tcp::channel> && connects<tcp>);

/// Connects the processes that a launcher has started (transport::launched_by), or that were started by hand with FOAL_RANK
/// and FOAL_SIZE, at meeting_address(); from here to the end of main(). Alone it connects nothing. Throws foal::error where
/// they do not meet in that time. Where an exception leaves it the others end when this process has, which is when main()
/// has said why; where one comes to its end while others begin a run, all end with a sentence.
class tcp_session {
 public:
  explicit tcp_session(std::chrono::seconds patience = std::chrono::minutes(5))
      : launched_(launched_by()), thrown_(std::uncaught_exceptions()) {
    require(tcp::all_ == nullptr,
            "cannot connect the processes, because they are connected; make one tcp_session, in main()");
    process_place const here = launched_ ? launched_->place : process_place{};
    std::vector<socket> sockets(1);
    if (here.count > 1)
      sockets = met(here, meeting_address([](char const* name) -> char const* { return std::getenv(name); }), patience);
    hub_ = std::make_unique<tcp_hub>(here, std::move(sockets));
    tcp::all_ = hub_.get();
  }
  tcp_session(tcp_session const&) = delete;
  tcp_session& operator=(tcp_session const&) = delete;
  ~tcp_session() {
    if (std::uncaught_exceptions() > thrown_) {
      static_cast<void>(hub_.release());  // connected until the process ends
      return;
    }
    try {
      agree<tcp>({.items = {{"what comes next", "the end of the processes"}}}, "end");
    } catch (std::exception const& others_go_on) {
      tcp::end_all(others_go_on.what());
    }
    tcp::all_ = nullptr;
  }

  /// Whose word it was that there are so many processes; nothing where the program was started by hand.
  std::optional<transport::launched> const& launched() const { return launched_; }

 private:
  std::optional<transport::launched> launched_;
  int thrown_;
  std::unique_ptr<tcp_hub> hub_;
};

}  // namespace foal::transport
