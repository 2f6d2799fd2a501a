// The device objects of a run: one for each worker, or, where ops are done later than they return, one for each unit, with
// the events and the late results that go with it.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/executor/arena.hpp>
#include <foal/executor/offloaded.hpp>
#include <foal/executor/queue_order.hpp>
#include <foal/executor/rings.hpp>
#include <foal/plan/run_plan.hpp>

namespace foal::executor {

/// Not copied or moved: units and channels point into it.
class unit_queues {
 public:
  explicit unit_queues(table::run_tables const& t) : t_(t) {}
  unit_queues(unit_queues const&) = delete;
  unit_queues& operator=(unit_queues const&) = delete;

  /// Makes all of the plan that are here, and zeros every worker's arena. at(entry): where an entry of the plan lies.
  template <class At>
  void make(run_plan const& plan, std::vector<int> const& ordinals, std::vector<owned> const& arenas, At at) {
    std::vector<bool> zeroed(arenas.size(), false);
    for (std::size_t q = 0; q < plan.queues(); ++q) {
      int const worker = plan.worker_of_queue(q);
      if (worker < 0) {
        devices_.emplace_back(nullptr, t_.device.destroy);
        continue;
      }
      auto const w = static_cast<std::size_t>(worker);
      void* const made = devices_.emplace_back(make_device(t_.device, at(plan.workspace(q)), ordinals[w])).get();
      if (zeroed[w]) continue;
      t_.device.zero(made, arenas[w].get(), std::max<std::size_t>(plan.memory().arena_bytes(worker), alignment));
      t_.device.synchronise(made);  // before the other queues of the worker use it
      zeroed[w] = true;
    }
    if (auto const workspace = plan.message_workspace()) make_message_queue(at(*workspace), ordinals.front());
  }

  void* of(std::size_t queue) const { return devices_[queue].get(); }
  /// What orders them; nothing where ops are done when they return.
  queue_order order() const { return {t_.device.asynchronous ? &t_.device : nullptr}; }
  /// That of messages from and to other processes; null where there are none, or their memory is the host's.
  transport::message_queue const* messages() const { return messages_.device != nullptr ? &messages_ : nullptr; }
  /// Waits for all that has been called.
  void synchronise() const {
    for (owned const& d : devices_)
      if (d) t_.device.synchronise(d.get());
    for (offloaded const* o : offloads_) o->finish();
  }

  /// What a unit offloads, of its tensors in these rings: without `back` one is not offloaded. bytes(number): of a tensor.
  template <class Bytes>
  void give_offload(bound_stage& b, int slots, std::vector<ring> const& forward, std::vector<ring> const& back,
                    std::vector<ring> const& host, Bytes const& bytes) {
    std::vector<offloaded::array> arrays;
    for (std::size_t x = 0; x < back.size(); ++x)
      if (back[x].base != nullptr) arrays.push_back({forward[x], host[x], back[x], bytes(x)});
    b.offload = &keep<offloaded>(beside_, t_.device, b.device, std::move(arrays), slots);
    offloads_.push_back(b.offload);
  }

  // These do nothing where ops are done when they return.
  /// What a unit's queue leaves to be read late. block: in device memory.
  void give_later(bound_stage& b, int microbatches, std::byte* block) {
    if (!t_.device.asynchronous) return;
    b.later = &keep<later>(beside_, t_, block_of(t_, static_cast<std::size_t>(b.number), microbatches), block);
  }
  /// The events of a wire's channels, whose ends are bound.
  void give_events(wire_channels& w, bound_stage const& below, bound_stage const& above) {
    if (!t_.device.asynchronous) return;
    w.forward.events = &events_of(below.wire_out);
    w.gradient.events = &events_of(above.gradient_out);
    w.rebuilt.events = &events_of(below.rebuilt_out);
  }
  /// Those of a channel whose slots nobody gives back.
  void give_events(transport::channel& c, std::uint32_t slots) {
    if (t_.device.asynchronous)
      c.events = &keep<transport::channel_events>(beside_, transport::channel_events{ring_of(slots), {}, {}});
  }

 private:
  void make_message_queue(void* workspace, int ordinal) {
    table::device_functions const& d = t_.device;
    void* const made = devices_.emplace_back(make_device(d, workspace, ordinal)).get();
    messages_ = {made,     d.copy_in,    d.copy_back,     d.wait,          d.record,      d.done,
                 d.finish, d.make_event, d.destroy_event, d.allocate_host, d.release_host};
  }
  transport::channel_events& events_of(transport::outbox const& out) {
    return keep<transport::channel_events>(
        beside_, transport::channel_events{ring_of(std::max(out.transit_slots, out.kept_slots)), ring_of(out.transit_slots),
                                           ring_of(out.kept_slots)});
  }
  transport::event_ring ring_of(std::uint32_t count) const { return {t_.device.make_event, t_.device.destroy_event, count}; }

  table::run_tables const& t_;
  std::vector<owned> beside_;  // units' later and offloads, channels' events
  std::vector<offloaded const*> offloads_;
  std::vector<owned> devices_;  // by queue; behind them that of messages
  transport::message_queue messages_;
};

}  // namespace foal::executor
