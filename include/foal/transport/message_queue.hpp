// What brings messages from and to memory of a device whose ops are done later than they return: a queue of its own, and the
// events that order it with the queues of units.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <foal/core/config.hpp>

namespace foal::transport {

/// Events of a channel, numbered as what they stand for, modulo their count.
class event_ring {
 public:
  event_ring() = default;
  event_ring(void* (*make)(), void (*destroy)(void*), std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) all_.emplace_back(make(), destroy);
    recordings_.assign(count, 0);
  }
  /// Null: there are none.
  void* at(std::uint32_t i) const { return all_.empty() ? nullptr : all_[i % all_.size()].get(); }
  /// The recording whose part the event is, by its number; 0: none's. Needs at(i).
  long long& recording(std::uint32_t i) { return recordings_[i % recordings_.size()]; }

 private:
  std::vector<std::unique_ptr<void, void (*)(void*)>> all_;
  std::vector<long long> recordings_;
};

/// A channel's: message k, as many as may be on their way; and of microbatch m, that nothing in transit, or kept, is read
/// any more, as many as there are slots. None is recorded anew before the other end has waited for it: that end has taken
/// the message, or filled the slot, before.
struct channel_events {
  event_ring sent, read, released;
};

/// A device's queue as functions (device/contract.hpp). Of a process, beside those of its units: only who brings messages
/// calls it. What it says must outlive all that refers to it.
struct message_queue {
  void* device = nullptr;
  void (*copy_in)(void* device, void* to, void const* host_from, std::size_t bytes) = nullptr;
  void (*copy_back)(void* device, void* host_to, void const* from, std::size_t bytes) = nullptr;
  void (*wait)(void* device, void const* event) = nullptr;
  void (*record)(void* device, void* event) = nullptr;
  bool (*done)(void const* event) = nullptr;
  void (*finish)(void const* event) = nullptr;
  void* (*make_event)() = nullptr;
  void (*destroy_event)(void*) = nullptr;
  void* (*allocate_host)(std::size_t bytes) = nullptr;
  void (*release_host)(void*) = nullptr;
};

}  // namespace foal::transport
