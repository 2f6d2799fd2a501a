// The order between the queues of units: events beside the messages of channels, on devices whose ops are done later than
// they return.
#pragma once

#include <foal/executor/bound_stage.hpp>
#include <foal/executor/channel_ends.hpp>
#include <foal/executor/offloaded.hpp>
#include <foal/transport/message_queue.hpp>

namespace foal::executor {

/// What an op's queue waits for before it, and what is recorded after it. The counters of channels then count what has been
/// called, and a worker goes on without waiting for any of it. `device` null: ops are done when they return, and there is
/// nothing to do here, which costs an op nothing but to know: the rest is out of its way.
///
/// Of a period that is recorded, events of the recording alone are waited for: its launch comes after all that was called
/// before it, and who calls after it waits for the launch (recorded_periods).
struct queue_order {
  table::device_functions const* device = nullptr;
  long long recording = 0;  ///< above 0: ops are recorded, as part of the one of this number; below: what is called is done
                            ///< by one that has been recorded before

  explicit operator bool() const { return device != nullptr; }

  /// Before the op of microbatch m is called: for the message that it takes, and for the slots that it fills.
  [[gnu::cold]] void before(bound_stage const& b, channel_ends const& ends, std::uint32_t m) const {
    if (ends.in != nullptr && ends.in->through != nullptr) wait(b, events(*ends.in->through).sent, *ends.taken);
    if (ends.out == nullptr || ends.out->through == nullptr) return;
    transport::channel_events& e = events(*ends.out->through);
    // In a phase the first microbatches find slots that nobody has filled; what a phase before has read is done.
    if (m >= ends.out->transit_slots) wait(b, e.read, m);
    if (m >= ends.out->kept_slots) wait(b, e.released, m);
  }
  /// After it: before ends.pass().
  [[gnu::cold]] void sent(bound_stage const& b, channel_ends const& ends) const {
    if (ends.out != nullptr && ends.out->through != nullptr) record(b, events(*ends.out->through).sent, *ends.sent);
  }
  /// Before in.read(up_to) and in.release(up_to). What is offloaded of the wire is read by the unit's copies, last.
  [[gnu::cold]] void read(bound_stage const& b, transport::inbox const& in, std::uint32_t up_to) const {
    if (in.transit && b.offload != nullptr && &in == &b.wire_in) {
      for (std::uint32_t m = in.through->read.value.load(std::memory_order_relaxed); m != up_to; ++m)
        if (void* const e = events(*in.through).read.at(m); e != nullptr) b.offload->record(e);
      return;
    }
    if (in.transit) record_from(b, events(*in.through).read, in.through->read, up_to);
  }
  [[gnu::cold]] void released(bound_stage const& b, transport::inbox const& in, std::uint32_t up_to) const {
    if (in.kept) record_from(b, events(*in.through).released, in.through->released, up_to);
  }

  /// After a part, or a sum, of minibatch k has been called for another replica, and before it is read there.
  void sum_sent(bound_stage const& b, transport::outbox const& out, std::uint32_t k) const {
    record(b, events(*out.through).sent, k);
  }
  void before_sum(bound_stage const& b, transport::inbox const& in, std::uint32_t k) const {
    wait(b, events(*in.through).sent, k);
  }

 private:
  static transport::channel_events& events(transport::channel const& c) { return *c.events; }
  void wait(bound_stage const& b, transport::event_ring& ring, std::uint32_t i) const {
    if (void const* const e = ring.at(i); e != nullptr && ring.recording(i) == recording) device->wait(b.device, e);
  }
  void record(bound_stage const& b, transport::event_ring& ring, std::uint32_t i) const {
    void* const e = ring.at(i);
    if (e == nullptr || recording < 0) return;
    ring.recording(i) = recording;
    device->record(b.device, e);
  }
  void record_from(bound_stage const& b, transport::event_ring& ring, transport::counter const& before,
                   std::uint32_t up_to) const {
    for (std::uint32_t m = before.value.load(std::memory_order_relaxed); m != up_to; ++m) record(b, ring, m);
  }
};

}  // namespace foal::executor
