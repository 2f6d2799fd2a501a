// A message between its slots in device memory and the host, on its way to or from another process.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include <foal/transport/open_end.hpp>

namespace foal::transport {

/// The messages of one end, one after the other. Those that are sent are copied to host memory behind the event that says
/// that they have been written; those that come are copied to their slots behind the events that say that nobody reads what
/// lay there. Nobody waits for either.
class message_copy {
 public:
  /// Keeps a reference to the queue. bytes: of each message.
  message_copy(message_queue const& q, std::size_t bytes)
      : q_(&q), host_(q.allocate_host(bytes), q.release_host), copied_(q.make_event(), q.destroy_event) {}
  message_copy(message_copy&&) = default;
  message_copy& operator=(message_copy&&) = delete;
  ~message_copy() {
    if (begun_) q_->finish(copied_.get());
  }

  /// Begins to copy a message, unless it has; gives whether it is at bytes(). written: when it is in its slots; may be null.
  bool brought(std::vector<entry_slots> const& entries, std::uint32_t m, void const* written) {
    if (!begun_) {
      if (written != nullptr) q_->wait(q_->device, written);
      std::byte* to = bytes();
      for (entry_slots const& e : entries) {
        if (e.on_host)
          std::memcpy(to, e.at(m), e.bytes);
        else if (e.bytes > 0)
          q_->copy_back(q_->device, to, e.at(m), e.bytes);
        to += e.bytes;
      }
      q_->record(q_->device, copied_.get());
      begun_ = true;
    }
    return q_->done(copied_.get());
  }
  /// The message that has been brought here, until taken().
  std::byte* bytes() const { return static_cast<std::byte*>(host_.get()); }
  void taken() { begun_ = false; }

  /// Copies a message to its slots, when nothing that lay there is read any more. events: of the channel; null: nothing is,
  /// and nothing waits for the message but by its counter, so that it must be there.
  void put(std::vector<entry_slots> const& entries, std::uint32_t m, std::byte const* from, outbox const& slots,
           channel_events const* events, std::uint32_t number) {
    if (events != nullptr) {
      wait(events->read, slots.transit_slots, m);
      wait(events->released, slots.kept_slots, m);
    }
    for (entry_slots const& e : entries) {
      if (e.on_host)
        std::memcpy(e.at(m), from, e.bytes);
      else if (e.bytes > 0)
        q_->copy_in(q_->device, e.at(m), from, e.bytes);
      from += e.bytes;
    }
    void* const there = events == nullptr ? nullptr : events->sent.at(number);
    q_->record(q_->device, there != nullptr ? there : copied_.get());
    if (there == nullptr) q_->finish(copied_.get());
  }

 private:
  using owner = std::unique_ptr<void, void (*)(void*)>;
  /// The first microbatches of a phase find slots that nobody has filled.
  void wait(event_ring const& ring, std::uint32_t slots, std::uint32_t m) const {
    if (void const* const e = m >= slots ? ring.at(m) : nullptr; e != nullptr) q_->wait(q_->device, e);
  }

  message_queue const* q_;
  owner host_, copied_;
  bool begun_ = false;
};

}  // namespace foal::transport
