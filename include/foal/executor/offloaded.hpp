// What a unit offloads: its copies to host memory and back, called in the order that the program gives, and the events that
// order them beside the unit's queue.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include <foal/executor/bound_stage.hpp>
#include <foal/schedule/offloads.hpp>

namespace foal::executor {

/// A unit's, called by its worker alone. Microbatches are those of the phase. On an asynchronous device copies go through a
/// queue of their own, and nobody waits for them but queues; else they are done when these return. What waits for what is
/// schedule::offload_waits, which the program's proof has followed.
class offloaded {
 public:
  /// One array of a microbatch: where F leaves it, where it lies in host memory, and where the backward finds it.
  struct array {
    ring forward, host, back;
    std::size_t bytes = 0;
  };

  /// unit: the unit's device; d outlives this.
  offloaded(table::device_functions const& d, void* unit, std::vector<array> arrays, int slots)
      : d_(d), unit_(unit), arrays_(std::move(arrays)), slots_(static_cast<std::uint32_t>(slots)) {
    if (!d_.asynchronous) return;
    copies_ = {d_.make_copies(unit), d_.destroy_copies};
    for (std::vector<owner>* of : {&forward_, &out_, &back_, &backward_})
      for (int i = 0; i < slots; ++i) of->push_back({d_.make_event(), d_.destroy_event});
  }
  offloaded(offloaded const&) = delete;
  offloaded& operator=(offloaded const&) = delete;

  /// In the phase that begins.
  void begin(schedule::offload_order order) {
    order_ = std::move(order);
    go_on(0);
  }
  /// The backwards of all microbatches before `next` are done, and no others; what is saved of these lies in host memory.
  void go_on(std::uint32_t next) {
    brought_ = next;
    at_work_ = none;
  }

  void before_forward(std::uint32_t m) {
    bring_until(m, order_.due_forward);
    wait_in_unit(out_, m);
    at_work_ = m;
  }
  void after_forward(std::uint32_t m) {
    record_in_unit(forward_, m);
    wait_in_copies(forward_, m);
    for (array const& a : arrays_) out(a.host.at(m), a.forward.at(m), a.bytes);
    record_in_copies(out_, m);
    at_work_ = none;
  }
  void before_backward(std::uint32_t m) {
    bring_until(m, order_.due_backward);
    wait_in_unit(back_, m);
  }
  void after_backward(std::uint32_t m) { record_in_unit(backward_, m); }

  /// What has been called of the copies so far: the event stands for it. Of an asynchronous device.
  void record(void* event) const { d_.copies_record(copies_.get(), event); }
  /// Waits for all copies.
  void finish() const {
    for (std::vector<owner> const* of : {&out_, &back_})
      for (owner const& e : *of) d_.finish(e.get());
  }
  /// Where what F of microbatch m has left at `forward` lies now, before its backward: in host memory, or still there.
  void const* host_copy(std::uint32_t m, void const* forward) const {
    for (array const& a : arrays_)
      if (a.forward.at(m) == forward && m != at_work_) return a.host.at(m);
    return nullptr;
  }

 private:
  using owner = std::unique_ptr<void, void (*)(void*)>;
  static constexpr std::uint32_t none = ~0U;

  /// due: of the op of microbatch m that is about to be called. Where ops before it are left out, because their microbatches
  /// are past the end of the run, more than one may be due.
  void bring_until(std::uint32_t m, std::vector<int> const& due) {
    long long const newest = static_cast<long long>(m) + due[m % due.size()];
    for (; static_cast<long long>(brought_) <= newest; ++brought_) bring(brought_);
  }
  void bring(std::uint32_t m) {
    wait_in_copies(backward_, m);
    for (array const& a : arrays_) back(a.back.at(m), a.host.at(m), a.bytes);
    record_in_copies(back_, m);
  }
  void out(void* host_to, void const* from, std::size_t bytes) const {
    if (d_.asynchronous)
      d_.copies_back(copies_.get(), host_to, from, bytes);
    else
      (d_.host_memory ? d_.copy : d_.copy_out)(unit_, host_to, from, bytes);
  }
  void back(void* to, void const* host_from, std::size_t bytes) const {
    if (d_.asynchronous)
      d_.copies_ahead(copies_.get(), to, host_from, bytes);
    else
      (d_.host_memory ? d_.copy : d_.copy_in)(unit_, to, host_from, bytes);
  }

  // Events of slots; there are none, and these do nothing, where ops are done when they return.
  void wait_in_unit(std::vector<owner> const& of, std::uint32_t m) const {
    if (!of.empty()) d_.wait(unit_, of[m % slots_].get());
  }
  void record_in_unit(std::vector<owner> const& of, std::uint32_t m) const {
    if (!of.empty()) d_.record(unit_, of[m % slots_].get());
  }
  void wait_in_copies(std::vector<owner> const& of, std::uint32_t m) const {
    if (!of.empty()) d_.copies_wait(copies_.get(), of[m % slots_].get());
  }
  void record_in_copies(std::vector<owner> const& of, std::uint32_t m) const {
    if (!of.empty()) d_.copies_record(copies_.get(), of[m % slots_].get());
  }

  table::device_functions const& d_;
  void* unit_;
  std::vector<array> arrays_;
  std::uint32_t slots_;
  owner copies_{nullptr, nullptr};
  std::vector<owner> forward_, out_, back_, backward_;  // by slot: what has been done in it last
  schedule::offload_order order_;
  std::uint32_t brought_ = 0;     // microbatches whose copy back has been called
  std::uint32_t at_work_ = none;  // that whose F has been called, and not its copy
};

}  // namespace foal::executor
