// The connections of a process to all others, and what has come over them for each transport object.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/transport/contract.hpp>
#include <foal/transport/framed_link.hpp>

namespace foal::transport {

/// What frames change of a channel: a sender's credits; a receiver's messages, which come into its rooms in turn.
struct framed_channel {
  static constexpr std::uint32_t room_count = 2;

  std::vector<std::byte> rooms;
  std::size_t bytes = 0;   ///< of a message
  std::uint32_t come = 0;  ///< messages
  std::uint32_t credits = 0;

  std::byte* room(std::uint32_t n) { return rooms.data() + n % room_count * bytes; }
};

/// Of one thread at a time.
class tcp_hub final : takes_frames {
 public:
  /// sockets: one to each other process, by process.
  tcp_hub(process_place here, std::vector<socket> sockets) : here_(here), come_(sockets.size()) {
    for (std::size_t p = 0; p < sockets.size(); ++p)
      links_.push_back(sockets[p] ? std::make_unique<framed_link>(std::move(sockets[p]), static_cast<int>(p)) : nullptr);
  }

  process_place here() const { return here_; }

  /// What has come for one transport object; what comes before it is made here is kept for it.
  struct box {
    std::vector<std::deque<std::string>> texts;  ///< by process
    std::deque<note> notes;
    std::map<std::uint64_t, framed_channel*> senders, receivers;  ///< by number
    std::map<std::uint64_t, std::uint32_t> early_credits;         ///< of senders that are not there yet
  };
  std::uint32_t open() {
    of(objects_);
    return objects_++;
  }
  void close(std::uint32_t object) { boxes_.erase(object); }
  box& of(std::uint32_t object) {
    box& b = boxes_[object];
    b.texts.resize(links_.size());
    return b;
  }

  /// To another process.
  framed_link& link(int process) { return *links_[static_cast<std::size_t>(process)]; }
  /// Brings on what can be brought without waiting. Ends this process where the other one is gone, who said why.
  void bring(int process) {
    framed_link& one = link(process);
    one.receive(*this);
    one.flush();
    if (one.gone()) end_all(process);
  }
  /// Until it holds; meanwhile all is brought on.
  template <class F>
  void wait(F const& holds) {
    std::vector<pollfd> all;
    for (;;) {
      all.clear();
      for (auto const& one : links_) {
        if (!one || one->gone()) continue;
        one->receive(*this);
        one->flush();
        all.push_back(one->awaited());
      }
      if (holds()) return;
      ::poll(all.data(), all.size(), 100);
    }
  }
  /// The next text from a process, which this one waits for.
  std::string text_from(std::uint32_t object, int process) {
    auto& texts = of(object).texts[static_cast<std::size_t>(process)];
    framed_link const& from = link(process);
    wait([&] { return !texts.empty() || from.gone(); });
    if (texts.empty()) end_all(process);
    std::string text = std::move(texts.front());
    texts.pop_front();
    return text;
  }
  /// Until all has left this process that can.
  void drain() {
    wait([this] {
      return std::none_of(links_.begin(), links_.end(), [](auto const& one) { return one && one->sending(); });
    });
  }

  [[noreturn]] static void end_all(std::string const& why) {
    std::fputs((why + "\n").c_str(), stderr);
    std::fflush(nullptr);
    std::_Exit(1);
  }

 private:
  [[noreturn]] void end_all(int gone) const {
    end_all(sentence("cannot go on as process ", here_.number, " of ", here_.count, ", because process ", gone,
                     " has ended; see what it says"));
  }

  std::byte* place(frame const& f, int from) override {
    require_size(f, from);
    if (f.kind == frame_kind::message) {
      framed_channel* const c = found(f, &box::receivers);
      return c != nullptr ? c->room(c->come) : nullptr;
    }
    std::string& text = come_[static_cast<std::size_t>(from)];
    text.resize(f.bytes);
    return static_cast<std::byte*>(static_cast<void*>(text.data()));
  }
  /// Of programs that differ.
  void require_size(frame const& f, int from) const {
    framed_channel const* const c = f.kind == frame_kind::message ? found(f, &box::receivers) : nullptr;
    std::size_t const wanted = c != nullptr ? c->bytes : f.kind == frame_kind::note ? sizeof(note) : f.bytes;
    if (f.bytes != wanted)
      end_all(sentence("cannot take what process ", from, " sends, because it has ", f.bytes, " bytes and ", wanted,
                       " are awaited; start the same program everywhere"));
  }
  void come(frame const& f, int from) override {
    std::string text = std::exchange(come_[static_cast<std::size_t>(from)], {});
    bool const early = f.object >= objects_;
    if (!early && !boxes_.contains(f.object)) return;  // it has been given up
    switch (f.kind) {
      case frame_kind::message:
        if (framed_channel* const c = found(f, &box::receivers); c != nullptr) ++c->come;
        break;
      case frame_kind::credit:
        if (framed_channel* const c = found(f, &box::senders); c != nullptr)
          ++c->credits;
        else
          ++of(f.object).early_credits[f.number];
        break;
      case frame_kind::note: {
        note n;
        std::memcpy(&n, text.data(), sizeof n);
        of(f.object).notes.push_back(n);
        break;
      }
      case frame_kind::text:
        of(f.object).texts[static_cast<std::size_t>(from)].push_back(std::move(text));
        break;
    }
  }
  framed_channel* found(frame const& f, std::map<std::uint64_t, framed_channel*> box::*which) const {
    auto const b = boxes_.find(f.object);
    if (b == boxes_.end()) return nullptr;
    auto const c = (b->second.*which).find(f.number);
    return c == (b->second.*which).end() ? nullptr : c->second;
  }

  process_place here_;
  std::vector<std::unique_ptr<framed_link>> links_;  ///< by process; none to this one
  std::vector<std::string> come_;                    ///< the text that is coming, by process
  std::map<std::uint32_t, box> boxes_;
  std::uint32_t objects_ = 0;
};

}  // namespace foal::transport
